"""Both components of a predictor, fitted to the training part and fused on held-out sequences."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.learn.fitters import Finetune, FromScratch, Probe
from scmamba.learn.folds import Rows, Split
from scmamba.learn.neural import NeuralFitter
from scmamba.learn.parallel import one_thread
from scmamba.learn.supervised import fit_supervised
from scmamba.learn.training import SequenceTraining
from scmamba.models.device import resolve_device
from scmamba.models.sequence.compact import CompactConfig
from scmamba.models.sequence.model import SequenceModel
from scmamba.tasks.sequence._model import device_of, sees_both_strands
from scmamba.tasks.sequence._supervised.choice import Choice, choose, is_coding
from scmamba.tasks.sequence._supervised.compact import CompactExamples, planned, window_of
from scmamba.tasks.sequence._supervised.examples import SequenceExamples
from scmamba.tasks.sequence._supervised.scores import format_scores, validation_scores
from scmamba.tasks.sequence._supervised.targets import Targets
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer
from scmamba.train import TimeBudget

_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
"""Of the head of a probed model."""
_HEAD_DROPOUT, _HEADDIM = 0.3, 32


@dataclass(frozen=True)
class ComponentsFitter:
    """One fit: the sequences, what is predicted, and how.

    Attributes
    ----------
    texts, encoded
        Sequences, and the target of each.
    splits
        Positions to learn from, and positions that choose. The components of one split are kept;
        of several, all sequences are learned from in the end.
    targets
        What is predicted.
    tokenizer
        Tokenizer of the networks.
    both_strands
        As :func:`scmamba.tasks.sequence.fit` takes it.
    training
        How networks are trained.
    seed
        Seed of all that is random.
    """

    texts: Sequence[str]
    encoded: npt.NDArray[Any]
    splits: tuple[Split, ...]
    targets: Targets
    tokenizer: NucleotideTokenizer
    both_strands: bool | None
    training: SequenceTraining
    seed: int

    def fit(self, model: SequenceModel | None, mode: str) -> dict[str, Any]:
        """Fit, validate and fuse the components.

        Returns
        -------
        ``linear``, ``neural``, ``tokenizer``, ``both_strands``, ``fusion``, ``about``,
        ``validation`` and ``history`` of a predictor.
        """
        device = resolve_device() if model is None else device_of(model)
        with one_thread() if device.type == "cpu" else nullcontext():
            return self._fit(model, mode)

    def _fit(self, model: SequenceModel | None, mode: str) -> dict[str, Any]:
        budget = TimeBudget(self.training.max_minutes)
        coding = self.targets.task != "token" and is_coding(self.texts)
        choice = self._choice(coding)
        if model is None:
            examples, fitter, how = self._from_scratch(choice, coding, budget)
        else:
            examples, fitter, how = self._from_pretrained(model, mode, choice, budget)
        found = fit_supervised(examples, fitter, list(self.splits), refit=len(self.splits) > 1)
        assert found.out_of_fold is not None
        validation = validation_scores(self.targets, found.fusion, found.out_of_fold)
        logger.info(format_scores(self.targets, validation, found.fusion))
        about = {
            "task": self.targets.task,
            **how,
            "seed": self.seed,
            "n_train": len(self._learned),
            "n_validation": sum(len(val) for _, val in self.splits),
            "both_strands": self._strands(choice),
            "positions": 0 if choice is None else choice.positions,
            "linear_trials": {} if choice is None else choice.loss,
            "neural_weight": found.fusion.neural_weight,
            **budget.about,
        }
        return {
            "linear": found.linear,
            "neural": found.neural,
            "tokenizer": examples.tokenizer,
            "both_strands": examples.both_strands,
            "fusion": found.fusion,
            "about": about,
            "validation": validation,
            "history": found.history,
        }

    def _choice(self, coding: bool) -> Choice | None:
        """Choose the linear component's features, by cross-validation within the training part."""
        if self.targets.task == "token":
            return None
        train = self._learned
        return choose(
            [self.texts[i] for i in train],
            self.encoded[train],
            self.targets.kind,
            len(self.targets),
            both_strands=False if self.tokenizer.alphabet == "RNA" else self.both_strands,
            coding=coding,
            seed=self.seed,
        )

    @property
    def _learned(self) -> Rows:
        """Positions of the sequences that the predictor learns from."""
        return self.splits[0][0] if len(self.splits) == 1 else np.arange(len(self.texts))

    def _strands(self, choice: Choice | None) -> bool:
        if choice is not None:
            return choice.both_strands
        return bool(self.both_strands) and self.tokenizer.alphabet != "RNA"

    def _given(self, choice: Choice | None, both_strands: bool | None) -> dict[str, Any]:
        """Return what all examples have."""
        return {
            "kind": self.targets.kind,
            "n_outputs": len(self.targets),
            "per_token": self.targets.task == "token",
            "texts": self.texts,
            "encoded": self.encoded,
            "tokenizer": self.tokenizer,
            "both_strands": both_strands,
            "choice": choice,
            "seed": self.seed,
        }

    def _from_scratch(
        self, choice: Choice | None, coding: bool, budget: TimeBudget
    ) -> tuple[SequenceExamples, NeuralFitter, dict[str, Any]]:
        """Compact networks of nucleotides or codons."""
        training = self.training.for_n(len(self._learned), coding=coding)
        per_token = self.targets.task == "token"
        unit = 3 if coding else 1
        window = 1 if per_token else window_of([len(text) // unit for text in self.texts])
        positions = 0 if choice is None else choice.positions
        network = CompactConfig(
            len(self.targets),
            per_token=per_token,
            unit="codon" if coding else "nucleotide",
            window=window,
            n_positions=-(-positions // (unit * window)),
            d_model=training.width,
            d_state=training.d_state,
            headdim=min(_HEADDIM, training.width),
            dropout=training.dropout,
            head_dropout=_HEAD_DROPOUT,
        )
        given = self._given(choice, self._strands(choice))
        examples = CompactExamples(**given, network=network, budget=budget)
        training, trial = planned(examples, self.splits[0], training)
        network = replace(network, n_layer=training.n_layer or 0)
        how = {"mode": "from scratch", "network": network.to_dict(), **trial}
        return examples, FromScratch(training, parallel=False), how

    def _from_pretrained(
        self, model: SequenceModel, mode: str, choice: Choice | None, budget: TimeBudget
    ) -> tuple[SequenceExamples, NeuralFitter, dict[str, Any]]:
        """Return a head on a pretrained model, or all of it fine-tuned."""
        per_token = self.targets.task == "token"
        if mode == "auto":
            frozen = "lora" if per_token else "probe"
            mode = frozen if device_of(model).type == "cpu" else "finetune"
        how = {"mode": mode, "model": model.name, "model_sha256": model.sha256}
        both, equivariant = self._strands(choice), sees_both_strands(model)
        if mode != "probe":
            given = self._given(choice, both and not equivariant)
            examples = SequenceExamples(**given, model=model, budget=budget)
            training = self.training.for_finetuning(mode)
            return examples, Finetune(training, self.seed, lora=mode == "lora"), how
        if per_token:
            raise ScmambaError(
                'mode="probe" predicts whole sequences; give mode="lora" or "finetune" for tokens'
            )
        given = self._given(choice, None if equivariant else both)
        examples = SequenceExamples(**given, model=model, budget=budget)
        return examples, Probe(model, _PENALTIES), how
