"""Pieces of the scores of predicted perturbations."""
