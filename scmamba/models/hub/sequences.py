"""Published DNA and mRNA models, with their published sizes.

Repositories and sizes are from their web pages and papers; commits, hashes and file names are
resolved and locked when a model is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scmamba.models.sequence.config import SequenceConfig
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer


@dataclass(frozen=True)
class HubEntry:
    """Published model on Hugging Face, and optionally on ModelScope.

    Attributes
    ----------
    name
        Name for :func:`scmamba.models.load`.
    repo
        Repository on Hugging Face, ``"owner/name"``.
    license
        License of the weights, as stated on their page.
    max_length
        Longest sequence in training, in tokens; 0 if not stated.
    expected
        Published configuration; None if it is incomplete.
    modelscope
        Repository on ModelScope, or None.
    """

    name: str
    repo: str
    license: str
    max_length: int
    expected: SequenceConfig | None
    modelscope: str | None = None

    def terms(self, record_license: str | None) -> str:
        """Return the license in words; ``record_license`` is that on the page, if known."""
        if record_license is None:
            return f"{self.license} (its page was not queried yet)"
        return f"{self.license} (its page says {record_license})"


def _complement(tokenizer: NucleotideTokenizer) -> tuple[int, ...]:
    assert tokenizer.complement is not None
    return tuple(tokenizer.complement.tolist())


_CADUCEUS: dict[str, Any] = {
    "vocab_size": 16,
    "family": "caduceus",
    "mixer": "mamba1",
    "d_state": 16,
    "complement_map": _complement(NucleotideTokenizer.caduceus()),
    "pad_id": 4,
}
_PLANTCAD: dict[str, Any] = {
    "vocab_size": 8,
    "family": "plantcad",
    "rc": "ps",
    "fused_add_norm": True,
    "complement_map": _complement(NucleotideTokenizer.plantcad()),
}
_DNAMAMBA: dict[str, Any] = {
    "family": "plant-dnamamba",
    "d_model": 768,
    "n_layer": 24,
    "mixer": "mamba1",
    "d_state": 16,
    "direction": "causal",
}
_NC = "CC BY-NC-SA 4.0: no commercial use, share alike"
_APACHE = "Apache-2.0"


def _caduceus(kind: str, length: int, d_model: int, n_layer: int) -> HubEntry:
    ps: dict[str, Any] = {"rc": "ps", "fused_add_norm": True} if kind == "ps" else {}
    long = length > 1024
    repo = f"caduceus-{kind}_seqlen-{'131k' if long else '1k'}_d_model-{d_model}_n_layer-{n_layer}"
    size = "" if d_model == 256 else f"-{d_model}"
    return HubEntry(
        name=f"caduceus-{kind}-{'131k' if long else '1k'}{size}",
        repo=f"kuleshov-group/{repo}{'' if long else '_lr-8e-3'}",
        license=_APACHE if long else f"not said on its page; {_APACHE} for Caduceus' code",
        max_length=length,
        expected=SequenceConfig(
            **_CADUCEUS, **ps, d_model=d_model, n_layer=n_layer, max_length=length
        ),
    )


def _plantcaduceus(n_layer: int, d_model: int) -> HubEntry:
    sizes: dict[str, Any] = {"d_model": d_model, "n_layer": n_layer}
    return HubEntry(
        name=f"plantcaduceus-l{n_layer}",
        repo=f"kuleshov-group/PlantCaduceus_l{n_layer}",
        license=_APACHE,
        max_length=512,
        expected=SequenceConfig(**_PLANTCAD, **sizes, mixer="mamba1", d_state=16, max_length=512),
    )


def _plantcad2(size: str, n_layer: int, d_model: int) -> HubEntry:
    sizes: dict[str, Any] = {"d_model": d_model, "n_layer": n_layer}
    return HubEntry(
        name=f"plantcad2-{size.lower()}",
        repo=f"kuleshov-group/PlantCAD2-{size}-l{n_layer}-d{d_model:04d}",
        license="not seen yet (unverified)",
        max_length=8192,
        expected=SequenceConfig(**_PLANTCAD, **sizes, mixer="mamba2", max_length=8192),
    )


def _dnamamba(cut: str, vocab_size: int) -> HubEntry:
    return HubEntry(
        name=f"plant-dnamamba-{cut.lower()}",
        repo=f"zhangtaolab/plant-dnamamba-{cut}",
        license=_NC,
        max_length=0,
        expected=SequenceConfig(vocab_size=vocab_size, **_DNAMAMBA),
        modelscope=f"zhangtaolab/plant-dnamamba-{cut}",
    )


SEQUENCE_MODELS: tuple[HubEntry, ...] = (
    *(_caduceus(kind, 131_072, 256, 16) for kind in ("ph", "ps")),
    *(_caduceus(kind, 1024, 256, 4) for kind in ("ph", "ps")),
    *(_caduceus(kind, 1024, 118, 4) for kind in ("ph", "ps")),
    _plantcaduceus(20, 384),
    _plantcaduceus(24, 512),
    _plantcaduceus(28, 768),
    _plantcaduceus(32, 1024),
    _plantcad2("Small", 24, 768),
    _plantcad2("Medium", 48, 1024),
    _plantcad2("Large", 48, 1536),
    HubEntry("mamba2-mrna", "helical-ai/mamba2-mRNA", _NC, 8192, None),
    _dnamamba("BPE", 8000),
    _dnamamba("singlebase", 11),
    # k-mers, 4 special tokens, 5 single nucleotides and 2 tokens of ends
    *(_dnamamba(f"{k}mer", 4**k + 11) for k in range(2, 7)),
)


OF_THEIR_SOURCE = "that of their source"
"""License of weights from an unknown source."""


def published_terms(family: str) -> str:
    """Return the license of weights in a folder, of which only the layout is known."""
    limits = {entry.license for entry in SEQUENCE_MODELS if entry.name.startswith(family)}
    published = f"; {_NC}, if they are those published in this layout" if limits == {_NC} else ""
    return f"{OF_THEIR_SOURCE}{published}"
