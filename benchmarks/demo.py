"""How long ``scmamba demo`` takes here, from the shell's prompt to the report, imports included.

    python benchmarks/demo.py

One run, on an otherwise idle machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

import _timing

COMMAND = "import sys; from scmamba.cli.main import console; sys.exit(console())"


def main() -> None:
    """Run the command once, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", COMMAND, "demo", "--output", folder], check=True)
        seconds = time.perf_counter() - start
    print(f"{seconds:.0f} s, written: {_timing.save('demo', {'seconds': seconds})}")


if __name__ == "__main__":
    main()
