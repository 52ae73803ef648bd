"""Supervised learning, once for cells and for sequences."""
