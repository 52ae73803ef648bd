"""Damage files of every format that is read, and count how the calls that read them end.

Each input is read in a child process of its own, with 10 s of processor time and 2 GB. It must end
in an answer or in one ScmambaError that names the file; anything else is a fault, and its input is
kept. Examples: ``python tests/fuzz/run.py --minutes 30 --seed 0``, ``--inputs 5 --fast``,
``--only h5ad``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
from formats import Format, make_formats  # noqa: E402
from mutate import mutate  # noqa: E402

CPU_SECONDS = 10
MEMORY = 2 << 30
GOOD = ("right answer", "another answer", "ScmambaError")
FAULTS = ("not noticed", "file not named", "foreign error", "killed", "too slow")


def main() -> int:
    """Run, print the table, and give 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--inputs", type=int, help="inputs of each format, in place of --minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="formats whose name holds this text")
    parser.add_argument("--fast", action="store_true", help="nothing that has to be fitted first")
    parser.add_argument("--keep", type=Path, help="folder for inputs that failed")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    keep = options.keep or Path(tempfile.mkdtemp(prefix="fuzz_failed_"))
    keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz_") as name:
        base = Path(name) / "base"
        base.mkdir()
        formats = [f for f in make_formats(base, slow=not options.fast) if options.only in f.name]
        counts = _run(formats, base, Path(name), keep, options)
    return _report(counts, keep)


def _run(
    formats: list[Format], base: Path, temporary: Path, keep: Path, options: argparse.Namespace
) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {f.name: Counter() for f in formats}
    right: dict[str, str] = {}
    for item in formats:
        _attempt(item, _copied(base, temporary), seconds=300)  # loops are compiled once
        kind, text = _attempt(item, _copied(base, temporary))
        if kind != "answer":
            counts[item.name]["not read"] += 1
            print(f"{item.name} is not read as it is: {text.splitlines()[-1] if text else kind}")
        right[item.name] = text
    formats = [f for f in formats if not counts[f.name]]
    stop = time.monotonic() + 60 * options.minutes
    i = 0
    while formats and (i < options.inputs if options.inputs else time.monotonic() < stop):
        for k, item in enumerate(formats):
            here = _copied(base, temporary)
            rng = np.random.default_rng([options.seed, i, k])
            file, how = mutate(here / item.path, rng)
            kind, text = _attempt(item, here)
            verdict = _verdict(item, kind, text, right[item.name], file)
            counts[item.name][verdict] += 1
            if verdict in FAULTS:
                place = keep / f"{item.path.replace('/', '_')}-{options.seed}-{i}-{k}"
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(here, place, symlinks=True)
                (place / "how.txt").write_text(
                    f"{item.name}: {file.name}, {how}: {verdict}\n{text}"
                )
                last = text.strip().splitlines()[-1][:200] if text.strip() else kind
                print(f"{verdict}: {item.name}, {file.name}, {how}: {last}", flush=True)
        i += 1
    return counts


def _copied(base: Path, temporary: Path) -> Path:
    here = temporary / "here"
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(base, here)
    return here


def _verdict(item: Format, kind: str, text: str, right: str, file: Path) -> str:
    if kind == "answer":
        if text == right:
            return "right answer"
        return "not noticed" if item.sealed else "another answer"
    if kind == "ScmambaError":
        names = {file.name, Path(item.path).name, *(part.name for part in file.parents)} - {"here"}
        return "ScmambaError" if any(n and n in text for n in names) else "file not named"
    return kind


def _attempt(item: Format, here: Path, seconds: int = CPU_SECONDS) -> tuple[str, str]:
    """How the call ended in a child process: a kind, and a digest or a message."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(item, here, writer, seconds)
    os.close(writer)
    text, stop = b"", time.monotonic() + 6 * seconds
    while (left := stop - time.monotonic()) > 0:
        if not select.select([reader], [], [], left)[0] or not (part := os.read(reader, 1 << 16)):
            break
        text += part
    if slow := left <= 0 or stop - time.monotonic() <= 0:
        os.kill(child, signal.SIGKILL)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    if slow or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return "too slow", ""
    if os.WIFSIGNALED(status) or not text:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return "killed", f"by signal or with code {number}"
    kind, message = json.loads(text)
    return kind, message


def _work(item: Format, here: Path, writer: int, seconds: int) -> None:
    """The child: read, and tell the parent. Never returns."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from scmamba import ScmambaError

    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        kind, text = "answer", _digest(item.call(here))
    except ScmambaError as error:
        kind, text = "ScmambaError", str(error)
    except BaseException:
        kind, text = "foreign error", traceback.format_exc()
    os.write(writer, json.dumps([kind, text[-20_000:]]).encode())
    os._exit(0)


def _digest(answer: Any) -> str:
    """A hash of text, an array, or a list of these."""
    found = hashlib.sha256()
    for part in answer if isinstance(answer, list) else [answer]:
        found.update(
            part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
        )
    return found.hexdigest()


def _report(counts: dict[str, Counter[str]], keep: Path) -> int:
    columns = [*GOOD, *FAULTS, "not read"]
    print("\n| format | inputs | " + " | ".join(columns) + " |")
    print("| --- " + "| ---: " * (len(columns) + 1) + "|")
    total: Counter[str] = Counter()
    for name, found in counts.items():
        print(
            f"| {name} | {sum(found.values())} | "
            + " | ".join(str(found[c]) for c in columns)
            + " |"
        )
        total += found
    _row("all", total, columns)
    faults = sum(total[c] for c in FAULTS)
    print(f"\n{faults} fault(s); inputs that failed are in {keep}" if faults else "\nno fault")
    return int(faults > 0)


def _row(name: str, found: Counter[str], columns: list[str]) -> None:
    cells = [name, sum(found.values()), *(found[column] for column in columns)]
    print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    sys.exit(main())
