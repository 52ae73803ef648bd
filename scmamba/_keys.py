"""Keys of all results that scmamba writes to AnnData, derived from ``key_added``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scmamba._errors import ScmambaError

PREFIX = "scmamba"
UNKNOWN = "unknown"
_LONGEST_PREFIX = 100
_LONGEST_KEY = 200  # bytes; names of files may have 255


def file_key(text: str) -> str:
    """Return ``text`` in a form that can be the name of an entry in h5ad and zarr files.

    Most texts are unchanged. Slashes, ``%`` and non-printable characters are percent-encoded, so
    that different texts have different keys; the end of very long texts is replaced with a hash.

    Examples
    --------
    >>> file_key("donor 1"), file_key("donor1/run2")
    ('donor 1', 'donor1%2Frun2')
    """
    key = "".join(one if _is_plain(one) else _encoded(one) for one in text)
    if not key.strip(".") or key.startswith("__"):  # zarr keeps these names for itself
        key = f"{_encoded(key[0])}{key[1:]}" if key else "%"
    if len(key.encode()) <= _LONGEST_KEY:
        return key
    start = key.encode()[: _LONGEST_KEY - 20].decode(errors="ignore")
    return f"{start}%{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:12]}"


def _is_prefix(text: str) -> bool:
    short = 0 < len(text) <= _LONGEST_PREFIX
    return short and text == text.strip() and text == file_key(text)


def _is_plain(one: str) -> bool:
    return one not in "%/\\" and one.isprintable()


def _encoded(one: str) -> str:
    return "".join(f"%{byte:02X}" for byte in one.encode(errors="surrogatepass"))


@dataclass(frozen=True)
class Keys:
    """Names under which results are written to an AnnData.

    Parameters
    ----------
    prefix
        Argument ``key_added`` of tasks, ``"scmamba"`` by default.

    Raises
    ------
    ScmambaError
        If the prefix cannot be part of a name in an h5ad file or a zarr folder.

    Examples
    --------
    >>> Keys("run1").embedding
    'X_run1'
    """

    prefix: str = PREFIX

    def __post_init__(self) -> None:
        """Check the prefix."""
        if not isinstance(self.prefix, str) or not _is_prefix(self.prefix):
            raise ScmambaError(
                f"key_added={self.prefix!r} cannot be part of a name in a file; give 1 to "
                f"{_LONGEST_PREFIX} printable characters without '/', '\\' and '%', neither '.' "
                "nor '..', without blanks around and not starting with '__', such as 'run1'"
            )

    @property
    def embedding(self) -> str:
        """``obsm`` key of the cell embedding."""
        return f"X_{self.prefix}"

    @property
    def cell_type(self) -> str:
        """``obs`` key of the predicted label, with ``unknown`` where the model abstains."""
        return f"{self.prefix}_cell_type"

    @property
    def coarse(self) -> str:
        """``obs`` key of the coarse cell type, where the annotator knows two levels."""
        return f"{self.prefix}_cell_type_coarse"

    @property
    def ontology_id(self) -> str:
        """``obs`` key of the Cell Ontology id of the finest label that a cell has."""
        return f"{self.prefix}_cell_type_ontology_term_id"

    @property
    def best_guess(self) -> str:
        """``obs`` key of the most probable label, never ``unknown``."""
        return f"{self.prefix}_best_guess"

    @property
    def confidence(self) -> str:
        """``obs`` key of the calibrated probability of the best guess, in [0, 1]."""
        return f"{self.prefix}_confidence"

    @property
    def reason(self) -> str:
        """``obs`` key of the reason why a cell is ``unknown``; missing for labeled cells."""
        return f"{self.prefix}_reason"

    @property
    def majority_voting(self) -> str:
        """``obs`` key of the most frequent cell type in the cluster of a cell."""
        return f"{self.prefix}_majority_voting"

    @property
    def ood_score(self) -> str:
        """``obs`` key of the out-of-distribution score; higher is less like the training cells."""
        return f"{self.prefix}_ood_score"

    @property
    def empty(self) -> str:
        """``obs`` key of cells that express no gene of the model, written only if there are any."""
        return f"{self.prefix}_empty"

    @property
    def distance(self) -> str:
        """``obs`` key of the distance of a mapped cell to the reference; 1 is typical within it."""
        return f"{self.prefix}_distance"

    @property
    def corrected(self) -> str:
        """``layers`` key of expression without batch effects; its unit is in ``uns``."""
        return f"{self.prefix}_corrected"

    @property
    def decoded(self) -> str:
        """``var`` key of genes whose expression without batch effects was decoded."""
        return f"{self.prefix}_decoded"

    def embedding_of(self, modality: str) -> str:
        """``obsm`` key of the cell embedding from one modality alone."""
        return f"{self.embedding}_{modality}"

    def weight_of(self, modality: str) -> str:
        """``obs`` key of a modality's part in the cell embedding, in [0, 1]; 0: not measured."""
        return f"{self.prefix}_weight_{modality}"

    @property
    def imputed(self) -> str:
        """``layers`` key of imputed values; NaN for features that are not modeled."""
        return f"{self.prefix}_imputed"

    @property
    def reliability(self) -> str:
        """``var`` key of how well a feature was imputed in held-out cells."""
        return f"{self.prefix}_reliability"

    @property
    def gene_embedding(self) -> str:
        """``varm`` key of the gene embeddings."""
        return f"{self.prefix}_gene_embedding"

    @property
    def knockout(self) -> str:
        """``obsm`` key of the length of each cell's shift by each perturbed gene."""
        return f"{self.prefix}_knockout"

    @property
    def network(self) -> str:
        """``varp`` key of the weights of a gene network, regulators in rows."""
        return f"{self.prefix}_network"

    @property
    def correlation(self) -> str:
        """``varp`` key of the correlations beside a gene network."""
        return f"{self.prefix}_correlation"

    @property
    def program(self) -> str:
        """``var`` key of the gene program of each gene of a network."""
        return f"{self.prefix}_program"

    @property
    def validation(self) -> str:
        """``uns`` key of the validation table, one row per cell type."""
        return f"{self.prefix}_validation"

    @property
    def uns(self) -> str:
        """``uns`` key of the record of a run: version, model, parameters, seed, genes matched."""
        return self.prefix
