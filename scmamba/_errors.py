"""The one error that scmamba raises for an input it cannot use."""

from collections.abc import Iterator
from contextlib import contextmanager


class ScmambaError(ValueError):
    """A wrong input: the message says what was given, what is allowed and how to mend it."""


@contextmanager
def about_one(name: str, *, of_several: bool) -> Iterator[None]:
    """Say in an error of the block which of several inputs it is about."""
    try:
        yield
    except ScmambaError as error:
        if not of_several or name in str(error):
            raise
        raise ScmambaError(f"{name}: {error}") from error
