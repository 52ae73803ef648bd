"""Compiled loops (numba) of the scans on a CPU, and the autograd functions around them."""

from __future__ import annotations
