"""How long ``scmamba demo`` takes here, from the shell's prompt to the report, imports included.

    python benchmarks/demo.py

One run, on an otherwise idle machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

import _timing

from scmamba.benchmark._cost import measure_cost

COMMAND = "import sys; from scmamba.cli.main import console; sys.exit(console())"


def main() -> None:
    """Run the command once, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, measure_cost() as cost:
        subprocess.run([sys.executable, "-c", COMMAND, "demo", "--output", folder], check=True)
    print(f"{cost.seconds:.0f} s, written: {_timing.save('demo', vars(cost))}")


if __name__ == "__main__":
    main()
