"""Weights on disk: the saved format, tensors read without pickle, and what became of each."""
