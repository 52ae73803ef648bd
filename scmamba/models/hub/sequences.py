"""Published DNA and mRNA models, with the sizes that their authors give.

Repositories and sizes were read from their pages and papers; commits, hashes and file names are
not written here: they are resolved when a model is fetched, and locked then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scmamba.models.sequence.config import SequenceConfig
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer


@dataclass(frozen=True)
class HubEntry:
    """A published model on Hugging Face, perhaps on ModelScope too.

    Attributes
    ----------
    name
        What :func:`scmamba.models.load` takes.
    repo
        On Hugging Face: ``"owner/name"``.
    licence
        Of the weights, as their page says it.
    max_length
        Most tokens that it was trained with; 0: not said.
    expected
        The published sizes; None where they are not all published.
    modelscope
        The same model on ModelScope, or None.
    """

    name: str
    repo: str
    licence: str
    max_length: int
    expected: SequenceConfig | None
    modelscope: str | None = None

    def terms(self, record_licence: str | None) -> str:
        """The licence in words; ``record_licence`` is what the page says, if it was asked."""
        if record_licence is None:
            return f"{self.licence} (its page was not asked yet)"
        return f"{self.licence} (its page says {record_licence})"


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
        licence=_APACHE if long else f"not said on its page; {_APACHE} for Caduceus' code",
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
        licence=_APACHE,
        max_length=512,
        expected=SequenceConfig(**_PLANTCAD, **sizes, mixer="mamba1", d_state=16, max_length=512),
    )


def _plantcad2(size: str, n_layer: int, d_model: int) -> HubEntry:
    sizes: dict[str, Any] = {"d_model": d_model, "n_layer": n_layer}
    return HubEntry(
        name=f"plantcad2-{size.lower()}",
        repo=f"kuleshov-group/PlantCAD2-{size}-l{n_layer}-d{d_model:04d}",
        licence="not seen yet (unverified)",
        max_length=8192,
        expected=SequenceConfig(**_PLANTCAD, **sizes, mixer="mamba2", max_length=8192),
    )


def _dnamamba(cut: str, vocab_size: int) -> HubEntry:
    return HubEntry(
        name=f"plant-dnamamba-{cut.lower()}",
        repo=f"zhangtaolab/plant-dnamamba-{cut}",
        licence=_NC,
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
    # k-mers beside 4 special tokens, 5 single nucleotides and 2 ends
    *(_dnamamba(f"{k}mer", 4**k + 11) for k in range(2, 7)),
)


OF_THEIR_SOURCE = "that of their source"
"""Terms of weights of which nothing else is known."""


def published_terms(family: str) -> str:
    """Terms of weights in a folder, of which only the layout is known."""
    limits = {entry.licence for entry in SEQUENCE_MODELS if entry.name.startswith(family)}
    published = f"; {_NC}, if they are those published in this layout" if limits == {_NC} else ""
    return f"{OF_THEIR_SOURCE}{published}"
