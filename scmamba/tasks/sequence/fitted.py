"""A fitted predictor of sequences: predicts and scores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._describe import Described, listed, scored
from scmamba._errors import ScmambaError
from scmamba.learn.fusion import Fusion
from scmamba.learn.neural import NeuralComponent
from scmamba.metrics import ClassificationScores, RegressionScores
from scmamba.tasks.sequence._batches import read as read_tokens
from scmamba.tasks.sequence._inputs import Sequences, read_sequences
from scmamba.tasks.sequence._saved import reading_predictor, save_predictor
from scmamba.tasks.sequence._supervised.examples import embeddings
from scmamba.tasks.sequence._supervised.forward import outputs, sequence_data
from scmamba.tasks.sequence._supervised.linear import SequenceLinear
from scmamba.tasks.sequence._supervised.scores import score
from scmamba.tasks.sequence._supervised.targets import Targets, read_labels
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

PARTS = ("both", "linear", "neural")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class SequencePredictor(Described):
    """Predicts classes, labels or numbers; made by :func:`scmamba.tasks.sequence.fit`.

    Attributes
    ----------
    targets
        What it predicts.
    linear
        The linear component; None where every nucleotide is predicted.
    neural
        Networks, or a pretrained model with a linear head.
    tokenizer
        Tokenizer of the networks.
    both_strands
        Whether outputs of networks for both strands are averaged; None, of a pretrained model with
        a head: as that model was made.
    fusion
        How both components become one prediction.
    max_length
        Longest sequence that it reads, in tokens; None: any.
    about
        How it was made: mode, seed, choices.
    validation
        Scores on held-out sequences, of each component and of both together.
    history
        Training curve of the first network, one row per epoch.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> rng = np.random.default_rng(0)
    >>> texts = ["".join(rng.choice(list("ACGT"), 20)) for _ in range(40)]
    >>> labels = ["GC-rich" if sum(map(text.count, "GC")) > 10 else "other" for text in texts]
    >>> quick = scmamba.tasks.SequenceTraining(epochs=1, n_members=1, width=8)
    >>> predictor = scmamba.tasks.sequence.fit(texts, labels, training=quick)
    >>> predictor.predict_proba(texts[:2]).columns.tolist()
    ['GC-rich', 'other']
    """

    targets: Targets
    linear: SequenceLinear | None
    neural: NeuralComponent
    tokenizer: NucleotideTokenizer
    both_strands: bool | None
    fusion: Fusion
    max_length: int | None
    about: dict[str, Any]
    validation: dict[str, float]
    history: pd.DataFrame

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        about, members = self.about, len(self.neural.members)
        entries = {
            "task": self.targets.task,
            "predicts": listed(self.targets.names),
            "trained on": f"{about['n_train']:,} sequences, seed {about['seed']}",
            "network": f"{about.get('model') or 'compact'}, {about['mode']}, {members} member(s)",
            "neural weight": f"{self.fusion.neural_weight:.1f}",
            "held-out sequences": f"{about['n_validation']:,}: {scored(self.validation, 'both')}",
        }
        return "SequencePredictor", entries

    @property
    def validation_table(self) -> pd.DataFrame:
        """Scores on held-out sequences: ``linear``, ``neural`` and ``both`` by score."""
        rows: dict[str, dict[str, float]] = {"linear": {}, "neural": {}, "both": {}}
        for name, value in self.validation.items():
            component, _, metric = name.partition("_")
            rows[component][metric] = value
        return pd.DataFrame.from_dict({k: row for k, row in rows.items() if row}, orient="index")

    def predict(
        self, sequences: Any, *, column: str | None = None, parts: str = "both"
    ) -> pd.Series | pd.DataFrame | list[npt.NDArray[Any]]:
        """Predict sequences.

        Parameters
        ----------
        sequences, column
            As in :func:`scmamba.tasks.sequence.fit`.
        parts
            ``"both"`` components, or one alone: ``"linear"`` or ``"neural"``.

        Returns
        -------
        By name of the sequence: a Series of classes, a table of True and False (several labels),
        a Series or table of numbers; of tokens a list of arrays (length,) of classes.

        Raises
        ------
        ScmambaError
            A sequence is empty, too long or holds an unknown character.
        """
        data = self._read(sequences, column)
        found, index = self._predictions(data, parts=parts), pd.Index(data.names, name="name")
        names = np.array(self.targets.names, dtype=object)
        if self.targets.task == "token":
            return [names[p.argmax(1)] for p in found]
        if self.targets.task == "classification":
            guess = names[np.stack(found).argmax(1)] if found else names[:0]
            return pd.Series(guess, index, name="prediction").infer_objects()
        table = pd.DataFrame(np.stack(found), index, list(self.targets.names))
        if self.targets.task == "multilabel":
            return table >= 0.5
        numbers = pd.DataFrame(self.targets.decode(table.to_numpy()), index, table.columns)
        return numbers.iloc[:, 0].rename("prediction") if len(self.targets) == 1 else numbers

    def predict_proba(
        self, sequences: Any, *, column: str | None = None, parts: str = "both"
    ) -> pd.DataFrame | list[pd.DataFrame]:
        """Probability of each class or label, by name of the sequence (n, n_classes).

        Rows sum to 1, but for several labels. Of tokens a list of tables (length, n_classes).

        Raises
        ------
        ScmambaError
            As :meth:`predict`, or the predictor gives numbers.
        """
        if self.targets.task == "regression":
            raise ScmambaError("this predictor gives numbers, which have no probability: predict()")
        data, columns = self._read(sequences, column), list(self.targets.names)
        found = self._predictions(data, parts=parts)
        if self.targets.task == "token":
            return [pd.DataFrame(p, columns=columns) for p in found]
        return pd.DataFrame(np.stack(found), pd.Index(data.names, name="name"), columns)

    def evaluate(
        self, sequences: Any, labels: Any, *, column: str | None = None, parts: str = "both"
    ) -> ClassificationScores | RegressionScores:
        """Score predictions against known labels, which are given as in ``fit``.

        Raises
        ------
        ScmambaError
            As :meth:`predict`, or labels do not fit.
        """
        data = self._read(sequences, column)
        raw, _ = read_labels(labels, self.targets.task, data)
        target, found = self.targets.encode(raw), self._predictions(data, parts=parts)
        if self.targets.task == "token":
            return score(self.targets, np.concatenate(list(target)), np.concatenate(found))
        return score(self.targets, target, np.stack(found))

    def _predictions(self, data: Sequences, *, parts: str = "both") -> list[Floats]:
        """Probabilities, or numbers of variance 1, of sequences that were read and cleaned.

        Returns
        -------
        For each sequence (n_outputs,), or (length, n_outputs) of its nucleotides.
        """
        if parts not in PARTS or (parts == "linear" and self.linear is None):
            raise ScmambaError(f"parts={parts!r}; allowed: {', '.join(map(repr, PARTS))}")
        texts: Sequence[str] = data.sequences
        linear = None
        if self.linear is not None and parts != "neural":
            linear = self.linear.logits(texts)
        if linear is not None and (parts == "linear" or self.fusion.neural_weight == 0):
            return list(self.fusion.predict(linear, None))
        neural = self._neural_outputs(texts)
        if self.targets.task == "token":
            return [self.fusion.predict(None, logits) for logits in neural]
        return list(self.fusion.predict(linear, np.stack(neural)))

    def _neural_outputs(self, texts: Sequence[str]) -> list[Floats]:
        if self.neural.head is not None:
            x = embeddings(self.neural.model, texts, self.both_strands)
            return list(self.neural.head.logits(x))
        both = bool(self.both_strands)
        data = sequence_data(texts, self.tokenizer, other=both)
        return outputs(self.neural.members, data, both_strands=both)

    def _read(self, sequences: Any, column: str | None) -> Sequences:
        data = read_sequences(sequences, column=column)
        texts, _ = read_tokens(data, self.tokenizer, self.max_length)
        return replace(data, sequences=tuple(texts))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the predictor to a folder atomically; no pickle in it.

        Raises
        ------
        ScmambaError
            The folder holds other files or cannot be written.
        """
        return save_predictor(self, path)


def load(path: str | os.PathLike[str]) -> SequencePredictor:
    """Read a folder that :meth:`SequencePredictor.save` wrote.

    Raises
    ------
    ScmambaError
        The folder holds no predictor, is of a newer format, or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import scmamba
    >>> from scmamba.tasks import SequenceTraining, sequence
    >>> scmamba.settings.verbosity = "error"
    >>> rng = np.random.default_rng(0)
    >>> texts = ["".join(rng.choice(list("ACGT"), 20)) for _ in range(40)]
    >>> labels = ["GC-rich" if sum(map(text.count, "GC")) > 10 else "other" for text in texts]
    >>> quick = SequenceTraining(epochs=1, n_members=1, width=8)
    >>> predictor = sequence.fit(texts, labels, training=quick)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = predictor.save(f"{folder}/predictor")
    ...     sequence.load(f"{folder}/predictor").predict_proba(texts[:2]).columns.tolist()
    ['GC-rich', 'other']
    """
    with reading_predictor(path) as fields:
        return SequencePredictor(**fields)
