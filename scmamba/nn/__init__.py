"""Networks: tensors in, tensors out. This room knows no AnnData."""

from __future__ import annotations
