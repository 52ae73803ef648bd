"""Effects of perturbations: tables of mean changes, and methods that predict unseen ones."""
