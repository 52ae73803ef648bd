"""Settings of a corpus: where its files keep what, which cells are used, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from scmamba._arguments import check_choice, check_count, check_flag, check_number
from scmamba._errors import ScmambaError

OnError = Literal["raise", "skip"]


@dataclass(frozen=True)
class CorpusSettings:
    """Which cells of many files are used, and how they are read from disk.

    A data set is a file, and its name is the file's name without the ending.

    Parameters
    ----------
    layer
        Layer with counts; None for X.
    gene_key
        Column of ``var`` with gene names; None for ``var_names``.
    labels_key
        Column of ``obs`` with cell types. Files without it, and cells without a value, have no
        label. None: nothing is labeled.
    label_names
        Name to use for a label of a data set, so that labels agree: a label, or
        ``"<data set>:<label>"`` for one data set alone. Labels that are not named here keep their
        own name; those mapped to ``""`` are unknown.
    unlabeled_category
        Label that means unknown, in upper or lower case.
    batch_key
        Column of ``obs`` with batches inside a data set; files without it are one batch.
    tissue_key, assay_key
        Columns of ``obs`` with the tissue and the assay, which become prompts: tokens that the
        model may be given beside the genes.
    prompts
        Prompts of data sets that lack these columns: ``{"<data set>": ("blood", "10x 3' v2")}``.
    held_out
        Names of data sets that are never learned from, only validated on.
    excluded
        Names of data sets that are neither learned from nor validated on, such as those that the
        model will be tested on; copies of their cells are left out everywhere.
    genes
        Vocabulary: names of genes, in any species. Empty: all genes of the files.
    min_cells
        Cells of the corpus that express a gene, at least, for it to enter a vocabulary that is
        built from the files.
    min_genes
        Expressed genes of a cell, at least; cells with fewer are left out.
    drop_copies
        Leave out cells whose counts are, on the genes that both data sets measure, those of
        another cell. A cell that is held out stays, and its copies elsewhere are left out.
    dataset_weights
        Relative weight of single data sets, above 0; the others have 1.
    dataset_power
        In [0, 1]. 0: all cells are seen equally often; 1: all data sets are.
    label_power
        In [0, 1]. 0: all labels are drawn as often as they occur; 1: equally often.
    block_cells
        Neighboring cells that are read from disk at once.
    buffer_blocks
        Blocks of random places whose cells are mixed in memory.
    on_error
        ``"raise"``: a file that cannot be used stops the start; ``"skip"``: it is left out, which
        is logged.

    Raises
    ------
    ScmambaError
        A value is not allowed.

    Examples
    --------
    >>> from scmamba.stream.corpus_settings import CorpusSettings
    >>> CorpusSettings(labels_key="cell_type", held_out=("pancreas",)).min_genes
    20
    """

    layer: str | None = None
    gene_key: str | None = None
    labels_key: str | None = None
    label_names: Mapping[str, str] = field(default_factory=dict)
    unlabeled_category: str = "unknown"
    batch_key: str | None = None
    tissue_key: str | None = None
    assay_key: str | None = None
    prompts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    held_out: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()
    min_cells: int = 10
    min_genes: int = 20
    drop_copies: bool = True
    dataset_weights: Mapping[str, float] = field(default_factory=dict)
    dataset_power: float = 0.0
    label_power: float = 0.0
    block_cells: int = 64
    buffer_blocks: int = 256
    on_error: OnError = "raise"

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("held_out", "excluded", "genes"):
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        for name in ("min_cells", "min_genes", "block_cells", "buffer_blocks"):
            check_count(name, getattr(self, name), optional=False)
        for name in ("dataset_power", "label_power"):
            check_number(name, getattr(self, name), low=0, high=1, optional=False)
        check_flag("drop_copies", self.drop_copies)
        check_choice("on_error", self.on_error, ("raise", "skip"))
        for name in ("label_names", "prompts", "dataset_weights"):
            if not isinstance(getattr(self, name), Mapping):
                raise ScmambaError(f"{name}={getattr(self, name)!r}; give a mapping")
        for data_set, weight in self.dataset_weights.items():
            check_number(f"dataset_weights[{data_set!r}]", weight, low=0, open_low=True)
        found = {}
        for data_set, pair in self.prompts.items():
            found[data_set] = _texts(f"prompts[{data_set!r}]", pair)
            if len(found[data_set]) != 2:
                raise ScmambaError(
                    f'prompts[{data_set!r}]={pair!r}; give tissue and assay, "" where unknown'
                )
        object.__setattr__(self, "prompts", found)

    @property
    def not_learned(self) -> frozenset[str]:
        """Names of all data sets that are not learned from."""
        return frozenset((*self.held_out, *self.excluded))

    @property
    def has_prompts(self) -> bool:
        """Whether cells may have prompts."""
        return bool(self.tissue_key or self.assay_key or self.prompts)


def _texts(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, tuple | list):
        raise ScmambaError(f"{name}={value!r}; give a list of texts")
    if wrong := [one for one in value if not isinstance(one, str)]:
        raise ScmambaError(f"{name} holds {wrong[0]!r}; give texts")
    return tuple(value)
