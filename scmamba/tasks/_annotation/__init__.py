"""The parts of an annotator: labels, folds, views, fusion, novelty."""
