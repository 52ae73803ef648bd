"""Run one way to correct batches in a process of its own, and measure it.

``python -m scmamba.benchmark._integration.program NAME CELLS OUTPUT SEED DEVICE``
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence

from scmamba._memory import peak_bytes, peak_bytes_of_workers
from scmamba.benchmark._cost import measure_cost
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
    with measure_cost() as cost:
        embedding = method.run(adata, int(seed))
    np.save(output, np.asarray(embedding, dtype=np.float32))
    about = adata.uns.get("scmamba", {})
    peak = max(peak_bytes(), peak_bytes_of_workers())
    found = {**vars(cost), "peak_bytes": peak, "about": about}
    text = json.dumps(found, default=lambda value: np.asarray(value).tolist())
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main(INTEGRATION_METHODS, sys.argv[1:])
