"""Parts of the comparison of predicted perturbation effects."""
