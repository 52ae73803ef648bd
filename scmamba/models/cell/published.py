"""Layout of the SC-MAMBA2 release: ``args.json``, ``vocab.json`` and one file of weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba._files import sha256
from scmamba._read import Fields, read_json, reading
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.model import CellModel
from scmamba.models.cell.structure import infer
from scmamba.models.checkpoint.rename import to_ours
from scmamba.models.checkpoint.tensors import SUFFIXES, read_tensors
from scmamba.models.checkpoint.weights import BACKBONE, fill
from scmamba.nn.heads import ClassConfig
from scmamba.tokens.cells.vocab import Vocab

KEYS: tuple[tuple[str, str], ...] = (
    # scmamba <- published; the first pair that matches is used
    ("gene_embedding.embedding.", "encoder.embedding."),
    ("gene_embedding.norm.", "encoder.enc_norm."),
    ("value_embedding.", "value_encoder."),
    ("input_norm.bns.", "dsbn.bns."),
    ("input_norm.", "bn."),
    ("perturbation_embedding.", "pert_encoder."),
    ("stack.layers.", "mamba_encoder.layers."),
    ("stack.layers.", "transformer_encoder.layers."),  # perturbation checkpoints
    ("batch_embedding.weight", "batch_encoder.embedding.weight"),
    ("batch_embedding.norm.", "batch_encoder.enc_norm."),
    ("modality_embedding.weight", "mod_encoder.embedding.weight"),
    ("modality_embedding.norm.", "mod_encoder.enc_norm."),
    ("heads.expression.value.", "decoder.fc."),
    ("heads.expression.zero.", "decoder.zero_logit."),
    ("heads.affine.coefficient.", "decoder.coeff_decoder.fc."),
    ("heads.affine.bias.", "decoder.bias_decoder.fc."),
    ("heads.mvc.query.", "mvc_decoder.gene2query."),
    ("heads.mvc.value.", "mvc_decoder.W."),
    ("heads.mvc.zero.", "mvc_decoder.W_zero_logit."),
    ("heads.class.hidden.", "cls_decoder._decoder."),
    ("heads.class.out.", "cls_decoder.out_layer."),
    ("heads.adversary.hidden.", "grad_reverse_discriminator._decoder."),
    ("heads.adversary.out.", "grad_reverse_discriminator.out_layer."),
)

_HEADS = {  # setting in args.json: prefix of its tensors
    "MVC": "heads.mvc.",
    "DAB": "heads.adversary.",
    "use_batch_labels": "batch_embedding.",
    "use_mod": "modality_embedding.",
    "DSBN": "input_norm.bns.",
}


def is_published(folder: Path) -> bool:
    """Whether ``folder`` has the layout of the release."""
    return (folder / "args.json").is_file() and (folder / "vocab.json").is_file()


@dataclass(frozen=True)
class Published:
    """Content of a folder in the published layout.

    Attributes
    ----------
    path
        Path of the file of weights.
    config
        Configuration, from shapes and args.json.
    vocab
        Vocabulary with the names of the genes.
    tensors, names
        Tensors by their names in scmamba, and the published name of each.
    left
        Entries of the file that are not tensors.
    notes
        Notes for the report of loading.
    """

    path: Path
    config: CellConfig
    vocab: Vocab
    tensors: Mapping[str, Tensor]
    names: Mapping[str, str]
    left: tuple[str, ...]
    notes: tuple[str, ...]


def read_published(folder: Path) -> Published:
    """Read a folder of the published layout without making a model.

    Raises
    ------
    ScmambaError
        If a file is missing or damaged, or files contradict each other.
    """
    args = Fields(read_json(folder / "args.json"), folder / "args.json")
    vocab = Vocab.from_json(folder / "vocab.json")
    path = _weight_file(folder)
    tensors, left = read_tensors(path)
    with reading(path):
        ours, names = to_ours(tensors, KEYS, lambda name: name.removeprefix("module."))
        shapes = {name: tuple(tensor.shape) for name, tensor in ours.items()}
        config = infer(shapes, args, n_tokens=len(vocab))
    notes = _notes(shapes, args, config, len(vocab))
    return Published(path, config, vocab, ours, names, left, notes)


def load_published(folder: Path, *, allow_missing_heads: bool = True, **changes: Any) -> CellModel:
    """Load a model from a folder in the published layout; see :func:`scmamba.models.load`."""
    read = read_published(folder)
    perturbation = any("transformer_encoder." in name for name in read.names.values())
    alias = "transformer" if perturbation else "mamba"
    config = read.config.replace(**changes)
    filled = fill(
        lambda: CellModel(config),
        read.tensors,
        source=str(read.path),
        needed=BACKBONE if allow_missing_heads else ("",),
        name_of=lambda name: read.names.get(name) or _theirs(name, alias),
    )
    model = filled.model
    own = model.state_dict()
    model.vocab = read.vocab
    model.name, model.sha256 = folder.name, sha256(read.path)
    model.report = filled.report(
        read.path,
        len(read.vocab),
        unused=(*(theirs for mine, theirs in read.names.items() if mine not in own), *read.left),
        notes=read.notes,
    )
    return model


def _theirs(name: str, alias: str) -> str:
    """Return the published name of a tensor."""
    pairs = [(o, p) for o, p in KEYS if name.startswith(o)]
    if not pairs:
        return name
    ours, theirs = next((pair for pair in pairs if pair[1].startswith(alias)), pairs[0])
    return theirs + name.removeprefix(ours)


def _weight_file(folder: Path) -> Path:
    """Find ``best_model.pt``, or the only file of weights."""
    found = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file())
    best = [p for p in found if p.stem == "best_model"]
    if len(best) == 1 or len(found) == 1:
        return (best or found)[0]
    raise ScmambaError(
        f"{folder} holds {len(found)} files of weights"
        f"{': ' + ', '.join(p.name for p in found) if found else ''}; "
        f"give one best_model.pt (or another single file ending on {', '.join(SUFFIXES)})"
    )


def _notes(
    tensors: Iterable[str], args: Fields, config: CellConfig, n_tokens: int
) -> tuple[str, ...]:
    """Return notes on contradictions between args.json and the tensors."""
    notes = [
        f"args.json says {word}={args.content[word]!r}, but the checkpoint holds no such tensors"
        for word, prefix in _HEADS.items()
        if args.content.get(word) is True and not any(name.startswith(prefix) for name in tensors)
    ]
    head = config.heads.get("class")
    if isinstance(head, ClassConfig) and args.integer("n_layers_cls", head.n_layer) != head.n_layer:
        notes.append(
            f"args.json says n_layers_cls={args.integer('n_layers_cls')}, the class head has "
            f"{head.n_layer}: used"
        )
    if config.encoder.n_genes > n_tokens:
        notes.append(
            f"the gene embedding has {config.encoder.n_genes} rows for {n_tokens} tokens of "
            "vocab.json"
        )
    return tuple(notes)
