"""Perturbation: reading, fitted models, predicted cells, reverse search."""
