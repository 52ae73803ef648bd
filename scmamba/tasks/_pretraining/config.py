"""Configuration of a pretraining: frozen, checked, read from and written to YAML."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

from scmamba._arguments import check_choice, check_count, check_flag
from scmamba._errors import ScmambaError
from scmamba._files import atomic
from scmamba._read import check_yaml, read_text
from scmamba.models.cell.short_names import SHORT_NAMES
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.stream.corpus_views import ViewSettings
from scmamba.tasks._pretraining.weights import PretrainObjectives
from scmamba.train.config import FitConfig

Adapt = Literal["full", "layers", "lora"]
Start = Literal["random", "components"]
_LISTS = (tuple, list)
_POWER = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_USUAL = {"learning_rate": "lr", "max_epochs": "epochs", "n_layers": "n_layer"}
"""Names of other packages that are not spelt like ours."""


def _fit() -> FitConfig:
    return FitConfig(epochs=10, batch_size=64, lr=1e-3, ema=0.0, checkpoint_every_n_steps=500)


def _bag() -> dict[str, Any]:
    return {
        "preset": "mini",
        "n_layer": 0,
        "value_type": "lognorm",
        "value_encoding": "product",
        "gene_norm": False,
        "input_norm": "none",
        "final_norm": False,
        "pool": "mean",
        "pool_masked": False,
    }


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of :func:`scmamba.tasks.pretrain`.

    Parameters
    ----------
    data
        Which cells are used, and how they are read.
    model
        A ``preset`` and settings by short name; see :func:`scmamba.models.preset`. The default is
        a bag of genes, to which ``n_layer`` adds Mamba layers. Not used with a model to start
        from.
    views
        How genes of a cell are drawn and hidden. Its ``max_tokens`` takes the place of that of
        ``fit``.
    objectives
        Loss terms.
    fit
        Optimizer, batches, devices, checkpoints; ``mask_ratio`` and ``token_budget`` have no
        meaning here.
    start
        Gene vectors of a new model: ``"random"``; or ``"components"``, principal components of the
        corpus, and random vectors of genes that it hardly expresses. Mamba layers then enter as the
        identity. Not used with a model to start from.
    adapt
        With a model to start from: ``"full"``, all weights are trained; ``"layers"``, the Mamba
        layers and the heads, while the vectors of genes that it knows stay; ``"lora"``, low-rank
        parts of the layers, and the heads. Low-rank parts are merged in the end.
    lora_rank
        Their rank.
    extend_genes
        With a model to start from: whether genes that it does not know are added.
    n_streams
        Places of the corpus that are read side by side; None: one for each process.
    most_held_out
        Cells of each held-out data set to validate on, at most.

    Raises
    ------
    ScmambaError
        A value is not allowed, or two contradict each other.

    Examples
    --------
    >>> from scmamba.tasks import PretrainConfig
    >>> config = PretrainConfig.from_dict({"fit": {"epochs": 3}, "model": {"n_layer": 2}})
    >>> config.fit.epochs, config.fit.batch_size, config.model["n_layer"]
    (3, 64, 2)
    >>> PretrainConfig.from_dict({"fit": {"epoch": 3}})
    Traceback (most recent call last):
    scmamba._errors.ScmambaError: fit.epoch is unknown; did you mean epochs? known: epochs, ...
    """

    data: CorpusSettings = field(default_factory=CorpusSettings)
    model: Mapping[str, Any] = field(default_factory=_bag)
    views: ViewSettings = field(default_factory=ViewSettings)
    objectives: PretrainObjectives = field(default_factory=PretrainObjectives)
    fit: FitConfig = field(default_factory=_fit)
    start: Start = "random"
    adapt: Adapt = "full"
    lora_rank: int = 8
    extend_genes: bool = True
    n_streams: int | None = None
    most_held_out: int = 2_000

    def __post_init__(self) -> None:
        """Check the values together."""
        check_choice("start", self.start, get_args(Start))
        check_choice("adapt", self.adapt, get_args(Adapt))
        check_count("lora_rank", self.lora_rank, optional=False)
        check_count("n_streams", self.n_streams)
        check_count("most_held_out", self.most_held_out, optional=False)
        check_flag("extend_genes", self.extend_genes)
        object.__setattr__(self, "model", {**_bag(), **self.model})
        check_names(self.model, ["preset", *SHORT_NAMES], "model.")
        if self.fit.mask_ratio or self.fit.token_budget:
            raise ScmambaError(
                f"fit.mask_ratio={self.fit.mask_ratio}, fit.token_budget={self.fit.token_budget}; "
                "here views.mask_low and views.mask_high say what is hidden, and fit.batch_size "
                "how many cells share a batch"
            )
        on = self.objectives
        if on.contrast_weight and self.views.n_views < 2:
            raise ScmambaError("objectives.contrast_weight needs views.n_views of 2 or more")
        if (on.cls_weight or on.supcon_weight) and not self.data.labels_key:
            raise ScmambaError(
                "objectives.cls_weight and supcon_weight need labels; give data.labels_key"
            )
        if on.gep_weight and not self.model.get("n_layer", 0):
            raise ScmambaError(
                "objectives.gep_weight needs Mamba layers: a bag of genes shows no token another; "
                "give model.n_layer, or gep_weight=0 and mvc_weight"
            )

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Self:
        """Make a configuration of plain values; what is not given has its default.

        Raises
        ------
        ScmambaError
            A name is unknown, or a value is not allowed.
        """
        return _made(cls, entries, "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as :meth:`from_dict` takes them."""
        return _plain(dataclasses.asdict(self))

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a configuration; entries of ``scmamba pretrain`` such as ``files`` are refused."""
        return cls.from_dict(read_yaml(path))

    def to_yaml(self, path: str | os.PathLike[str]) -> None:
        """Write the configuration atomically."""
        import yaml

        with atomic(path) as temporary:
            temporary.write_text(yaml.safe_dump(self.to_dict(), sort_keys=False))


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a YAML file with a mapping.

    ``genes: genes.txt`` under ``data`` is read from that file, one gene a line, beside the recipe.
    Numbers such as ``1e-3``, which YAML takes for text, are read as numbers.

    Raises
    ------
    ScmambaError
        It is missing, is not YAML, or holds something else.
    """
    import yaml

    check_yaml(path)
    content = yaml.safe_load(read_text(Path(path)))
    if not isinstance(content, dict):
        raise ScmambaError(f"{path} holds no mapping; write settings as name: value")
    data = content.get("config", content)
    data = data.get("data") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(data.get("genes"), str):
        listed = Path(path).parent / data["genes"]
        data["genes"] = [one.strip() for one in read_text(listed).splitlines() if one.strip()]
    return cast("dict[str, Any]", _with_numbers(content))


def _with_numbers(value: Any) -> Any:
    """Turn numbers of the form 1e-3 in a nested value into floats."""
    if isinstance(value, dict):
        return {key: _with_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_numbers(one) for one in value]
    power = isinstance(value, str) and _POWER.fullmatch(value)
    return float(value) if power else value


def check_names(names: Any, known: Any, where: str = "") -> None:
    """Raise ScmambaError for a name that is not known, with names like it."""
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.5)
            near = [one for one in (_USUAL.get(str(name)),) if one in known] or near
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise ScmambaError(f"{where}{name} is unknown; {hint}known: {', '.join(known)}")


def _made(kind: Any, entries: Any, where: str) -> Any:
    """Make an object of the dataclass ``kind`` from plain values."""
    if not isinstance(entries, Mapping):
        raise ScmambaError(f"{where.rstrip('.')}={entries!r}; give a mapping of settings")
    fields = {one.name: one for one in dataclasses.fields(kind)}
    check_names(entries, fields, where)
    values = {}
    for name, value in entries.items():
        nested = _NESTED.get(name) if not where else None
        if nested is not None:
            default = cast(Any, fields[name].default_factory)()
            changed = _made(nested, value, f"{name}.")
            given = {key: getattr(changed, key) for key in value}
            values[name] = dataclasses.replace(default, **given)
        else:
            values[name] = tuple(value) if isinstance(value, _LISTS) else value
    return kind(**values)


def _plain(value: Any) -> Any:
    """Tuples as lists and mappings as dictionaries, for YAML."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, _LISTS) else value


_NESTED = {
    "data": CorpusSettings,
    "views": ViewSettings,
    "objectives": PretrainObjectives,
    "fit": FitConfig,
}
