"""Generation against whole runs of the model a token, drawn in another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmamba import ScmambaError
from scmamba.models import SequenceModel
from scmamba.tasks.sequence import generate, score

CAUSAL = ["causal1", "causal2", "kmers", "rna"]


def by_hand(
    model: SequenceModel, prompt: str, draws: np.ndarray, length: int, temperature: float, top_k
) -> str:
    """One sequence: the whole of it is read again for every token."""
    tokens = model.tokenizer.layout.tokens
    plain = [i for i, t in enumerate(tokens) if t and set(t) <= set("ACGTU")]
    ids = [i for i in model.tokenizer.encode(prompt) if tokens[i].isalpha()]
    text = ""
    for u in draws:
        with torch.no_grad():
            logits = model.logits(torch.tensor(ids)[None])[0, -1].double().numpy()
        ranked = sorted(plain, key=lambda i: (-logits[i], i))[:top_k]
        if temperature == 0:
            ids.append(ranked[0])
        else:
            weights = np.exp((logits[ranked] - logits[ranked[0]]) / temperature)
            k, left = 0, u * weights.sum() - weights[0]
            while left > 0:
                k += 1
                left -= weights[k]
            ids.append(ranked[k])
        text += tokens[ids[-1]]
        if len(text) >= length:
            break
    return prompt + text[:length]


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, None), (0.5, 3), (2.0, 1), (0, None)])
def test_as_by_hand(models, kind, temperature, top_k) -> None:
    prompts, length = ["ACGGT", "A", "TTGACCA"], 11
    prompts = [models[kind].tokenizer.clean(p) for p in prompts]
    found = generate(
        prompts,
        models[kind],
        length=length,
        n_samples=2,
        temperature=temperature,
        top_k=top_k,
        seed=5,
    )
    assert found.index.tolist() == [f"{i}_{j}" for i in range(3) for j in range(2)]
    for name, row in found.iterrows():
        i, j = map(int, name.split("_"))
        draws = np.random.default_rng([5, i, j]).random(length)
        expected = by_hand(models[kind], prompts[i], draws, length, temperature, top_k)
        assert row["sequence"] == expected


@pytest.mark.parametrize("kind", ["causal1", "causal2", "rna"])
def test_likelihood_is_that_of_score(models, kind) -> None:
    found = generate(["ACGGT", "TAC"], models[kind], length=9, n_samples=3)
    whole = score(found, models[kind])["log_likelihood"]
    start = score(["ACGGT", "TAC"], models[kind])["log_likelihood"].to_numpy().repeat(3)
    np.testing.assert_allclose(found["log_likelihood"], whole - start, atol=1e-4)


def test_seeds_decide_and_company_does_not(models) -> None:
    model = models["causal1"]
    one = generate("ACG", model, length=30, n_samples=4, seed=1)
    assert one.equals(generate("ACG", model, length=30, n_samples=4, seed=1))
    two = generate("ACG", model, length=30, n_samples=2, seed=1)
    assert one["sequence"].tolist()[:2] == two["sequence"].tolist()
    assert one["sequence"].is_unique
    assert not one["sequence"].equals(
        generate("ACG", model, length=30, n_samples=4, seed=2)["sequence"]
    )
    many = generate(["ACG", "TTTTTTTTT"], model, length=30, n_samples=300, seed=1)
    assert many["sequence"].iloc[:4].tolist() == one["sequence"].tolist()


def test_a_step_does_not_grow_with_what_was_written(models, monkeypatch) -> None:
    """After the prompt, every call reads one token."""
    sizes = []
    step = SequenceModel.step

    def counted(self, input_ids, states=None):
        sizes.append(input_ids.shape[1])
        return step(self, input_ids, states)

    monkeypatch.setattr(SequenceModel, "step", counted)
    generate("ACGTACGT", models["causal2"], length=20)
    assert sizes == [8] + [1] * 19


def test_temperature_and_top_k_sharpen(models) -> None:
    model = models["causal1"]
    means = [
        generate("ACG", model, length=40, n_samples=8, **options)["log_likelihood"].mean()
        for options in ({"temperature": 3.0}, {}, {"temperature": 0.3}, {"temperature": 0})
    ]
    assert means == sorted(means)
    greedy = generate("ACG", model, length=40, temperature=0)["sequence"]
    assert generate("ACG", model, length=40, top_k=1)["sequence"].equals(greedy)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("ph", {}, "reads both directions"),
        ("ps", {}, "reads both directions"),
        ("causal1", {"length": 0}, "length=0; give a whole number of at least 1"),
        ("causal1", {"n_samples": 0}, "n_samples=0"),
        ("causal1", {"top_k": 0}, "top_k=0"),
        ("causal1", {"temperature": -1.0}, "temperature=-1.0; give a finite number"),
        ("causal1", {"temperature": float("nan")}, "temperature=nan"),
        ("causal1", {"temperature": float("inf")}, "temperature=inf"),
        ("causal1", {"seed": -1}, "seed=-1; give a whole number of at least 0"),
        ("causal1", {"prompts": ["AC", "AXC"]}, "sequence '1' holds 'X' at position 2"),
        ("causal1", {"prompts": [""]}, "sequence '0' is empty"),
    ],
)
def test_wrong_input_is_named(models, kind, options, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        generate(**{"prompts": "ACGT", "model": models[kind], "length": 3, **options})
