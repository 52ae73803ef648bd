"""New sequences, drawn nucleotide by nucleotide from a causal model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scmamba._allocator import keep_freed_memory
from scmamba._arguments import check_count, check_number
from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.models.sequence.model import SequenceModel
from scmamba.nn.scan.state import State
from scmamba.tasks.sequence._batches import Encoded, clean, encode, progress, token_budget
from scmamba.tasks.sequence._inputs import read_sequences
from scmamba.tasks.sequence._model import Model, device_of, is_causal, language_model
from scmamba.tasks.sequence._nucleotides import plain_tokens

_AT_ONCE = 256
"""Sequences that grow side by side."""


def generate(
    prompts: Any,
    model: Model,
    *,
    length: int,
    n_samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    column: str | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Continue sequences by a causal model.

    Each prompt is read once; every token after it takes the same time and memory, however long the
    sequence has grown. Only tokens of known nucleotides are drawn: no N and no special ones.

    Parameters
    ----------
    prompts
        How the sequences begin: text, a list, Series, dict or DataFrame, or the path of a FASTA or
        csv file.
    model
        A causal model, a folder with one, or a registered name.
    length
        Nucleotides to add to each prompt.
    n_samples
        Sequences per prompt.
    temperature
        Logits are divided by it: below 1 likely nucleotides become likelier, 0 takes the likeliest.
    top_k
        Draw from this many likeliest tokens; None: from all.
    column
        Column of a DataFrame or csv file that holds the prompts; None: ``"sequence"``.
    seed
        Random seed; None: ``settings.seed``. Each sequence has draws of its own, whatever others
        are made beside it.

    Returns
    -------
    One row per sequence, named ``<prompt>_<number>``: ``sequence``, prompt included, ``prompt``,
    its name, and ``log_likelihood``, the sum in nats of the drawn tokens' log-probabilities by the
    model (of whole tokens: the last one may reach beyond ``length`` and is then cut).

    Raises
    ------
    ScmambaError
        The model is not causal, a number is out of its range, or a prompt is wrong.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> model = scmamba.models.SequenceModel.from_preset("nt-mamba", n_layer=1, d_model=32)
    >>> new = scmamba.tasks.sequence.generate("ACGT", model, length=6, n_samples=2)
    >>> new["sequence"].str.len().tolist()
    [10, 10]
    """
    used = settings.seed if seed is None else seed
    _check(length, n_samples, temperature, top_k, used)
    data = read_sequences(prompts, column=column)
    net = language_model(model)
    if not is_causal(net):
        raise ScmambaError(
            f"{net.name or 'the model'} reads both directions, so that it cannot continue a "
            "sequence; generate with a causal model such as Plant DNAMamba"
        )
    texts = clean(data, net.tokenizer)
    wanted = [(i, j) for i in range(len(texts)) for j in range(n_samples)]
    rows = encode(texts, net.tokenizer)
    draw = _Draw(net, length, temperature, top_k, used)
    chunks = [wanted[k : k + _AT_ONCE] for k in range(0, len(wanted), _AT_ONCE)]
    found = [pair for chunk in chunks for pair in draw(rows, chunk)]
    columns = {
        "sequence": [texts[i] + new for (i, _), (new, _) in zip(wanted, found, strict=True)],
        "prompt": [data.names[i] for i, _ in wanted],
        "log_likelihood": [total for _, total in found],
    }
    names = [f"{data.names[i]}_{j}" for i, j in wanted]
    return pd.DataFrame(columns, index=pd.Index(names, name="name"))


def _check(length: int, n_samples: int, temperature: float, top_k: int | None, seed: int) -> None:
    check_count("length", length, optional=False)
    check_count("n_samples", n_samples, optional=False)
    check_count("top_k", top_k)
    check_count("seed", seed, least=0)
    check_number("temperature", temperature, low=0, optional=False)


@dataclass(frozen=True)
class _Draw:
    """Draws tokens for some sequences at a time."""

    net: SequenceModel
    length: int
    temperature: float
    top_k: int | None
    seed: int

    @torch.inference_mode()
    def __call__(
        self, prompts: Sequence[Encoded], wanted: Sequence[tuple[int, int]]
    ) -> list[tuple[str, float]]:
        """Return what to add to each prompt, and its log-likelihood.

        Parameters
        ----------
        wanted
            Prompt and number of each sequence.
        """
        keep_freed_memory()
        n, tokens = len(wanted), self.net.tokenizer.layout.tokens
        starts = {i: self._read(prompts[i]) for i in dict.fromkeys(i for i, _ in wanted)}
        logits = torch.cat([starts[i][0] for i, _ in wanted])
        layers = zip(*(starts[i][1] for i, _ in wanted), strict=True)
        states = [State(*map(torch.cat, zip(*layer, strict=True))) for layer in layers]
        draws = np.stack(
            [np.random.default_rng([self.seed, i, j]).random(self.length) for i, j in wanted]
        )
        texts, total = [""] * n, np.zeros(n)
        for step in progress(range(self.length), "generating"):
            chosen, log_probs = self._choose(logits.cpu().double().numpy(), draws[:, step])
            growing = [len(text) < self.length for text in texts]
            total += np.where(growing, log_probs, 0.0)
            texts = [
                text + tokens[token].upper() if more else text
                for text, token, more in zip(texts, chosen, growing, strict=True)
            ]
            if all(len(text) >= self.length for text in texts):
                break
            ids = torch.from_numpy(chosen)[:, None].to(logits.device)
            logits, states = self.net.step(ids, states)
            logits = logits[:, -1]
        return [(text[: self.length], value) for text, value in zip(texts, total, strict=True)]

    def _read(self, prompt: Encoded) -> tuple[torch.Tensor, list[State]]:
        """Logits (1, vocab) of the token after a prompt, and the states there."""
        ends = np.flatnonzero(~prompt.special)[-1] + 1
        ids = torch.from_numpy(prompt.ids[:ends])[None].to(device_of(self.net))
        states: list[State] | None = None
        for piece in ids.split(token_budget(self.net), dim=1):
            logits, states = self.net.step(piece, states)
        assert states is not None  # a prompt has a token
        return logits[:, -1], states

    def _choose(
        self, logits: npt.NDArray[np.float64], draws: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """One token a row, with its log-probability before temperature and top-k."""
        rows = np.arange(len(logits))
        log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        allowed = np.where(
            plain_tokens(self.net.tokenizer, self.net.config.vocab_size), log_probs, -np.inf
        )
        if self.temperature == 0:
            chosen = allowed.argmax(axis=1)
            return chosen, log_probs[rows, chosen]
        order = np.argsort(-allowed, axis=1, kind="stable")[:, : self.top_k]
        sharp = np.take_along_axis(allowed, order, axis=1) / self.temperature
        sums = np.exp(sharp - sharp[:, :1]).cumsum(axis=1)
        chosen = order[rows, (sums < draws[:, None] * sums[:, -1:]).sum(axis=1)]
        return chosen, log_probs[rows, chosen]
