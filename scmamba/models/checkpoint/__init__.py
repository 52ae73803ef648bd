"""Weights on disk: saved format, reading without pickle, reports of loading."""
