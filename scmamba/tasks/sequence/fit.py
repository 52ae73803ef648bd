"""A predictor from labeled sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.learn.folds import fold_of, strata
from scmamba.learn.training import MODES, SequenceTraining
from scmamba.tasks.sequence._batches import read
from scmamba.tasks.sequence._inputs import Sequences, read_sequences
from scmamba.tasks.sequence._model import Model, language_model
from scmamba.tasks.sequence._supervised.components import ComponentsFitter
from scmamba.tasks.sequence._supervised.split import groups
from scmamba.tasks.sequence._supervised.targets import TASKS, learn_targets, read_labels
from scmamba.tasks.sequence.fitted import SequencePredictor
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

_HELD = 7
"""One in so many sequences is held out where no validation data are given."""
_FEW, _FOLDS = 100, 5
"""Of fewer sequences one part says too little: each of five parts is held out in turn."""
_LEAST = 20


def fit(
    sequences: Any,
    labels: Any,
    *,
    validation: Any = None,
    model: Model | None = None,
    task: str = "classification",
    mode: str = "auto",
    column: str | None = None,
    both_strands: bool | None = None,
    max_length: int | None = None,
    training: SequenceTraining | None = None,
    seed: int | None = None,
) -> SequencePredictor:
    """Learn to predict classes, labels or numbers from sequences.

    A linear component (k-mers, and nucleotides at positions where sequences are aligned) and a
    neural one are fitted to the training part; held-out sequences choose the epoch and the weight
    of each, and bound how certain probabilities are. Without ``model`` the neural component is a
    compact bidirectional Mamba-2 trained from scratch.

    Parameters
    ----------
    sequences
        Text, a list, array, Series, dict or DataFrame, or the path of a FASTA or csv file.
    labels
        A column of that table, or one label a sequence: a class; a number (or several columns); a
        table of 0 and 1, a column a label; or for tokens a list of a class a nucleotide, None
        where it is not known.
    validation
        Held-out data: a pair (sequences, labels), or a table or file with the same columns. None:
        every seventh sequence is held out, by seed, balanced, copies (and the other strand) with
        it; of fewer than 100 sequences each of five parts in turn, and the predictor is then fitted
        to all of them. Training sequences that are among them are left out of training.
    model
        A pretrained model, its folder or registered name. None: from scratch.
    task
        ``"classification"``, ``"multilabel"``, ``"regression"`` or ``"token"`` (a class a
        nucleotide).
    mode
        With a pretrained model: ``"probe"`` (frozen, a head is fitted), ``"finetune"`` (all
        weights), ``"lora"`` (low-rank parts), or ``"auto"``: ``"probe"`` on a CPU (``"lora"`` for
        tokens), else ``"finetune"``.
    column
        Column of a DataFrame or csv file that holds the sequences; None: ``"sequence"``.
    both_strands
        Whether either strand of DNA tells the same; None: whatever predicts better with k-mers,
        by cross-validation inside the training part. Never for RNA or equivariant models.
    max_length
        Longest sequence in tokens; None: any (of a pretrained model: what it was made for).
    training
        How networks are trained. None: chosen by the number of sequences.
    seed
        Random seed; None: ``settings.seed``.

    Returns
    -------
    The predictor, with ``predict``, ``predict_proba``, ``evaluate`` and ``save``.

    Raises
    ------
    ScmambaError
        An input cannot be used; nothing has been computed then.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> from scmamba.tasks import SequenceTraining, sequence
    >>> scmamba.settings.verbosity = "error"
    >>> rng = np.random.default_rng(0)
    >>> texts = ["".join(rng.choice(list("ACGT"), 20)) for _ in range(40)]
    >>> labels = ["GC-rich" if sum(map(text.count, "GC")) > 10 else "other" for text in texts]
    >>> quick = SequenceTraining(epochs=1, n_members=1, width=8)
    >>> predictor = sequence.fit(texts, labels, training=quick)
    >>> len(predictor.predict(texts[:3]))
    3
    """
    used = settings.seed if seed is None else seed
    _check(task, mode, model, training, used)
    data = read_sequences(sequences, column=column)
    raw, columns = read_labels(labels, task, data)
    net = None if model is None else language_model(model)
    tokenizer = _tokenizer(data) if net is None else net.tokenizer
    texts, _ = read(data, tokenizer, max_length)
    if len(texts) < _LEAST:
        raise ScmambaError(f"{len(texts)} sequences to learn from; give at least {_LEAST}")
    targets = learn_targets(raw, task, columns)
    target = targets.encode(raw)
    double = tokenizer.alphabet == "DNA" and both_strands is not False
    if both_strands and tokenizer.alphabet == "RNA":
        raise ScmambaError("both_strands=True, but these sequences are RNA, which has one strand")
    if validation is None:
        group = groups(texts, double_stranded=double)
        n_folds = _FOLDS if model is None and len(texts) < _FEW else _HELD
        fold = fold_of(group, strata(targets.kind, target), n_folds, used)
        held = range(n_folds) if n_folds == _FOLDS else (0,)
        splits = [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in held]
    else:
        others, raw = _validation(validation, labels, task, column)
        more, _ = read(others, tokenizer, max_length)
        target = np.concatenate([target, targets.encode(raw)])
        splits = [(_without_copies(texts, more, double), len(texts) + np.arange(len(more)))]
        texts = [*texts, *more]
    fitter = ComponentsFitter(
        tuple(texts),
        target,
        tuple(splits),
        targets,
        tokenizer,
        both_strands,
        training or SequenceTraining(),
        used,
    )
    return SequencePredictor(targets=targets, max_length=max_length, **fitter.fit(net, mode))


def _check(
    task: str, mode: str, model: Model | None, training: SequenceTraining | None, seed: int
) -> None:
    for name, value, allowed in (("task", task, TASKS), ("mode", mode, MODES)):
        if value not in allowed:
            raise ScmambaError(f"{name}={value!r}; allowed: {', '.join(map(repr, allowed))}")
    if model is None and mode != "auto":
        raise ScmambaError(
            f"mode={mode!r} needs a pretrained model: give model=, or leave mode='auto' to train a "
            "compact model on these sequences"
        )
    if not isinstance(training, SequenceTraining | None):
        raise ScmambaError(f"training={training!r}; give a scmamba.tasks.SequenceTraining")
    if seed < 0:
        raise ScmambaError(f"seed={seed}; give 0 or more")


def _tokenizer(data: Sequences) -> NucleotideTokenizer:
    """For the alphabet of the sequences: RNA where there is any U."""
    rna = any("U" in text or "u" in text for text in data.sequences)
    return NucleotideTokenizer.benchmark("RNA" if rna else "DNA")


def _validation(
    validation: Any, labels: Any, task: str, column: str | None
) -> tuple[Sequences, npt.NDArray[Any]]:
    if isinstance(validation, tuple) and len(validation) == 2:
        validation, labels = validation
    elif not isinstance(labels, str) and not (
        isinstance(labels, list) and labels and all(isinstance(x, str) for x in labels)
    ):
        raise ScmambaError(
            "validation= has no labels: give a pair (sequences, labels), or name the column of the "
            "labels: labels="
        )
    others = read_sequences(validation, column=column)
    return others, read_labels(labels, task, others)[0]


def _without_copies(texts: list[str], held: list[str], double: bool) -> npt.NDArray[np.int64]:
    """Positions of training sequences that are not among the held-out ones."""
    group = groups([*texts, *held], double_stranded=double)
    copies = np.isin(group[: len(texts)], group[len(texts) :])
    if copies.all():
        raise ScmambaError("every training sequence is among validation=; give others")
    if copies.any():
        logger.warning(
            "%d training sequence(s) are among the validation data, and left out of training",
            int(copies.sum()),
        )
    return np.flatnonzero(~copies)
