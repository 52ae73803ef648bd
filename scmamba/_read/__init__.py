"""Reading of untrusted files, with limits and with errors that name the file.

:func:`reading` wraps code that opens or parses a file; :func:`read_json`, :func:`read_text` and
:func:`read_bytes` read small files within limits; :class:`Fields` extracts typed entries from a
JSON object. Sizes, types and names stated in a file are never trusted.
"""

from scmamba._read.fields import Fields
from scmamba._read.guard import AGAIN, reading
from scmamba._read.regular import MAX_BYTES, check_regular, open_regular, read_bytes, read_text
from scmamba._read.structured import (
    MAX_DEPTH,
    MAX_DIGITS,
    check_yaml,
    parse_json,
    read_json,
    read_json_value,
)

__all__ = [
    "AGAIN",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_DIGITS",
    "Fields",
    "check_regular",
    "check_yaml",
    "open_regular",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_json_value",
    "read_text",
    "reading",
]
