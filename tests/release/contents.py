"""What the wheel and the source archive hold; also a program, for archives that were built."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 20 * 2**20
"""Of an archive: models inside the package take 12 MB at most, tables and code the rest."""
DATA = (".css", ".csv.gz", ".h5ad", ".json", ".npz", ".parquet", ".safetensors", ".txt.gz")
NOT_SHIPPED = ("tests/", "benchmarks/", "tutorials/", "docs/", ".github/", "__pycache__/")


def data_files(root: Path = ROOT) -> set[str]:
    """Files of the package that are no code, which a wheel must hold."""
    found = (path for path in (root / "scmamba").rglob("*") if path.is_file())
    names = {path.relative_to(root).as_posix() for path in found}
    return {name for name in names if name.endswith(DATA)} | {"scmamba/py.typed"}


def names_in(archive: Path) -> set[str]:
    """Names of the files in an archive, of a source archive without its first folder."""
    if archive.suffix == ".whl":
        return set(zipfile.ZipFile(archive).namelist())
    with tarfile.open(archive) as tar:
        return {name.partition("/")[2] for name in tar.getnames()}


def faults(archive: Path, data: Iterable[str]) -> list[str]:
    """What is wrong with an archive, in words; nothing where it may be released."""
    names, found = names_in(archive), []
    if missing := sorted(set(data) - names):
        found.append(f"lacks {', '.join(missing)}")
    if archive.suffix == ".whl":
        if extra := sorted(name for name in names if name.startswith(NOT_SHIPPED)):
            found.append(f"holds {', '.join(extra[:5])}")
        if not any(name.endswith("LICENSE") for name in names):
            found.append("lacks the license")
    if (size := archive.stat().st_size) > MOST_BYTES:
        found.append(f"has {size / 2**20:.1f} MiB; allowed: {MOST_BYTES / 2**20:.0f}")
    return [f"{archive.name} {one}" for one in found]


if __name__ == "__main__":
    wrong = [one for name in sys.argv[1:] for one in faults(Path(name), data_files())]
    sys.stderr.writelines(f"{one}\n" for one in wrong)
    sys.exit(bool(wrong))
