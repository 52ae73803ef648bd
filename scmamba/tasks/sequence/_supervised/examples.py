"""Labeled sequences as the components of a predictor see them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from scmamba._errors import ScmambaError
from scmamba.learn.calibration import Kind
from scmamba.learn.neural import NeuralComponent, NeuralFit
from scmamba.learn.training import SequenceTraining
from scmamba.models.device import resolve_device
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.pooled import PooledModel
from scmamba.nn.lora import add_lora
from scmamba.stream.sequences import SequenceData
from scmamba.tasks.sequence._model import device_of
from scmamba.tasks.sequence._supervised.choice import Choice
from scmamba.tasks.sequence._supervised.forward import outputs, sequence_data
from scmamba.tasks.sequence._supervised.linear import SequenceLinear, fit_sequence_linear
from scmamba.tasks.sequence.embed import embed
from scmamba.tokens.nucleotides.masking import IGNORED
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer
from scmamba.train import (
    CLS,
    FitResult,
    MultiLabel,
    Objective,
    SequenceFitConfig,
    SquaredError,
    TimeBudget,
    TokenClasses,
    fit_sequences,
)

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass
class SequenceExamples:
    """Labeled sequences.

    Attributes
    ----------
    kind, n_outputs
        What is predicted, and how many classes, labels or numbers there are.
    per_token
        Whether every nucleotide is predicted.
    texts
        (n,) sequences, cleaned.
    encoded
        Target of each, as :class:`~scmamba.stream.sequences.SequenceData` has it.
    tokenizer
        Tokenizer of the networks.
    both_strands
        Whether networks learn from both strands; None, of a probed model: as it was made.
    choice
        How the linear component looks at sequences; None for nucleotides.
    seed
        Seed of all that is random.
    model
        Pretrained model, or None.
    budget
        Time that the whole fit may take.
    """

    kind: Kind
    n_outputs: int
    per_token: bool
    texts: Sequence[str]
    encoded: npt.NDArray[Any]
    tokenizer: NucleotideTokenizer
    both_strands: bool | None
    choice: Choice | None
    seed: int
    model: SequenceModel | None = None
    budget: TimeBudget = field(default_factory=TimeBudget)
    _data: SequenceData | None = field(default=None, init=False)
    _linear: tuple[Rows, SequenceLinear] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def on_cpu(self) -> bool:
        """Whether networks are trained on the processor."""
        device = resolve_device() if self.model is None else device_of(self.model)
        return device.type == "cpu"

    @property
    def data(self) -> SequenceData:
        """Tokens of all sequences, computed once."""
        if self._data is None:
            self._data = sequence_data(
                self.texts, self.tokenizer, other=bool(self.both_strands), target=self.encoded
            )
        return self._data

    def target(self, rows: Rows) -> npt.NDArray[Any]:
        """Classes, labels or numbers; of nucleotides the known ones, one after the other."""
        found = self.encoded[rows]
        if not self.per_token:
            return found
        flat = np.concatenate(list(found))
        return flat[flat != IGNORED]

    def fit_linear(self, rows: Rows) -> SequenceLinear | None:
        """Logistic or ridge regression on what cross-validation chose to look at."""
        if self.choice is None:
            return None
        if self._linear is None or not np.array_equal(self._linear[0], rows):
            self._linear = rows, self._fitted_linear(self.choice, rows)
        return self._linear[1]

    def _fitted_linear(self, choice: Choice, rows: Rows) -> SequenceLinear:
        return fit_sequence_linear(
            [self.texts[i] for i in rows],
            self.encoded[rows],
            self.n_outputs,
            choice.features,
            kind=self.kind,
            both_strands=choice.both_strands,
            penalty=choice.penalty,
        )

    def linear_logits(self, linear: SequenceLinear | None, rows: Rows) -> Floats | None:
        """(n, n_outputs) outputs."""
        return None if linear is None else linear.logits([self.texts[i] for i in rows])

    def ood_distance(self, train: Rows, rows: Rows) -> None:
        """Not asked for."""

    def from_scratch(
        self, train: Rows, val: Rows | None, training: SequenceTraining, member: int, text: str
    ) -> NeuralFit:
        """Not for a pretrained model."""
        raise NotImplementedError

    def with_head(self, *, lora: bool, seed: int) -> PooledModel:
        """Return a copy of the pretrained model with a pool and a head."""
        assert self.model is not None
        if self.per_token:
            _check_tokens(self.texts, self.data)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = PooledModel(
                copy.deepcopy(self.model), self.n_outputs, per_token=self.per_token
            )
            if lora:
                add_lora(network.backbone)
        return network.to(device_of(self.model))

    def finetune(
        self,
        network: nn.Module,
        train: Rows,
        val: Rows | None,
        training: SequenceTraining,
        text: str,
    ) -> FitResult:
        """Train it in place."""
        config = replace(self._config(training), ema=0.0, seed=self.seed)
        return self._train(network, train, val, config, text, None)

    def embed(self, rows: Rows) -> Floats:
        """(n, D) means over nucleotides by the pretrained model."""
        assert self.model is not None
        return embeddings(self.model, [self.texts[i] for i in rows], self.both_strands)

    def logits(self, component: NeuralComponent, rows: Rows) -> Floats:
        """(n, n_outputs) outputs; of nucleotides those whose class is known."""
        if component.head is not None:
            return component.head.logits(self.embed(rows))
        held = self.data.take(rows)
        found = outputs(component.members, held, both_strands=bool(self.both_strands))
        if not self.per_token:
            return np.stack(found)
        return np.concatenate(found)[np.concatenate(list(self.encoded[rows])) != IGNORED]

    def _config(self, training: SequenceTraining) -> SequenceFitConfig:
        assert training.epochs and training.batch_size and training.learning_rate
        return SequenceFitConfig(
            epochs=training.epochs,
            batch_size=training.batch_size,
            lr=training.learning_rate,
            patience=training.patience,
            both_strands=bool(self.both_strands),
        )

    def _train(
        self,
        network: nn.Module,
        train: Rows,
        val: Rows | None,
        config: SequenceFitConfig,
        text: str,
        replaceable: Rows | None,
        fraction: float = 1.0,
    ) -> FitResult:
        """Train in place, in a fraction of the time that is left."""
        result = fit_sequences(
            network,
            self.data,
            train,
            [self._objective()],
            config,
            val_rows=val,
            replaceable=replaceable,
            text=text,
            budget=self.budget.part(fraction),
        )
        self.budget.extend(result.cuts)
        return result

    def _objective(self) -> Objective:
        if self.per_token:
            return TokenClasses()
        if self.kind == "classification":
            return CLS()
        return MultiLabel() if self.kind == "multilabel" else SquaredError()


def embeddings(model: SequenceModel, texts: Sequence[str], both_strands: bool | None) -> Floats:
    """(n, D) means over nucleotides."""
    table = embed(list(texts), model, both_strands=both_strands)
    found: Any = table.obsm["X_scmamba"]
    return found.astype(np.float64)


def _check_tokens(texts: Sequence[str], data: SequenceData) -> None:
    if not np.array_equal(data.lengths, [len(text) for text in texts]):
        raise ScmambaError(
            'task="token" needs a model that reads one token a nucleotide, and no special tokens; '
            "this one reads k-mers, BPE or adds tokens: omit model="
        )
