"""A neural residual on top of the statistical model of effects."""
