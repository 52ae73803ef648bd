"""A fitted predictor of sequences: predicts, scores, saves, loads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.metrics import ClassificationScores, RegressionScores
from scmamba.tasks.sequence._batches import read as read_tokens
from scmamba.tasks.sequence._inputs import Sequences, read_sequences
from scmamba.tasks.sequence._supervised.blend import Blend
from scmamba.tasks.sequence._supervised.deep import Deep
from scmamba.tasks.sequence._supervised.files import is_predictor, read, write
from scmamba.tasks.sequence._supervised.scores import score
from scmamba.tasks.sequence._supervised.targets import Targets, read_labels
from scmamba.tasks.sequence._supervised.wide import Wide

PARTS = ("both", "wide", "deep")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class SequencePredictor:
    """Predicts classes, labels or numbers; made by :func:`scmamba.tasks.sequence.fit`.

    Attributes
    ----------
    targets
        What it predicts.
    wide
        The linear view; None where every nucleotide is predicted.
    deep
        Networks, or a head on frozen embeddings.
    blend
        How both become one.
    max_length
        Longest sequence that it reads, in tokens; None: any.
    about
        How it was made: mode, seed, choices.
    validation
        Scores on held-out sequences: of both views, alone and together.
    history
        Training curve of the first network; empty for a loaded predictor.
    """

    targets: Targets
    wide: Wide | None
    deep: Deep
    blend: Blend
    max_length: int | None
    about: dict[str, Any]
    validation: dict[str, float]
    history: pd.DataFrame

    def __repr__(self) -> str:
        task = self.targets.task
        score = "both_pearson" if task == "regression" else "both_mcc"
        names = ", ".join(map(str, self.targets.names[:4])) + ", ..." * (len(self.targets) > 4)
        found = self.validation[score]
        name = score.removeprefix("both_")
        return f"<SequencePredictor, {task} of {names}; on held-out sequences: {name} {found:.3f}>"

    def predict(
        self, sequences: Any, *, column: str | None = None, parts: str = "both"
    ) -> pd.Series | pd.DataFrame | list[npt.NDArray[Any]]:
        """Predict sequences.

        Parameters
        ----------
        sequences, column
            As in :func:`scmamba.tasks.sequence.fit`.
        parts
            ``"both"`` views, or one alone: ``"wide"`` or ``"deep"``.

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
        said, index = self.say(data, parts=parts), pd.Index(data.names, name="name")
        names = np.array(self.targets.names, dtype=object)
        if self.targets.task == "token":
            return [names[p.argmax(1)] for p in said]
        if self.targets.task == "classification":
            guess = names[np.stack(said).argmax(1)] if said else names[:0]
            return pd.Series(guess, index, name="prediction").infer_objects()
        table = pd.DataFrame(np.stack(said), index, list(self.targets.names))
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
        said = self.say(data, parts=parts)
        if self.targets.task == "token":
            return [pd.DataFrame(p, columns=columns) for p in said]
        return pd.DataFrame(np.stack(said), pd.Index(data.names, name="name"), columns)

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
        return score(self.targets, self.targets.encode(raw), self.say(data, parts=parts))

    def say(self, data: Sequences, *, parts: str = "both") -> list[Floats]:
        """Probabilities, or numbers of variance 1, of sequences that were read and cleaned.

        Returns
        -------
        For each (n_outputs,), of tokens (length, n_outputs).
        """
        if parts not in PARTS or (parts == "wide" and self.wide is None):
            raise ScmambaError(f"parts={parts!r}; allowed: {', '.join(map(repr, PARTS))}")
        texts: Sequence[str] = data.sequences
        wide = None if self.wide is None or parts == "deep" else self.wide.logits(texts)
        if parts == "wide" or (self.blend.deep_share == 0 and wide is not None):
            return list(self.blend(wide, None))
        deep = self.deep.outputs(texts)
        if self.targets.task == "token":
            return [self.blend(None, logits) for logits in deep]
        return list(self.blend(wide, np.stack(deep)))

    def _read(self, sequences: Any, column: str | None) -> Sequences:
        data = read_sequences(sequences, column=column)
        texts, _ = read_tokens(data, self.deep.tokenizer, self.max_length)
        return replace(data, sequences=tuple(texts))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the predictor to a folder, whole or not at all; no pickle in it.

        Raises
        ------
        ScmambaError
            The folder holds other files or cannot be written.
        """
        content = {
            "targets": asdict(self.targets),
            "blend": asdict(self.blend),
            "max_length": self.max_length,
            "about": self.about,
            "validation": self.validation,
        }
        write(Path(path), content, self.wide, self.deep)
        return Path(path)


def load(path: str | os.PathLike[str]) -> SequencePredictor:
    """Read a folder that :meth:`SequencePredictor.save` wrote.

    Raises
    ------
    ScmambaError
        It is no predictor, of a newer format, or damaged.
    """
    if not is_predictor(path):
        raise ScmambaError(
            f"{path} holds no predictor; give a folder that a predictor's save() or scmamba "
            "fit-sequences wrote"
        )
    content, wide, deep = read(Path(path))
    targets = {k: tuple(v) if isinstance(v, list) else v for k, v in content["targets"].items()}
    return SequencePredictor(
        targets=Targets(**targets),
        wide=wide,
        deep=deep,
        blend=Blend(**content["blend"]),
        max_length=content["max_length"],
        about=content["about"],
        validation=content["validation"],
        history=pd.DataFrame(),
    )
