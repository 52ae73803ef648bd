"""Genes that a cell model never saw, placed by their sequences: real cells, invented sequences.

    python benchmarks/bridge.py

No transcripts come with the data here, so this measures the machinery, not biology: of what the
sequences tell of a gene, how much reaches a cell model. Each of 1,000 genes of PBMC 3k belongs to
one of eight programs (k-means of its real expression in the training cells) and gets a random
sequence of 600 nucleotides that holds six copies of a word of 12: its own program's with
probability `strength`, else one of any program. A compact model learns cell types from half of
the genes; the others are then added by `models.extend_genes`, and held-out cells are labeled by
the added genes alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import _timing
import anndata as ad
import numpy as np
import scanpy as sc
import torch
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split

from scmamba import settings
from scmamba.models import CellModel, SequenceModel, extend_genes, preset
from scmamba.pp.normalize import log_normalize
from scmamba.stream.data import CellData
from scmamba.tasks import sequence
from scmamba.tokens import Vocab, tokenize
from scmamba.train import CLS, FitConfig, fit

GENES, PROGRAMS, WORD, COPIES, LENGTH = 1000, 8, 12, 6, 600
STRENGTHS = (0.0, 0.5, 1.0)
BASES = np.array(list("ACGT"))
COMPACT = {"n_layer": 0, "value_type": "lognorm", "value_encoding": "scaled", "gene_norm": False}
COMPACT |= {"input_norm": "none", "cell_norm": True, "expression": False, "mvc": False}


def cells(path: Path) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Log-normalized values, names of the genes, and types of the cells."""
    adata = ad.read_h5ad(path)
    types = adata.obs["cell_type"].astype("category").cat.codes.to_numpy(dtype=np.int64)
    return log_normalize(adata.X), adata.var_names.to_numpy(), types


def most_variable(values: sparse.csr_matrix) -> np.ndarray:
    """Which genes vary most among those that at least ten cells express."""
    seen = np.flatnonzero(values.getnnz(axis=0) >= 10)
    found = sc.pp.highly_variable_genes(
        ad.AnnData(values[:, seen]), n_top_genes=GENES, inplace=False
    )
    return seen[np.flatnonzero(found["highly_variable"])]


def expression_vectors(values: sparse.csr_matrix, d: int, seed: int) -> np.ndarray:
    """(n_genes, d) loadings of the genes on the components of standardised expression."""
    dense = values.toarray()
    standard = np.clip((dense - dense.mean(0)) / np.maximum(dense.std(0), 1e-6), -5, 5)
    _, strength, right = np.linalg.svd(standard, full_matrices=False)
    return (right[:d] * strength[:d, None]).T


