"""The comparison of multi-omics models."""
