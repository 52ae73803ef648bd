"""Peaks of chromatin as intervals of a genome: names, order, genome build."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError

_PEAK = re.compile(
    r"(?P<chrom>[A-Za-z0-9.]+(?:_[A-Za-z0-9.]+)*?)[:\-_](?P<start>\d+)[\-_](?P<end>\d+)"
)
_SHARE = 0.9
_BEYOND = 1000  # bases; peaks are widened beyond the ends of chromosomes
_MEGA = {
    "hg38": "248956422 242193529 198295559 190214555 181538259 170805979 159345973 145138636 "
    "138394717 133797422 135086622 133275309 114364328 107043718 101991189 90338345 83257441 "
    "80373285 58617616 64444167 46709983 50818468",
    "hg19": "249250621 243199373 198022430 191154276 180915260 171115067 159138663 146364022 "
    "141213431 135534747 135006516 133851895 115169878 107349540 102531392 90354753 81195210 "
    "78077248 59128983 63025520 48129895 51304566",
    "mm10": "195471971 182113224 160039680 156508116 151834684 149736546 145441459 129401213 "
    "124595110 130694993 122082543 120129022 120421639 124902244 104043685 98207768 94987271 "
    "90702639 61431566",
    "mm39": "195154279 181755017 159745316 156860686 151758149 149588044 144995196 130127694 "
    "124359700 130530862 121973369 120092757 120883175 125139656 104073951 98008968 95294699 "
    "90720763 61420004",
}
BUILDS: dict[str, dict[str, int]] = {
    build: {f"chr{i}": int(size) for i, size in enumerate(sizes.split(), 1)}
    for build, sizes in _MEGA.items()
}
"""Lengths of the autosomes in genome builds of human and mouse (UCSC)."""


def is_peak(names: Sequence[str]) -> bool:
    """Whether at least 90 % of the names are intervals, such as ``chr1:1-100``.

    Examples
    --------
    >>> is_peak(["chr1:1-100", "1_1_100"]), is_peak(["CD4", "HLA-DRA"])
    (True, False)
    """
    found = sum(_PEAK.fullmatch(str(name)) is not None for name in names)
    return found > 0 and found >= _SHARE * len(names)


def parse_peaks(names: Sequence[str], what: str = "peaks") -> pd.DataFrame:
    """Read names of peaks as intervals.

    Parameters
    ----------
    names : (n_peaks,)
        Names such as ``chr1:1-100``, ``chr1-1-100`` or ``1_1_100``.
    what
        Name of the peaks in errors.

    Returns
    -------
    Columns ``chrom`` (with ``chr`` in front), ``start`` and ``end`` (int64), one row per peak.

    Raises
    ------
    ScmambaError
        If a name is not an interval, or an interval ends before it starts.

    Examples
    --------
    >>> parse_peaks(["chr1:1-100", "X_5_9"]).to_numpy().tolist()
    [['chr1', 1, 100], ['chrX', 5, 9]]
    """
    found = [_PEAK.fullmatch(str(name).strip()) for name in names]
    if wrong := [str(name) for name, one in zip(names, found, strict=True) if one is None]:
        raise ScmambaError(
            f"{len(wrong):,} of {len(names):,} {what} are not intervals of a genome, the first "
            f"{wrong[0]!r}; allowed: names such as chr1:1-100, chr1-1-100 or 1_1_100; rename them, "
            "or drop features that are not peaks"
        )
    chrom = [_chromosome(one["chrom"]) for one in found if one is not None]
    start = np.array([int(one["start"]) for one in found if one is not None], dtype=np.int64)
    end = np.array([int(one["end"]) for one in found if one is not None], dtype=np.int64)
    if (end < start).any():
        first = int(np.argmax(end < start))
        raise ScmambaError(
            f"{int((end < start).sum()):,} of {len(names):,} {what} end before they start, the "
            f"first {str(names[first])!r}; intervals are chromosome:start-end"
        )
    return pd.DataFrame({"chrom": chrom, "start": start, "end": end})


def genome_order(intervals: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Positions of intervals in the order of the genome: chromosomes 1 to 22, X, Y, M, others.

    Examples
    --------
    >>> genome_order(parse_peaks(["chrX:1-2", "chr10:5-9", "chr2:7-8", "chr2:1-9"])).tolist()
    [3, 2, 1, 0]
    """
    names = pd.unique(intervals["chrom"])
    rank = {name: i for i, name in enumerate(sorted(names, key=_chromosome_key))}
    chrom = intervals["chrom"].map(rank).to_numpy(np.int64)
    return np.lexsort((intervals["end"], intervals["start"], chrom))


def possible_builds(intervals: pd.DataFrame) -> list[str]:
    """Genome builds in which all intervals lie within their chromosomes.

    Returns
    -------
    Names among ``hg38``, ``hg19``, ``mm10`` and ``mm39``; empty where none of them fits.

    Examples
    --------
    >>> possible_builds(parse_peaks(["chr1:249000000-249000500"]))
    ['hg19']
    """
    ends = intervals.groupby("chrom", sort=False)["end"].max()
    return [
        build
        for build, sizes in BUILDS.items()
        if all(end <= sizes.get(chrom, end) + _BEYOND for chrom, end in ends.items())
        and not any(_number(chrom) > len(sizes) for chrom in ends.index)
    ]


def require_one_build(intervals: Sequence[pd.DataFrame | None], what: str) -> None:
    """Raise ScmambaError where intervals of several tables cannot be of one genome build.

    Tables that fit none of the known builds, or that are None, are passed over.
    """
    builds = [fits for one in intervals if one is not None and (fits := possible_builds(one))]
    if len(builds) > 1 and not set.intersection(*map(set, builds)):
        told = " and ".join(" or ".join(one) for one in builds)
        raise ScmambaError(
            f"{what} are of different genome builds ({told}, by the lengths of their "
            "chromosomes); lift one over, or call peaks together"
        )


def peak_names(intervals: pd.DataFrame) -> npt.NDArray[np.object_]:
    """One spelling for all intervals, ``chr1:1-100``, by which data sets are matched."""
    rows = zip(intervals["chrom"], intervals["start"], intervals["end"], strict=True)
    return np.array([f"{chrom}:{start}-{end}" for chrom, start, end in rows], dtype=object)


def _chromosome(name: str) -> str:
    bare = name[3:] if name.lower().startswith("chr") else name
    return f"chr{'M' if bare.upper() == 'MT' else bare}"


def _number(chrom: str) -> int:
    return int(chrom[3:]) if chrom[3:].isdecimal() else 0


def _chromosome_key(chrom: str) -> tuple[int, str]:
    last = {"chrX": 1000, "chrY": 1001, "chrM": 1002}
    return (_number(chrom) or last.get(chrom, 1003), chrom)
