"""How likely sequences are to a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scmamba._arguments import check_flag
from scmamba.tasks.sequence._batches import read
from scmamba.tasks.sequence._inputs import read_sequences
from scmamba.tasks.sequence._likelihood import n_nucleotides, scored, token_log_probs
from scmamba.tasks.sequence._model import Model, language_model


def score(
    sequences: Any,
    model: Model,
    *,
    column: str | None = None,
    mask_every: int | None = None,
    per_token: bool = False,
    max_length: int | None = None,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Log-likelihood of sequences: of causal models the real one, of masked models the pseudo one.

    A causal model gives each token's log-probability after those before it; the first token has
    none and is left out. A masked model gives each token's when it alone is masked (Salazar et
    al., 2020, ACL, doi:10.18653/v1/2020.acl-main.240), one run of the model per token. Tokens
    with N are left out.

    Parameters
    ----------
    sequences
        Text, a list, array, Series, dict or DataFrame, or the path of a FASTA or csv file.
    model
        A model, a folder with one (of our format or a published one), or a registered name.
    column
        Column of a DataFrame or csv file that holds the sequences; None: ``"sequence"``.
    mask_every
        Of masked models: mask every k-th token together, so that k runs do instead of one a
        token. Faster and coarser: others are masked in each token's context too. None: one alone.
    per_token
        Give each token's log-probability instead of the sums.
    max_length
        Most tokens that a sequence may have; None: what the model was made for, if known.
    batch_size
        Sequences per batch; None: as many as a fixed number of tokens holds. It changes no result.

    Returns
    -------
    One row per sequence, by name: ``log_likelihood`` in nats, ``per_nucleotide``, its mean, and
    ``n_nucleotides`` that were scored. With ``per_token`` one row per token instead: ``name``,
    ``start`` and ``stop`` (its nucleotides, from 0, stop excluded), ``text`` and
    ``log_probability``, NaN where none is scored.

    Raises
    ------
    ScmambaError
        A sequence is empty, too long or holds an unknown character, ``mask_every`` does not fit,
        or the model does not load or has no language-model head.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> model = scmamba.models.SequenceModel.from_preset("nt-mamba", n_layer=1, d_model=32)
    >>> table = scmamba.tasks.sequence.score(["ACGTACGT", "GGCC"], model)
    >>> list(table), len(table)
    (['log_likelihood', 'per_nucleotide', 'n_nucleotides'], 2)
    """
    check_flag("per_token", per_token)
    data = read_sequences(sequences, column=column)
    net = language_model(model)
    texts, rows = read(data, net.tokenizer, max_length)
    found = token_log_probs(net, rows, mask_every=mask_every, batch_size=batch_size)
    if per_token:
        parts = []
        for name, text, row, values in zip(data.names, texts, rows, found, strict=True):
            spans = row.spans[~row.special]
            columns = {
                "name": name,
                "start": spans[:, 0],
                "stop": spans[:, 1],
                "text": [text[start:stop] for start, stop in spans],
                "log_probability": values[~row.special],
            }
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)
    total = np.array([np.nansum(values) for values in found])
    n = np.array([n_nucleotides(row, scored(row, net)) for row in rows])
    mean = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    columns = {"log_likelihood": total, "per_nucleotide": mean, "n_nucleotides": n}
    return pd.DataFrame(columns, index=pd.Index(data.names, name="name"))
