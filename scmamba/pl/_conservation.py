"""What a model expects at each position, as a sequence logo."""

from __future__ import annotations

from os import PathLike

import pandas as pd
from matplotlib.figure import Figure

from scmamba._errors import ScmambaError
from scmamba.pl._letters import logo
from scmamba.pl._style import title


def conservation_logo(
    table: pd.DataFrame,
    name: str | None = None,
    *,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the nucleotides that a model expects, their stacks as high as its information.

    Parameters
    ----------
    table
        What :func:`scmamba.tasks.sequence.conservation` gives.
    name
        The sequence to draw, where the table holds several.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure with stacks of 0 to 2 bits; ``figure.savefig(path)`` writes it.

    Raises
    ------
    ScmambaError
        The table lacks a column, ``name`` is not in it, it is needed, or logomaker is missing.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("logomaker")
    >>> import scmamba
    >>> model = scmamba.models.SequenceModel.from_preset("bimamba2", n_layer=1, d_model=32)
    >>> table = scmamba.tasks.sequence.conservation("ACGTACGT", model)
    >>> scmamba.pl.conservation_logo(table).axes[0].get_ylabel()
    'bits'
    """
    letters = [letter for letter in "ACGTU" if letter in table]
    if len(letters) != 4 or not {"name", "position", "information"} <= set(table):
        raise ScmambaError(
            "the table is not one of conservation scores; give what "
            "scmamba.tasks.sequence.conservation returns"
        )
    names = table["name"].unique().tolist()
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        raise ScmambaError(
            f"name={name!r}; the table holds {', '.join(map(repr, names[:10]))}: name one"
        )
    rows = table[table["name"] == name].set_index("position")
    heights = rows[letters].mul(rows["information"], axis=0).fillna(0.0)
    canvas = logo(heights, "bits")
    mean = f"mean {rows['information'].mean():.2f} of 2 bits"
    title(canvas.axes[0], f"Conservation of {name}", mean)
    return canvas.finish(show, save)
