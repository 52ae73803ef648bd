"""Parts of the comparison of sequence classifiers: tasks, methods, records, summaries."""
