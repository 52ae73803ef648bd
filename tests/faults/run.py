"""Kills, two processes at once and full disks: ``python tests/faults/run.py --kills 500``.

Prints a table of what was tried and what was lost. All is drawn from ``--seed``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from killing import BROKEN, REFUSED, SUCCESS, Steps, count_steps, in_child, start_child
from scenarios import FOLDERS, SCENARIOS, Scenario, leftovers, set_up, without_exchange

KINDS = ("renames", "calls", "lines")


def say(line: str) -> None:
    """Print a line of the tables."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fresh(scenario: Scenario, root: Path) -> Path:
    """A new folder with what is there before the call."""
    template = root / f"template-{id(scenario)}"
    if not template.exists():
        template.mkdir()
        if in_child(lambda: scenario.prepare(template), root / "log") != SUCCESS:
            raise RuntimeError((root / "log").read_text())
    folder = Path(tempfile.mkdtemp(dir=root)) / "here"
    shutil.copytree(template, folder, symlinks=True)
    return folder


def state_of(scenario: Scenario, folder: Path, root: Path) -> str:
    """State of the target, or ``"damaged: ..."``."""
    code = in_child(lambda: scenario.state(folder), root / "log")
    text = (root / "log").read_text()
    return text if code == SUCCESS else f"damaged: {text.strip().splitlines()[-1]}"


def killed_once(
    name: str, kind: str, at: int, exchanging: bool, root: Path
) -> tuple[str, list[str]]:
    """Kill a call at a step, then repeat it: the state in between, and what went wrong."""
    scenario = SCENARIOS[name]
    folder, wrong = fresh(scenario, root), []

    def killed() -> None:
        if not exchanging:
            without_exchange()
        with Steps(kind, at):
            scenario.call(folder)

    if (code := in_child(killed, root / "log")) not in (-signal.SIGKILL, SUCCESS):
        wrong.append(f"ended with {code}: {(root / 'log').read_text()[-300:]}")
    between = state_of(scenario, folder, root)
    allowed = {"new", scenario.start}
    if between not in allowed and exchanging:
        wrong.append(f"after the kill: {between}")
    if in_child(lambda: scenario.call(folder), root / "log") != SUCCESS:
        wrong.append(f"repeated: {(root / 'log').read_text()[-300:]}")
    after = state_of(scenario, folder, root)
    if after != "new":
        wrong.append(f"after the repeated call: {after}")
    if left := leftovers(folder):
        wrong.append(f"left behind: {', '.join(left)}")
    shutil.rmtree(folder)
    return ("whole" if between in allowed else "recovered"), wrong


