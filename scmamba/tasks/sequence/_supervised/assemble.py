"""Both views fitted, their mix chosen on held-out sequences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._log import logger
from scmamba.models.sequence.model import SequenceModel
from scmamba.tasks.sequence._model import device_of, sees_both_strands
from scmamba.tasks.sequence._supervised.blend import Blend, fit_blend
from scmamba.tasks.sequence._supervised.choice import Choice, choose, is_coding
from scmamba.tasks.sequence._supervised.deep import Deep
from scmamba.tasks.sequence._supervised.learners import (
    FINETUNE,
    RATES,
    Problem,
    finetune,
    from_scratch,
    probe,
)
from scmamba.tasks.sequence._supervised.recipe import recipe_for
from scmamba.tasks.sequence._supervised.scores import score
from scmamba.tasks.sequence._supervised.targets import Targets
from scmamba.tasks.sequence._supervised.wide import Wide, fit_wide
from scmamba.tokens.nucleotides import NucleotideTokenizer
from scmamba.tokens.sequence_masking import IGNORED

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """What a user may say about a fit, as in :func:`scmamba.tasks.sequence.fit`."""

    mode: str
    both_strands: bool | None
    epochs: int | None
    n_members: int
    seed: int


def assemble(
    problem: Problem,
    targets: Targets,
    tokenizer: NucleotideTokenizer,
    model: SequenceModel | None,
    options: Options,
) -> dict[str, Any]:
    """Fit, validate and mix the views.

    Parameters
    ----------
    problem, targets
        What is to be learned.
    tokenizer
        Of the model, or for a compact one.
    model
        Pretrained, or None.
    options
        What else was asked for.

    Returns
    -------
    ``wide``, ``deep``, ``blend``, ``about``, ``validation`` and ``history`` of a predictor.
    """
    strands = False if tokenizer.alphabet == "RNA" else options.both_strands
    wide, choice = _wide(problem, strands, options.seed)
    both = choice.both_strands if choice is not None else bool(strands)
    if model is None:
        positions = 0 if choice is None else choice.positions
        deep, history, how = _compact(problem, tokenizer, positions, both, options)
    else:
        deep, history, how = _pretrained(problem, model, both, options)
    texts = [problem.texts[i] for i in problem.val]
    held = problem.target[problem.val]
    said, linear = deep.outputs(texts), None if wide is None else wide.logits(texts)
    if problem.task == "token":
        flat = np.concatenate(list(held))
        known = flat != IGNORED
        blend = fit_blend(problem.task, None, np.concatenate(said)[known], flat[known])
    else:
        blend = fit_blend(problem.task, linear, np.stack(said), held)
    validation = _scores(problem, targets, blend, linear, said)
    about = {
        "task": problem.task,
        **how,
        "seed": options.seed,
        "n_train": len(problem.train),
        "n_validation": len(problem.val),
        "both_strands": both,
        "positions": 0 if choice is None else choice.positions,
        "linear_trials": {} if choice is None else choice.loss,
        "deep_share": blend.deep_share,
    }
    logger.info(_tell(validation, blend))
    return {
        "wide": wide,
        "deep": deep,
        "blend": blend,
        "about": about,
        "validation": validation,
        "history": history,
    }


def _wide(
    problem: Problem, both_strands: bool | None, seed: int
) -> tuple[Wide | None, Choice | None]:
    """The linear view of whole sequences, as cross-validation would have it."""
    if problem.task == "token":
        return None, None
    texts, target = [problem.texts[i] for i in problem.train], problem.target[problem.train]
    n = problem.n_outputs
    choice = choose(texts, target, problem.task, n, both_strands=both_strands, seed=seed)
    view = fit_wide(
        texts,
        target,
        n,
        choice.features,
        both_strands=choice.both_strands,
        strength=choice.strength,
    )
    return view, choice


def _compact(
    problem: Problem,
    tokenizer: NucleotideTokenizer,
    positions: int,
    both_strands: bool,
    options: Options,
) -> tuple[Deep, pd.DataFrame, dict[str, Any]]:
    """Networks trained from scratch, the training curve, and how they came about."""
    per_token = problem.task == "token"
    recipe = recipe_for(
        len(problem.train),
        n_outputs=problem.n_outputs,
        per_token=per_token,
        positions=positions,
        coding=not per_token and is_coding(problem.texts),
        both_strands=both_strands,
        seed=options.seed,
    )
    training = recipe.training
    if options.epochs is not None:
        training = replace(training, epochs=options.epochs)
    recipe = replace(recipe, training=training, n_members=options.n_members)
    deep, history = from_scratch(problem, recipe, tokenizer)
    return deep, history, {"mode": "from scratch", "network": recipe.network.to_dict()}


def _pretrained(
    problem: Problem, model: SequenceModel, both_strands: bool, options: Options
) -> tuple[Deep, pd.DataFrame, dict[str, Any]]:
    """A head on a pretrained model, or all of it tuned."""
    mode = options.mode
    if mode == "auto":
        frozen = "lora" if problem.task == "token" else "probe"
        mode = frozen if device_of(model).type == "cpu" else "finetune"
    how = {"mode": mode, "model": model.name, "model_sha256": model.sha256}
    equivariant = sees_both_strands(model)
    if mode == "probe":
        strands = None if equivariant else both_strands
        return probe(problem, model, strands), pd.DataFrame(), how
    config = replace(
        FINETUNE,
        lr=RATES[mode],
        epochs=options.epochs or FINETUNE.epochs,
        both_strands=both_strands and not equivariant,
        seed=options.seed,
    )
    deep, history = finetune(problem, model, config, lora=mode == "lora")
    return deep, history, how


def _scores(
    problem: Problem, targets: Targets, blend: Blend, wide: Floats | None, deep: list[Floats]
) -> dict[str, float]:
    """Scores of each view and of both on held-out sequences, which chose the mix."""
    said = {"deep": [blend(None, logits) for logits in deep]}
    if wide is not None:
        said["wide"] = list(blend(wide, None))
        said["both"] = list(blend(wide, np.stack(deep)))
    else:
        said["both"] = said["deep"]
    held = problem.target[problem.val]
    return {
        f"{part}_{name}": value
        for part, rows in said.items()
        for name, value in score(targets, held, rows).to_dict().items()
        if name != "n"
    }


def _tell(validation: dict[str, float], blend: Blend) -> str:
    name = "spearman" if blend.task == "regression" else "mcc"
    parts = [
        f"{part} {validation[f'{part}_{name}']:.3f}"
        for part in ("wide", "deep", "both")
        if f"{part}_{name}" in validation
    ]
    return (
        f"on held-out sequences, {name}: {', '.join(parts)}; share of the deep view "
        f"{blend.deep_share:.0%}"
    )
