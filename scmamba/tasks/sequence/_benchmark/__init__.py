"""The parts of the benchmark of sequence classifiers: tasks, methods, runs on disk, summaries."""
