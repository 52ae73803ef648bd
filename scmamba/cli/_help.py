"""Help texts of the command line: what an option means, without the types of Python."""

from __future__ import annotations

import re
from argparse import Action
from collections.abc import Callable

from jsonargparse import DefaultHelpFormatter

_NOTE = re.compile(r"\s*\((required, )?type: .*?(?:, default: (.*))?\)$")
_SHORT = {
    "Print the configuration": "Print these options as YAML, as --config reads them, and exit.",
    "Show the help for": "List the options below this one, and exit.",
}
"""Own texts for what jsonargparse says at length."""
_WORDS = {
    r"(?<=[.;] )None: |^None: ": "If left out: ",
    r"\bTrue\b": "true",
    r"\bFalse\b(?! positive)": "false",
    r"\bNone\b": "null",
    r"\bsettings\.seed\b": "0",
    r"\badata\b": "the input",
    r"``|(?<!\[)\"(?!\])": "",
}
"""What is typed on a command line, in place of what is typed in Python."""


class Help(DefaultHelpFormatter):
    """Shows the default of an option where there is one, and no type."""

    def _expand_help(self, action: Action) -> str:
        return plain(super()._expand_help(action) or "")

    def _metavar_formatter(
        self, action: Action, default_metavar: str
    ) -> Callable[[int], tuple[str, ...]]:
        found = super()._metavar_formatter(action, default_metavar)
        return lambda n: tuple(one and one.replace(",null}", "}") for one in found(n))


def plain(text: str) -> str:
    """Return a help text without type and markup, in the words of a command line.

    Parameters
    ----------
    text
        Description of a parameter in a docstring, and behind it type and default in parentheses.

    Examples
    --------
    >>> from scmamba.cli._help import plain
    >>> plain("Prefix of the ``obs`` columns. (type: str, default: scmamba)")
    'Prefix of the obs columns. (default: scmamba)'
    >>> plain("Layer of counts; None: X. (type: str | None, default: null)")
    'Layer of counts; if left out: X.'
    """
    text = " ".join(text.split())
    for start, short in _SHORT.items():
        if text.startswith(start):
            return short
    note, found = "", _NOTE.search(text)
    if found:
        required, default = found.groups()
        if required or default not in (None, "null", "None", "()", "[]"):
            note = " (required)" if required else f" (default: {default})"
        text = text[: found.start()]
    text = text + note
    for said, meant in _WORDS.items():
        text = re.sub(said, meant, text)
    return text.replace("; If left out", "; if left out").strip()
