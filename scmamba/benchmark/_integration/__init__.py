"""Parts of the comparison of batch correction: cells, methods, runs."""
