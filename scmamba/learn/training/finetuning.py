"""Using a pretrained model: the ways, and their learning rates."""

from __future__ import annotations

MODES = ("auto", "probe", "finetune", "lora")
"""How a pretrained model may be used."""
FINETUNE_RATES = {"finetune": 1e-4, "lora": 1e-3}
"""Peak learning rates of a pretrained model."""
