"""Write the table of gene sets that ships with the package, from MSigDB's GMT files.

    python data/make_gene_sets.py human_reactome.gmt.gz human_go_mf.gmt.gz ...

Sets of 3 to 300 genes are kept: larger ones say little about a gene.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
from scipy import sparse

TABLE = Path(__file__).resolve().parent.parent / "scmamba/learn/effects/human_gene_sets.npz"


def read(path: Path) -> dict[str, list[str]]:
    """Genes of each set of a GMT file."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return {row[0]: [gene for gene in row[2:] if gene] for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    found = [genes for file in parser.parse_args().files for genes in read(file).values()]
    sets = [genes for genes in found if 3 <= len(genes) <= 300]
    names = sorted({gene for genes in sets for gene in genes})
    place = {gene: i for i, gene in enumerate(names)}
    rows = [place[gene] for genes in sets for gene in genes]
    columns = [i for i, genes in enumerate(sets) for _ in genes]
    member = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (len(names), len(sets)))
    np.savez_compressed(
        TABLE,
        genes=np.array(names),
        indptr=member.indptr.astype(np.uint32),
        indices=member.indices.astype(np.uint16),
        n_sets=len(sets),
    )
    print(f"{len(names):,} genes in {len(sets):,} sets: {TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
