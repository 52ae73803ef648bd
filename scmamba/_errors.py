"""The one error that scmamba raises for an input it cannot use."""


class ScmambaError(ValueError):
    """A wrong input: the message says what was given, what is allowed and how to mend it."""
