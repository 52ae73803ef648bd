"""Tiny models of every kind, strong enough that letters and order matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from scmamba._settings import settings
from scmamba.models import SequenceConfig, SequenceModel
from scmamba.tokens.nucleotides.layouts import TokenLayout
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer
from tests.tasks.sequence.oracle import KINDS, random_sequences

COMPLEMENT = (0, 1, 2, 3, 4, 5, 6, 10, 9, 8, 7, 11, 12, 13, 14, 15)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "verbosity", "error")
    monkeypatch.setattr(settings, "device", "cpu")


def _kmers() -> NucleotideTokenizer:
    """Every 3-mer, and shorter ones for what is left over."""
    words = list("ACGTN") + [a + b for a in "ACGT" for b in "ACGT"]
    words += [w + c for w in words[5:] for c in "ACGT"]
    tokens = ("<unk>", "<pad>", "<mask>", *words)
    specials = {"unk": 0, "pad": 1, "mask": 2}
    return NucleotideTokenizer(TokenLayout("kmers", tokens, specials))


def _tokenizer(kind: str) -> NucleotideTokenizer:
    if kind == "kmers":
        return _kmers()
    return NucleotideTokenizer.mrna() if kind == "rna" else NucleotideTokenizer.caduceus()


@pytest.fixture(scope="session")
def make_model() -> Callable[..., SequenceModel]:
    """Make a model of a kind named above; changes go to its configuration."""

    def make(kind: str, **changes: object) -> SequenceModel:
        tokenizer = _tokenizer(kind)
        sizes = {"d_model": 12, "n_layer": 2, "d_state": 4, "headdim": 8, "chunk_size": 8}
        size = 16 if kind not in ("kmers", "rna") else -(-tokenizer.vocab_size // 8) * 8
        map_ = COMPLEMENT if size == 16 and kind != "rna" else ()
        config = {**sizes, **KINDS[kind], "complement_map": map_, **changes}
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model = SequenceModel(SequenceConfig(size, **config), tokenizer)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.ndim == 2 and parameter.shape[-1] == 12:
                        parameter.mul_(8)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def models(make_model: Callable[..., SequenceModel]) -> dict[str, SequenceModel]:
    """One tiny model of each kind."""
    return {kind: make_model(kind) for kind in KINDS}


@pytest.fixture
def sequences() -> list[str]:
    """Seven sequences of 1 to 41 nucleotides."""
    return random_sequences([17, 9, 41, 1, 30, 9, 16])
