"""Networks: tensors in, tensors out. Nothing here knows AnnData."""

from __future__ import annotations
