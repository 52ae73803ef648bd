"""Parts of the comparison of annotation: splits, methods, runs."""
