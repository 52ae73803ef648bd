"""The parts of a sequence predictor: targets, splits, features, two views and their mix."""
