"""Ways to a deep view: from scratch, by a head on frozen embeddings, or by fine-tuning."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from scmamba._errors import ScmambaError
from scmamba.learn.linear import Linear
from scmamba.learn.parallel import run
from scmamba.models.device import resolve_device
from scmamba.models.sequence.compact import CompactConfig, CompactModel
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.pooled import PooledModel
from scmamba.nn.lora import add_lora, merge_lora
from scmamba.stream.sequences import SequenceData
from scmamba.tasks.sequence._supervised.blend import Blend, loss
from scmamba.tasks.sequence._supervised.deep import Networks, Probe, embeddings
from scmamba.tasks.sequence._supervised.forward import outputs, sequence_data
from scmamba.tasks.sequence._supervised.recipe import Recipe
from scmamba.tasks.sequence._supervised.wide import fit_linear_view
from scmamba.tokens.nucleotides import NucleotideTokenizer
from scmamba.tokens.sequence_masking import IGNORED, known_tokens
from scmamba.train import (
    CLS,
    MultiLabel,
    Objective,
    SequenceFitConfig,
    SquaredError,
    TokenClasses,
    fit_sequences,
)

Rows = npt.NDArray[np.int64]
SMOOTHING = 0.0
FINETUNE = SequenceFitConfig(epochs=10, batch_size=16, ema=0.0, patience=2)
RATES = {"finetune": 1e-4, "lora": 1e-3}
"""Peak learning rates of a pretrained model."""
_STRENGTHS = (1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class Problem:
    """What is to be learned.

    Attributes
    ----------
    task
        ``"classification"``, ``"multilabel"``, ``"regression"`` or ``"token"``.
    n_outputs
        Classes, labels or numbers.
    texts
        All sequences, cleaned.
    target
        Of each, as :class:`~scmamba.stream.sequences.SequenceData` has it.
    train, val
        Positions of those to learn from, and of those that choose.
    """

    task: str
    n_outputs: int
    texts: tuple[str, ...]
    target: npt.NDArray[Any]
    train: Rows
    val: Rows

    def data(self, tokenizer: NucleotideTokenizer, both_strands: bool) -> SequenceData:
        """All of it as tokens."""
        return sequence_data(self.texts, tokenizer, other=both_strands, target=self.target)

    def objective(self) -> Objective:
        """The loss of the task."""
        return {
            "classification": CLS(label_smoothing=SMOOTHING),
            "multilabel": MultiLabel(),
            "regression": SquaredError(),
            "token": TokenClasses(),
        }[self.task]


def from_scratch(
    problem: Problem, recipe: Recipe, tokenizer: NucleotideTokenizer
) -> tuple[Networks, pd.DataFrame]:
    """Compact models, of which those that help are kept; the training curve of the first."""
    both = recipe.training.both_strands
    data = problem.data(tokenizer, both)
    jobs = [
        (
            problem,
            data,
            recipe.network,
            recipe.member(member),
            known_tokens(tokenizer),
            f"member {member + 1}/{recipe.n_members}",
        )
        for member in range(recipe.n_members)
    ]
    on_cpu = resolve_device().type == "cpu"
    trained = run(train_compact, jobs, text="training", spread=on_cpu)
    networks = [network for network, _ in trained]
    return Networks(_helpful(networks, problem, data, both), tokenizer, both), trained[0][1]


def _helpful(
    networks: Sequence[nn.Module], problem: Problem, data: SequenceData, both_strands: bool
) -> tuple[nn.Module, ...]:
    """Networks in order of their loss on held-out sequences, as long as the mean gets better."""
    held = data.take(problem.val)
    of_tokens, target, blend = problem.task == "token", held.target, Blend(problem.task)
    assert target is not None
    join = np.concatenate if of_tokens else np.stack
    said = [join(outputs([network], held, both_strands=both_strands)) for network in networks]
    if of_tokens:
        target = np.concatenate(list(target))
        said, target = [rows[target != IGNORED] for rows in said], target[target != IGNORED]

    def doubt(members: list[int]) -> float:
        mean = np.mean([said[i] for i in members], axis=0)
        return loss(problem.task, blend(None, mean), target)

    kept: list[int] = []
    for i in sorted(range(len(networks)), key=lambda i: doubt([i])):
        if not kept or doubt([*kept, i]) < doubt(kept):
            kept.append(i)
    return tuple(networks[i] for i in kept)


def train_compact(
    problem: Problem,
    data: SequenceData,
    config: CompactConfig,
    training: SequenceFitConfig,
    replaceable: Rows,
    text: str,
) -> tuple[CompactModel, pd.DataFrame]:
    """One compact model, with the weights of the epoch that validated best."""
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        network = CompactModel(config)
    network.to(resolve_device())
    return network, _train(network, problem, data, training, replaceable, text)


def finetune(
    problem: Problem, model: SequenceModel, config: SequenceFitConfig, *, lora: bool
) -> tuple[Networks, pd.DataFrame]:
    """A copy of a pretrained model with a new head: all weights, or low-rank parts, are trained."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = PooledModel(
            copy.deepcopy(model), problem.n_outputs, per_token=problem.task == "token"
        )
        if lora:
            add_lora(network.backbone)
    network.to(next(model.parameters()).device)
    data = problem.data(model.tokenizer, config.both_strands)
    if problem.task == "token":
        _check_tokens(problem, data)
    history = _train(network, problem, data, config, None, "fine-tuning")
    if lora:
        merge_lora(network.backbone)
    return Networks((network,), model.tokenizer, config.both_strands), history


def probe(problem: Problem, model: SequenceModel, both_strands: bool | None) -> Probe:
    """A linear head on frozen embeddings, as strongly penalised as predicts held-out ones best."""
    if problem.task == "token":
        raise ScmambaError(
            'mode="probe" predicts whole sequences; give mode="lora" or "finetune" for tokens'
        )
    x = embeddings(model, problem.texts, both_strands)
    mean, scale = x[problem.train].mean(0), x[problem.train].std(0) + 1e-6
    scaled, blend = (x - mean) / scale, Blend(problem.task)
    target = problem.target

    def fitted(strength: float) -> Linear:
        learn = problem.train
        return fit_linear_view(scaled[learn], target[learn], problem.n_outputs, strength)

    def doubt(head: Linear) -> float:
        said = blend(None, head.logits(scaled[problem.val]))
        return loss(problem.task, said, target[problem.val])

    best = min(map(fitted, _STRENGTHS), key=doubt)
    coef = best.coef / scale
    return Probe(model, both_strands, Linear(coef, best.intercept - coef @ mean))


def _train(
    network: nn.Module,
    problem: Problem,
    data: SequenceData,
    config: SequenceFitConfig,
    replaceable: Rows | None,
    text: str,
) -> pd.DataFrame:
    result = fit_sequences(
        network,
        data,
        problem.train,
        [problem.objective()],
        config,
        val_rows=problem.val,
        replaceable=replaceable,
        text=text,
    )
    return result.history


def _check_tokens(problem: Problem, data: SequenceData) -> None:
    lengths: Sequence[int] = [len(text) for text in problem.texts]
    if not np.array_equal(data.lengths, lengths):
        raise ScmambaError(
            'task="token" needs a model that reads one token a nucleotide, and no special tokens; '
            "this one reads k-mers, BPE or adds tokens: leave out model="
        )
