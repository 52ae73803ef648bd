"""Cells as tokens: gene names matched, values binned, padded batches, masks."""