def invent(programs: np.ndarray, strength: float, rng: np.random.Generator) -> list[str]:
    """A sequence a gene, with its program's word in it as far as ``strength`` goes."""
    words = BASES[rng.integers(0, 4, (PROGRAMS, WORD))]
    found = []
    for program in programs:
        letters = BASES[rng.integers(0, 4, LENGTH)]
        told = program if rng.random() < strength else rng.integers(PROGRAMS)
        for place in rng.choice(LENGTH // WORD, COPIES, replace=False) * WORD:
            letters[place : place + WORD] = words[told]
        found.append("".join(letters))
    return found


def kmers(sequences: list[str], k: int = 5) -> np.ndarray:
    """(n, 4^k) counts of overlapping k-mers."""
    place = {"".join(word): i for i, word in enumerate(product("ACGT", repeat=k))}
    counts = np.zeros((len(sequences), len(place)))
    for row, text in zip(counts, sequences, strict=True):
        for i in range(len(text) - k + 1):
            row[place[text[i : i + k]]] += 1
    return counts


def untrained_mamba(sequences: list[str]) -> np.ndarray:
    """(n, 64) mean hidden states of a bidirectional Mamba-2 with random weights."""
    torch.manual_seed(0)
    model = SequenceModel.from_preset("bimamba2", d_model=64, n_layer=2).eval()
    return sequence.embed(sequences, model, both_strands=False).obsm["X_scmamba"]


def trained(
    values: sparse.csr_matrix, names: list[str], types: np.ndarray, train: np.ndarray, seed: int
) -> CellModel:
    """A compact model that learned the types of the ``train`` cells from all genes given."""
    torch.manual_seed(seed)
    vocab, d = Vocab(names), preset("mini").encoder.d_model
    config = preset("mini", n_genes=len(vocab), n_classes=int(types.max()) + 1, **COMPACT)
    model = CellModel(config)
    model.vocab = vocab
    start = expression_vectors(values[train], d, seed)
    model.gene_embedding.init(start, vocab.index(names))
    tokens = tokenize(values, vocab.index(names), n_bins=None)
    data = CellData(tokens, vocab, 0.0, -2.0, labels=types)
    fit(model, data, train, [CLS()], FitConfig(epochs=10, max_tokens=None, seed=seed))
    return model


@torch.inference_mode()
def labels(model: CellModel, values: sparse.csr_matrix, names: list[str]) -> np.ndarray:
    """The class of each cell by the genes ``names`` alone."""
    assert model.vocab is not None
    tokens = tokenize(values, model.vocab.index(names), n_bins=None)
    data = CellData(tokens, model.vocab, 0.0, -2.0)
    found = []
    for rows in np.array_split(np.arange(len(data)), max(len(data) // 64, 1)):
        batch = data.batch(rows)
        out = model.eval()(batch.gene_ids, batch.values, batch.padding_mask, heads={"class"})
        found.append(out.class_logits.argmax(1).numpy())
    return np.concatenate(found)


def run(path: Path, seed: int) -> dict[str, dict[str, float]]:
    """Scores of every way to place the new genes."""
    rng = np.random.default_rng(seed)
    values, every, types = cells(path)
    train, test = train_test_split(
        np.arange(len(types)), test_size=0.3, stratify=types, random_state=seed
    )
    genes = most_variable(values[train])
    values, names = values[:, genes].tocsr(), every[genes].tolist()
    order = rng.permutation(len(names))
    known, new = np.sort(order[: GENES // 2]), np.sort(order[GENES // 2 :])
    new_names = [names[i] for i in new]
    model = trained(values[:, known], [names[i] for i in known], types, train, seed)
    vectors = expression_vectors(values[train], 64, seed)
    programs = KMeans(PROGRAMS, n_init=4, random_state=seed).fit_predict(
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    )
    truth = types[test]

    def score(got: np.ndarray) -> dict[str, float]:
        macro = f1_score(truth, got, average="macro", zero_division=0)
        return {"accuracy": float(accuracy_score(truth, got)), "macro_f1": float(macro)}

    def placed(table: np.ndarray) -> dict[str, float]:
        result = extend_genes(model, names, table, seed=seed)
        got = labels(result.model, values[test][:, new], new_names)
        return {**score(got), "r2": result.embedding_map.r2}

    rows = {"known genes": score(labels(model, values[test][:, known], [names[i] for i in known]))}
    rows["by their expression"] = placed(vectors)
    rows["by their program, told in plain"] = placed(np.eye(PROGRAMS)[programs])
    rows["at random"] = score(_at_random(model, new_names, values[test][:, new], seed))
    makers: dict[str, Callable[[list[str]], np.ndarray]] = {
        "5-mers": kmers,
        "untrained Mamba-2": untrained_mamba,
    }
    for strength in STRENGTHS:
        sequences = invent(programs, strength, np.random.default_rng(seed))
        for name, make in makers.items():
            rows[f"by sequence, strength {strength:g}, {name}"] = placed(make(sequences))
    linear = LogisticRegression(max_iter=1000).fit(values[train][:, new], types[train])
    rows["logistic regression trained on the new genes"] = score(
        linear.predict(values[test][:, new])
    )
    return rows


def _at_random(
    model: CellModel, new: list[str], values: sparse.csr_matrix, seed: int
) -> np.ndarray:
    """Labels by new genes whose embeddings are drawn like the known ones."""
    assert model.vocab is not None
    rng = np.random.default_rng(seed)
    every = [*model.vocab.genes, *new]
    extended = extend_genes(model, every, rng.normal(size=(len(every), 2)), seed=seed).model
    table = extended.gene_embedding.embedding.weight
    known = table[: len(model.vocab.genes)].detach()
    drawn = torch.from_numpy(rng.normal(size=(len(new), table.shape[1]))).float()
    with torch.no_grad():
        table[len(model.vocab) :] = known.mean(0) + known.std(0) * drawn
    return labels(extended, values, new)


def main() -> None:
    """Mean and spread of every row over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parent.parent.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12])
    arguments = parser.parse_args()
    settings.verbosity = "error"
    runs = []
    for seed in arguments.seeds:
        runs.append(run(arguments.data / "cells" / "pbmc3k.h5ad", seed))
        print(seed, runs[-1], flush=True)
    rows = {
        name: {
            key: {
                "mean": float(np.mean([one[name][key] for one in runs])),
                "sd": float(np.std([one[name][key] for one in runs])),
            }
            for key in runs[0][name]
        }
        for name in runs[0]
    }
    print("written:", _timing.save("bridge", {"seeds": arguments.seeds, "rows": rows}))


if __name__ == "__main__":
    main()
