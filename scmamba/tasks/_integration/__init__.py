"""Batch correction: its model, its stages of training, and what is made of them."""
