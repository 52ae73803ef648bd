"""Both components of a predictor, fitted to the training part and fused on held-out sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.learn.folds import Split
from scmamba.learn.neural import Finetune, FromScratch, NeuralFitter, Probe
from scmamba.learn.supervised import fit_supervised
from scmamba.learn.training import SequenceTraining
from scmamba.models.sequence.compact import CompactConfig
from scmamba.models.sequence.model import SequenceModel
from scmamba.tasks.sequence._model import device_of, sees_both_strands
from scmamba.tasks.sequence._supervised.choice import Choice, choose, is_coding
from scmamba.tasks.sequence._supervised.examples import SequenceExamples
from scmamba.tasks.sequence._supervised.scores import format_scores, validation_scores
from scmamba.tasks.sequence._supervised.targets import Targets
from scmamba.tokens.nucleotides import NucleotideTokenizer

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
    split
        Positions to learn from, and positions that choose.
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
    split: Split
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
        choice = self._choice()
        if model is None:
            examples, fitter, how = self._from_scratch(choice)
        else:
            examples, fitter, how = self._from_pretrained(model, mode, choice)
        found = fit_supervised(examples, fitter, [self.split], refit=False)
        assert found.out_of_fold is not None
        validation = validation_scores(self.targets, found.fusion, found.out_of_fold)
        logger.info(format_scores(self.targets, validation, found.fusion))
        about = {
            "task": self.targets.task,
            **how,
            "seed": self.seed,
            "n_train": len(self.split[0]),
            "n_validation": len(self.split[1]),
            "both_strands": self._strands(choice),
            "positions": 0 if choice is None else choice.positions,
            "linear_trials": {} if choice is None else choice.loss,
            "neural_weight": found.fusion.neural_weight,
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

    def _choice(self) -> Choice | None:
        """What the linear component looks at, by cross-validation within the training part."""
        if self.targets.task == "token":
            return None
        train = self.split[0]
        return choose(
            [self.texts[i] for i in train],
            self.encoded[train],
            self.targets.kind,
            len(self.targets),
            both_strands=False if self.tokenizer.alphabet == "RNA" else self.both_strands,
            seed=self.seed,
        )

    def _strands(self, choice: Choice | None) -> bool:
        if choice is not None:
            return choice.both_strands
        return bool(self.both_strands) and self.tokenizer.alphabet != "RNA"

    def _examples(
        self, choice: Choice | None, both_strands: bool | None, **source: Any
    ) -> SequenceExamples:
        return SequenceExamples(
            self.targets.kind,
            len(self.targets),
            self.targets.task == "token",
            self.texts,
            self.encoded,
            self.tokenizer,
            both_strands,
            choice,
            self.seed,
            **source,
        )

    def _from_scratch(
        self, choice: Choice | None
    ) -> tuple[SequenceExamples, NeuralFitter, dict[str, Any]]:
        """Compact networks of nucleotides or codons."""
        per_token = self.targets.task == "token"
        coding = not per_token and is_coding(self.texts)
        training = self.training.for_n(len(self.split[0]), coding=coding)
        positions = 0 if choice is None else choice.positions
        network = CompactConfig(
            len(self.targets),
            per_token=per_token,
            unit="codon" if coding else "nucleotide",
            n_positions=positions // 3 if coding else positions,
            d_model=training.width,
            n_layer=training.n_layer or 0,
            d_state=training.d_state,
            headdim=min(_HEADDIM, training.width),
            dropout=training.dropout,
            head_dropout=_HEAD_DROPOUT,
        )
        examples = self._examples(choice, self._strands(choice), network=network)
        how = {"mode": "from scratch", "network": network.to_dict()}
        return examples, FromScratch(training, parallel=examples.on_cpu), how

    def _from_pretrained(
        self, model: SequenceModel, mode: str, choice: Choice | None
    ) -> tuple[SequenceExamples, NeuralFitter, dict[str, Any]]:
        """A head on a pretrained model, or all of it fine-tuned."""
        per_token = self.targets.task == "token"
        if mode == "auto":
            frozen = "lora" if per_token else "probe"
            mode = frozen if device_of(model).type == "cpu" else "finetune"
        how = {"mode": mode, "model": model.name, "model_sha256": model.sha256}
        both, equivariant = self._strands(choice), sees_both_strands(model)
        if mode != "probe":
            examples = self._examples(choice, both and not equivariant, model=model)
            training = self.training.for_finetuning(mode)
            return examples, Finetune(training, self.seed, lora=mode == "lora"), how
        if per_token:
            raise ScmambaError(
                'mode="probe" predicts whole sequences; give mode="lora" or "finetune" for tokens'
            )
        examples = self._examples(choice, None if equivariant else both, model=model)
        return examples, Probe(model, _PENALTIES), how
