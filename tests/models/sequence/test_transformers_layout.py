"""A tiny checkpoint of transformers, written as it is published, against its own outputs.

The pattern for a new layout: an independent implementation makes the folder and the outputs, and
nothing has to be fetched.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from scmamba import models

transformers = pytest.importorskip("transformers")

TOKENIZER = {
    "tokenizer_class": "CharTokenizer",
    "characters": ["A", "C", "G", "U", "N"],
    "model_max_length": 64,
}


@pytest.mark.parametrize("tie", [False, True], ids=["own head", "tied head"])
def test_outputs_are_those_of_transformers(tmp_path: Path, tie: bool) -> None:
    config = transformers.Mamba2Config(
        vocab_size=12,
        hidden_size=32,
        state_size=8,
        num_heads=4,
        head_dim=16,
        n_groups=1,
        num_hidden_layers=2,
        chunk_size=16,
        tie_word_embeddings=tie,
    )
    theirs = transformers.Mamba2ForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(TOKENIZER))

    ours = models.load(tmp_path)
    assert isinstance(ours, models.SequenceModel) and ours.report is not None
    assert ours.report.complete, ours.report
    ids = torch.randint(5, 12, (2, 40))
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(ids), theirs(ids).logits, atol=1e-4, rtol=1e-4)
