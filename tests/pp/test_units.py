"""The unit of values is told by what they are."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from scmamba import ScmambaError, pp
from scmamba._log import logger

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(RNG.gamma(0.5, 2.0, 300) * RNG.gamma(5, 0.2, (200, 1))).astype(np.float64)
LENGTHS = RNG.lognormal(0, 1, 300)


def per(total: float, values: np.ndarray = COUNTS) -> np.ndarray:
    return values / values.sum(1, keepdims=True) * total


def log2(x: np.ndarray) -> np.ndarray:
    return np.log2(1 + x)


def log10(x: np.ndarray) -> np.ndarray:
    return np.log10(1 + x)


def without_ambient() -> np.ndarray:
    """Counts less a small part of each, as SoupX leaves them."""
    rng = np.random.default_rng(1)
    return np.maximum(COUNTS - rng.gamma(0.5, 0.05, COUNTS.shape), 0)


def shared_reads() -> np.ndarray:
    """Counts of which some are split between genes, as EM leaves them."""
    rng = np.random.default_rng(2)
    some = rng.random(COUNTS.shape) < 0.3
    return np.where((COUNTS > 0) & some, COUNTS + rng.random(COUNTS.shape) - 0.5, COUNTS)


UNITS = {
    "counts": (COUNTS, "counts"),
    "one type of cell": (COUNTS[:1], "counts"),
    "0.9999": (COUNTS * 0.9999, "counts"),
    "less 1e-4": (np.maximum(COUNTS - 1e-4, 0), "counts"),
    "there and back": (np.expm1(np.log1p(COUNTS).astype(np.float32)), "counts"),
    "ambient share": (COUNTS * 0.97, "fractional counts"),
    "ambient": (without_ambient(), "fractional counts"),
    "em": (shared_reads(), "fractional counts"),
    "thirds": (COUNTS / 3, "fractional counts"),
    "cp10k": (per(1e4), "normalized counts"),
    "cpm": (per(1e6), "normalized counts"),
    "fractions": (per(1.0), "normalized counts"),
    "tpm": (per(1e6, COUNTS / LENGTHS), "normalized counts"),
    "log1p": (np.log1p(per(1e4)), "log1p"),
    "log1p cpm": (np.log1p(per(1e6)), "log1p"),
    "log1p median": (np.log1p(per(float(np.median(COUNTS.sum(1))))), "log1p"),
    "log1p tpm": (np.log1p(per(1e6, COUNTS / LENGTHS)), "log1p"),
    "log1p counts": (np.log1p(COUNTS), "log1p"),
    "log1p half precision": (np.log1p(per(1e4)).astype(np.float16), "log1p"),
    "log1p rounded": (np.round(np.log1p(per(1e4)), 3), "log1p"),
    "log2 cpm": (log2(per(1e6)), "log2"),
    "log2 tpm": (log2(per(1e6, COUNTS / LENGTHS)), "log2"),
    "log2 counts": (log2(COUNTS), "log2"),
    "log10": (log10(per(1e4)), "log10"),
    "log10 cpm": (log10(per(1e6)), "log10"),
    "twice": (np.log1p(np.log1p(per(1e4))), "log1p twice"),
}


@pytest.mark.parametrize("name", UNITS)
def test_unit(name: str) -> None:
    values, kind = UNITS[name]
    unit = pp.unit_of(sparse.csr_matrix(values, dtype=np.float32))
    assert unit.kind == kind
    assert unit.is_counts == (kind in ("counts", "fractional counts"))


@pytest.mark.parametrize("name", ["cp10k", "log1p", "log2 cpm", "log10", "twice"])
def test_unit_of_some_genes(name: str) -> None:
    values, kind = UNITS[name]
    unit = pp.unit_of(sparse.csr_matrix(values[:, ::3], dtype=np.float32))
    assert unit.kind == kind and unit.total is None
    assert unit.is_whole_library == (kind == "normalized counts")


def test_totals() -> None:
    for total in (1e4, 1e6, 777.0):
        unit = pp.unit_of(sparse.csr_matrix(log2(per(total)), dtype=np.float32))
        assert unit.total == pytest.approx(total, rel=1e-3)
    assert pp.unit_of(sparse.csr_matrix(log2(COUNTS), dtype=np.float32)).counted


@pytest.mark.parametrize("name", UNITS)
def test_every_unit_is_brought_to_one(name: str) -> None:
    values, _ = UNITS[name]
    X = sparse.csr_matrix(values, dtype=np.float32)
    got = pp.log_normalized(X, pp.unit_of(X)).toarray()
    linear = {"tpm": COUNTS / LENGTHS, "ambient": values, "em": values}
    start = next((x for key, x in linear.items() if name.endswith(key)), COUNTS[: len(values)])
    tolerance = 0.02 if "half" in name or "rounded" in name else 1e-3
    np.testing.assert_allclose(got, np.log1p(per(1e4, start)), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["log1p", "log2 cpm", "log10"])
def test_counts_and_logarithms_in_one_matrix_are_refused(kind: str) -> None:
    mixed = np.vstack([COUNTS[:100], UNITS[kind][0][100:]])
    with pytest.raises(ScmambaError, match=r"counts in about 50% of the cells and log.*layer="):
        pp.expression(AnnData(mixed))


def test_nearly_whole_counts_are_rounded() -> None:
    adata = AnnData(COUNTS.astype(np.float32) - np.float32(1e-4) * (COUNTS > 0))
    before = adata.X.copy()
    found = pp.expression(adata)
    np.testing.assert_array_equal(found.X.toarray(), COUNTS)
    np.testing.assert_array_equal(adata.X, before)


def test_values_of_no_kind_are_logged_as_a_guess(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(3)
    imputed = np.log1p(per(1e4)) * rng.lognormal(0, 0.3, COUNTS.shape)
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO, logger.name)
    found = pp.expression(AnnData(imputed))
    logger.removeHandler(caplog.handler)
    assert found.unit.kind == "log1p" and not found.unit.sure
    assert "read as log1p values; if that is wrong" in caplog.text
    assert caplog.records[-1].levelno == logging.WARNING


def test_cells_without_counts_decide_nothing() -> None:
    empty = np.zeros((300, 300))
    empty[::5] = np.log1p(per(1e4))[:60]
    assert pp.unit_of(sparse.csr_matrix(empty, dtype=np.float32)).kind == "log1p"
    assert pp.unit_of(sparse.csr_matrix((4, 5), dtype=np.float32)).kind == "counts"
