"""Scans and convolutions, and how each is computed: PyTorch, compiled loops, CUDA kernels."""

from __future__ import annotations