def kills(n: int, rng: random.Random, root: Path, failures: list[str]) -> None:
    """Kill calls at random steps."""
    ways = [(name, True) for name in SCENARIOS] + [(name, False) for name in FOLDERS]
    steps = {}
    for name, exchanging in ways:
        for kind in KINDS:
            folder = fresh(SCENARIOS[name], root)

            def call(name: str = name, exchanging: bool = exchanging, folder: Path = folder):
                if not exchanging:
                    without_exchange()
                SCENARIOS[name].call(folder)

            steps[name, exchanging, kind] = count_steps(kind, call, root / "log")
            shutil.rmtree(folder)
    table: dict[str, Counter[str]] = {}
    for i in range(n):
        name, exchanging = ways[i % len(ways)]
        kind = KINDS[i // len(ways) % len(KINDS)]
        at = rng.randint(1, steps[name, exchanging, kind])
        between, wrong = killed_once(name, kind, at, exchanging, root)
        row = table.setdefault(name if exchanging else f"{name}, two renames", Counter())
        row["kills"] += 1
        row[between] += 1
        row["lost"] += bool(wrong)
        failures += [f"{name}, {kind} {at}, exchange {exchanging}: {one}" for one in wrong]
    say(f"{'call that was killed':32}{'kills':>7}{'whole':>7}{'recovered':>11}{'lost':>6}")
    for name, row in table.items():
        say(f"{name:32}" + "".join(f"{row[k]:>{w}}" for k, w in _WIDTHS.items()))
    total = sum(table.values(), Counter())
    say(f"{'all':32}" + "".join(f"{total[k]:>{w}}" for k, w in _WIDTHS.items()))


_WIDTHS = {"kills": 7, "whole": 7, "recovered": 11, "lost": 6}


def rounds(n: int, rng: random.Random, root: Path, failures: list[str]) -> None:
    """Make the same call in two processes at once."""
    names = list(SCENARIOS)
    table: dict[str, Counter[str]] = {}
    for i in range(n):
        name = names[i % len(names)]
        scenario, lost = SCENARIOS[name], []
        folder, delay = fresh(scenario, root), rng.random() * 0.3
        logs = [root / "first", root / "second"]

        def second(scenario: Scenario = scenario, folder: Path = folder, delay: float = delay):
            time.sleep(delay)
            scenario.call(folder)

        children = [
            start_child(lambda s=scenario, f=folder: s.call(f), logs[0]),
            start_child(second, logs[1]),
        ]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        for code, log in zip(codes, logs, strict=True):
            clear = "being written by process" in log.read_text()
            if code not in (SUCCESS, REFUSED) or (code == REFUSED and not clear):
                lost.append(f"ended with {code}: {log.read_text()[-300:]}")
        if SUCCESS not in codes:
            lost.append("neither call succeeded")
        if (state := state_of(scenario, folder, root)) != "new":
            lost.append(state)
        if left := leftovers(folder):
            lost.append(f"left behind: {', '.join(left)}")
        shutil.rmtree(folder)
        row = table.setdefault(name, Counter())
        row.update({"rounds": 1, "both": codes == [0, 0], "one": codes != [0, 0]})
        row["lost"] += bool(lost)
        failures += [f"two processes, {name}: {one}" for one in lost]
    say(f"\n{'two processes at once':32}{'rounds':>7}{'both':>7}{'one':>7}{'lost':>6}")
    widths = {"rounds": 7, "both": 7, "one": 7, "lost": 6}
    table["all"] = sum(table.values(), Counter())
    for name, row in table.items():
        say(f"{name:32}" + "".join(f"{row[k]:>{w}}" for k, w in widths.items()))


def full_disks(rng: random.Random, root: Path, failures: list[str]) -> None:
    """Make each call with too little room, by a limit on the size of files or a small disk."""
    say(f"\n{'full disk':32}{'tried':>7}{'told':>7}{'lost':>6}")
    for way in ("limit", "small disk"):
        row: Counter[str] = Counter()
        for name, scenario in SCENARIOS.items():
            wrong = _without_room(name, scenario, way, rng, root, row)
            row["lost"] += bool(wrong)
            failures += [f"{way}, {name}: {one}" for one in wrong]
        say(f"{way:32}{row['tried']:>7}{row['told']:>7}{row['lost']:>6}")


def _without_room(
    name: str, scenario: Scenario, way: str, rng: random.Random, root: Path, row: Counter[str]
) -> list[str]:
    folder = fresh(scenario, root)
    size = max(one.stat().st_size for one in folder.rglob("*") if one.is_file())

    def limited() -> None:
        most = rng.randint(100, max(int(size * 0.8), 101))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        scenario.call(folder)

    def on_a_small_disk() -> None:
        filler = folder / "filler"
        free = shutil.disk_usage(folder).free
        filler.write_bytes(b"a" * max(free - rng.randint(0, 8) * 4096, 0))
        scenario.call(folder)

    mounted = way == "small disk"
    if mounted and not _mount(scenario, folder, root):
        return []
    row["tried"] += 1
    code = in_child(on_a_small_disk if mounted else limited, root / "log")
    text, wrong = (root / "log").read_text(), []
    if code == BROKEN or code < 0:
        wrong.append(f"ended with {code}: {text[-400:]}")
    if code == REFUSED:
        row["told"] += 1
        if "cannot write" not in text and "are needed" not in text:
            wrong.append(f"told: {text[-300:]}")
    (folder / "filler").unlink(missing_ok=True)
    if (state := state_of(scenario, folder, root)) not in {"new", scenario.start}:
        wrong.append(state)
    if in_child(lambda: scenario.call(folder), root / "log") != SUCCESS:
        wrong.append(f"repeated: {(root / 'log').read_text()[-300:]}")
    if left := leftovers(folder):
        wrong.append(f"left behind: {', '.join(left)}")
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)
    shutil.rmtree(folder)
    return wrong


def _mount(scenario: Scenario, folder: Path, root: Path) -> bool:
    """Put a small disk at ``folder``, where that is permitted."""
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        if subprocess.run(command, capture_output=True).returncode:
            return False
    except OSError:
        return False
    if in_child(lambda: scenario.prepare(folder), root / "log") != SUCCESS:
        raise RuntimeError((root / "log").read_text())
    return True


def main() -> int:
    """Run all, and return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    set_up()
    rng, failures, start = random.Random(options.seed), [], time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        kills(options.kills, rng, root, failures)
        rounds(options.rounds, rng, root, failures)
        full_disks(rng, root, failures)
    say(f"\n{time.monotonic() - start:.0f} s, seed {options.seed}, {len(failures)} failures")
    for one in failures:
        say(f"LOST {json.dumps(one)}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
