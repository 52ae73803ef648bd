"""Several modalities of the same or other cells in one model."""
