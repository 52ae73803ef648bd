"""Parts of the scores of predicted perturbation responses."""
