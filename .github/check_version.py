"""Check that a tag, the package, CITATION.cff and the changelog name the same version."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = {
    "scmamba/_version.py": r'__version__ = "([^"]+)"',
    "CITATION.cff": r"^version: (\S+)",
    "CHANGELOG.md": r"^## \[?(\d[^\]\s]*)",
}


def versions() -> dict[str, str]:
    """Version by the file that names it; of the changelog, the newest that was released."""
    found = {}
    for name, pattern in PLACES.items():
        match = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        found[name] = match[1] if match else "none"
    return found


def main(tag: str) -> int:
    """Return 0 where all agree with ``tag``, such as v0.1.0."""
    wrong = {name: said for name, said in versions().items() if f"v{said}" != tag}
    for name, said in wrong.items():
        sys.stderr.write(f"{name} names version {said}, the tag is {tag}\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
