"""Run one way to correct batches in a process of its own, and measure it.

``python -m scmamba.benchmark._integration.program NAME CELLS OUTPUT SEED DEVICE``
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from scmamba.benchmark._integration.methods import INTEGRATION_METHODS, IntegrationMethod


def main(methods: Mapping[str, IntegrationMethod], arguments: Sequence[str]) -> None:
    """Run one of ``methods`` on a file of cells; print seconds, peak memory and what it reports.

    Parameters
    ----------
    methods
        By name.
    arguments
        Name of the method, file of cells, .npy file to write, seed, device.
    """
    import anndata
    import numpy as np

    from scmamba._settings import settings

    name, cells, output, seed, settings.device = arguments
    method = methods[name]
    importlib.import_module(method.package)
    adata = anndata.read_h5ad(cells)
    start, cpu_start = time.perf_counter(), time.process_time()
    embedding = method.run(adata, int(seed))
    took = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,  # tells what other programs cost
    }
    np.save(output, np.asarray(embedding, dtype=np.float32))
    about = adata.uns.get("scmamba", {})
    found = {**took, "peak_bytes": _peak_bytes(), "about": about}
    text = json.dumps(found, default=lambda value: np.asarray(value).tolist())
    sys.stdout.write(f"{text}\n")


def _peak_bytes() -> int:
    """Most resident memory of this process, 0 where that is not known."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the process that started this one
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main(INTEGRATION_METHODS, sys.argv[1:])
