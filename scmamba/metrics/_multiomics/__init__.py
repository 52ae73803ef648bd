"""Scores of multi-omics models, one idea a file."""
