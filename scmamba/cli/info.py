"""``scmamba info``."""

from __future__ import annotations

import importlib.metadata
import os
import platform

from scmamba._version import __version__

_PACKAGES = ("torch", "lightning", "scanpy", "anndata", "numpy", "scikit-learn")


def info(name: str | None = None) -> None:
    """Tell what will run here and why, or what is known of a model.

    Parameters
    ----------
    name
        A registered model, a preset, or a folder with a model; left out, this machine is described.
    """
    if name is not None:
        from scmamba.models import info as describe

        print(describe(name))
        return
    import torch

    from scmamba.models import resolve_device
    from scmamba.models.catalog import list_models
    from scmamba.nn.scan.dispatch import describe_operations, explain

    device = resolve_device()
    model = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    rows = {
        "scmamba": f"{__version__} on Python {platform.python_version()}",
        "packages": ", ".join(f"{p} {importlib.metadata.version(p)}" for p in _PACKAGES),
        "device": f"{device} ({model})",
        "kernels": explain(),
        "threads": f"{torch.get_num_threads()} on {os.cpu_count()} cores (set OMP_NUM_THREADS)",
    }
    for key, value in rows.items():
        print(f"{key:<12}{value}")
    for operation, how in describe_operations(device).items():
        print(f"{'':<12}{operation}: {how}")
    for kind, names in list_models().groupby("kind").groups.items():
        print(f"{f'{kind}s':<12}{', '.join(names)}")
