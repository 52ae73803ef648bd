"""Training on sequences: what is learned, what decides it, and what each objective looks at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from scmamba import ScmambaError
from scmamba.stream.sequences import SequenceBatches, SequenceData, SequenceOutput
from scmamba.tokens import NucleotideTokenizer
from scmamba.tokens.nucleotides.masking import IGNORED, TokenMasking, known_tokens
from scmamba.train import (
    CLS,
    MultiLabel,
    NextToken,
    SequenceEpochs,
    SequenceFitConfig,
    SquaredError,
    TokenClasses,
    fit_sequences,
)

TOKENIZER = NucleotideTokenizer.caduceus()
CONFIG = SequenceFitConfig(epochs=6, batch_size=8, lr=2e-2, ema=0.5)
TRAIN, VAL = np.arange(60), np.arange(60, 80)


class Bag(nn.Module):
    """The mean of embeddings, per sequence and per token, with a language-model head."""

    def __init__(self, n_outputs: int, per_token: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.per_token = nn.Embedding(16, 8), per_token
        self.head, self.language = nn.Linear(8, n_outputs), nn.Linear(8, 16)

    def forward(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        hidden = self.embedding(input_ids)
        if self.per_token:
            return self.head(hidden)
        if padding_mask is None:
            return self.head(hidden.mean(1))
        real = ~padding_mask[..., None]
        return self.head((hidden * real).sum(1) / real.sum(1))

    def logits(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        return self.language(self.embedding(input_ids))


@pytest.fixture
def data() -> SequenceData:
    """Sequences that are rich in G and C (class 1) or not, which is the same on either strand."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    share = np.array([[0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1]])
    texts = ["".join(rng.choice(list("ACGT"), rng.integers(20, 40), p=share[x])) for x in labels]
    ids = tuple(map(TOKENIZER.encode, texts))
    other = tuple(TOKENIZER.complement[row][::-1] for row in ids)
    return SequenceData(ids, TOKENIZER.pad_id, other, labels)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("both_strands", [False, True])
def test_labels_are_learned(data: SequenceData, both_strands: bool) -> None:
    model, config = Bag(2), replace(CONFIG, both_strands=both_strands)
    result = fit_sequences(model, data, TRAIN, [CLS()], config, val_rows=VAL)
    assert result.history["val_accuracy"].iloc[-1] > 0.9
    assert result.best_epoch == result.history["val_loss"].idxmin()


def test_seed_alone_decides(data: SequenceData) -> None:
    config = replace(CONFIG, both_strands=True, noise=0.2)
    models = []
    for seed in (0, 0, 1):
        models.append(Bag(2))
        fit_sequences(
            models[-1],
            data,
            TRAIN,
            [CLS()],
            replace(config, seed=seed),
            replaceable=known_tokens(TOKENIZER),
        )
    first, second, other = map(weights, models)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_numbers_and_several_labels(data: SequenceData) -> None:
    n = np.array([np.isin(row, (8, 9)).mean() for row in data.ids], dtype=np.float32)
    numbers = replace(data, target=((n - n.mean()) / n.std())[:, None])
    result = fit_sequences(Bag(1), numbers, TRAIN, [SquaredError()], CONFIG, val_rows=VAL)
    assert result.history["val_mse"].iloc[-1] < 0.2
    both = np.stack([data.target, 1 - data.target], 1).astype(np.float32)
    labels = replace(data, target=both)
    result = fit_sequences(Bag(2), labels, TRAIN, [MultiLabel()], CONFIG, val_rows=VAL)
    assert result.history["val_labels"].iloc[-1] < 0.4
    assert "val_accuracy" not in result.history


def test_tokens(data: SequenceData) -> None:
    target = np.empty(80, dtype=object)
    for i, row in enumerate(data.ids):
        target[i] = np.where(np.arange(len(row)) < 3, IGNORED, row == 7).astype(np.int64)
    tokens = replace(data, target=target)
    model = Bag(2, per_token=True)
    fit_sequences(model, tokens, TRAIN, [TokenClasses()], CONFIG)
    row = torch.from_numpy(data.ids[70])[None]
    assert torch.equal(model(row).argmax(2), (row == 7).long())


def test_hidden_tokens_are_validated_on_the_same_masks(data: SequenceData) -> None:
    masking = TokenMasking.of(TOKENIZER, 0.15)
    objective, config = TokenClasses(head="language"), replace(CONFIG, epochs=2, lr=1e-9, ema=0.0)
    plain = replace(data, target=None)
    result = fit_sequences(Bag(1), plain, TRAIN, [objective], config, val_rows=VAL, masking=masking)
    assert result.history["val_tokens"].nunique() == 1
    epochs = SequenceEpochs(plain, TRAIN, VAL, replace(config, both_strands=True), masking, None)
    assert next(iter(epochs.validation())).other_ids is None


def test_token_losses_match_loops(data: SequenceData) -> None:
    masking = TokenMasking.of(TOKENIZER, 0.3)
    (batch,) = SequenceBatches(data, np.arange(5), batch_size=5, masking=masking)
    logits = torch.randn(*batch.input_ids.shape, 16)
    terms = [
        F.cross_entropy(logits[b, t], batch.target[b, t])
        for b, t in (batch.target != IGNORED).nonzero().tolist()
    ]
    loss = TokenClasses()(SequenceOutput(logits), batch)
    torch.testing.assert_close(loss, torch.stack(terms).mean())

    (batch,) = SequenceBatches(data, np.arange(5), batch_size=5)
    batch.input_ids[0, 4] = TOKENIZER.nucleotide_ids["N"]
    terms = [
        F.cross_entropy(logits[b, t - 1], batch.input_ids[b, t])
        for b, t in torch.isin(batch.input_ids, torch.arange(7, 11)).nonzero().tolist()
        if t > 0
    ]
    loss = NextToken((7, 8, 9, 10))(SequenceOutput(logits), batch)
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_nothing_known_is_no_loss(data: SequenceData) -> None:
    (batch,) = SequenceBatches(data, np.arange(2), batch_size=2)
    nothing = replace(batch, target=torch.full_like(batch.input_ids, IGNORED))
    logits = torch.randn(*batch.input_ids.shape, 4)
    assert TokenClasses()(SequenceOutput(logits), nothing) == 0


def test_refusals(data: SequenceData) -> None:
    rna = replace(data, other=None)
    with pytest.raises(ScmambaError, match="have no other strand"):
        fit_sequences(Bag(2), rna, TRAIN, [CLS()], replace(CONFIG, both_strands=True))
    with pytest.raises(ScmambaError, match="needs the ids that may be replaced"):
        fit_sequences(Bag(2), data, TRAIN, [CLS()], replace(CONFIG, noise=0.1))
    with pytest.raises(ScmambaError, match="noise=1.5; give a finite number of at least 0"):
        replace(CONFIG, noise=1.5)


class Steps(Callback):
    """Remembers a weight after every step."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def on_train_batch_end(self, trainer, pl_module, *_: object) -> None:
        self.seen.append(pl_module.model.head.weight.detach().clone())


@pytest.mark.parametrize("ramp", [False, True])
def test_average_of_the_weights(data: SequenceData, ramp: bool) -> None:
    model, steps = Bag(2), Steps()
    config = replace(CONFIG, epochs=3, ema=0.8, ema_ramp=ramp)
    fit_sequences(model, data, TRAIN, [CLS()], config, callbacks=[steps])
    average = steps.seen[0]
    for n, weight in enumerate(steps.seen[1:], start=1):
        decay = min(0.8, (1 + n) / (10 + n)) if ramp else 0.8
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(model.head.weight.detach(), average)
