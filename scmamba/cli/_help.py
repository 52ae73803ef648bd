"""Help texts of the command line: what an option means, without the types of Python."""

from __future__ import annotations

import re
from argparse import Action

from jsonargparse import DefaultHelpFormatter

_NOTE = re.compile(r"\s*\((required, )?type: [^()]*?(?:, default: ([^()]*))?\)$")


class Help(DefaultHelpFormatter):
    """Shows the default of an option where there is one, and no type."""

    def _expand_help(self, action: Action) -> str:
        return plain(super()._expand_help(action) or "")


def plain(text: str) -> str:
    """Return a help text without type and markup.

    Parameters
    ----------
    text
        What a docstring says of a parameter, and behind it type and default in parentheses.

    Examples
    --------
    >>> from scmamba.cli._help import plain
    >>> plain("Prefix of the ``obs`` columns. (type: str, default: scmamba)")
    'Prefix of the obs columns. (default: scmamba)'
    """
    found = _NOTE.search(text)
    if found:
        required, default = found.groups()
        note = "required" if required else f"default: {default}"
        shown = required or default not in (None, "null")
        text = text[: found.start()] + (f" ({note})" if shown else "")
    return text.replace("``", "").replace('"', "").strip()
