"""Arguments of a wrong type or size end in one error that names the argument."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scmamba import ScmambaError
from scmamba.tasks import sequence as sq

TEXT = "ACGTACGTAC"
COUNTS: tuple[Any, ...] = ("4", 2.5, 0, -1, True, [3], 2**70)
FLAGS: tuple[Any, ...] = ("yes", 1, [], 0.0)
OTHERS: tuple[Any, ...] = (5, None, range(2), b"ph", ["ph"], {}, "no such model", "a\0b", "")


@pytest.mark.parametrize("value", COUNTS, ids=repr)
@pytest.mark.parametrize(
    ("call", "kind", "name"),
    [
        (sq.embed, "ph", "batch_size"),
        (sq.embed, "ph", "max_length"),
        (sq.score, "ph", "mask_every"),
        (sq.conservation, "ph", "mask_every"),
        (sq.conservation, "ph", "batch_size"),
        (sq.mutagenesis, "ph", "flank"),
        (sq.generate, "causal1", "length"),
        (sq.generate, "causal1", "n_samples"),
        (sq.generate, "causal1", "top_k"),
        (sq.pretrain, "ph", "max_length"),
        (sq.pretrain, "ph", "epochs"),
        (sq.pretrain, "ph", "token_budget"),
    ],
)
def test_counts(models: Any, call: Any, kind: str, name: str, value: Any) -> None:
    options = {"length": 3} if call is sq.generate else {}
    with pytest.raises(ScmambaError, match=f"{name}={re.escape(repr(value)[:20])}"):
        call(
            [TEXT] if call is not sq.pretrain else [TEXT] * 4,
            model=models[kind],
            **{**options, name: value},
        )


@pytest.mark.parametrize("value", FLAGS, ids=repr)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (sq.embed, "both_strands"),
        (sq.conservation, "both_strands"),
        (sq.score, "per_token"),
        (sq.mutagenesis, "cuts"),
        (sq.mutagenesis, "both_strands"),
        (sq.pretrain, "both_strands"),
    ],
)
def test_flags(models: Any, call: Any, name: str, value: Any) -> None:
    with pytest.raises(ScmambaError, match=f"{name}={re.escape(repr(value))}; allowed: True"):
        call([TEXT], model=models["ph"], **{name: value})


@pytest.mark.parametrize("value", OTHERS, ids=repr)
@pytest.mark.parametrize("call", [sq.embed, sq.score, sq.conservation, sq.mutagenesis, sq.pretrain])
def test_models(call: Any, value: Any) -> None:
    with pytest.raises(ScmambaError):
        call([TEXT], model=value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deletions": "3"}, "deletions=3; give whole numbers"),
        ({"deletions": [1.5]}, "deletions=.1.5.; give whole numbers"),
        ({"insertions": 3}, "insertions=3; give text"),
        ({"start": "0"}, "start='0'; give a whole number"),
        ({"stop": 2.5}, "stop=2.5; give a whole number"),
    ],
)
def test_changes(models: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        sq.mutagenesis(TEXT, models["ph"], **options)


@pytest.mark.parametrize("value", ["0.5", -1.0, float("nan"), float("inf"), None, True], ids=repr)
def test_numbers(models: Any, value: Any) -> None:
    with pytest.raises(ScmambaError, match=f"temperature={re.escape(repr(value))}; give a finite"):
        sq.generate(TEXT, models["causal1"], length=3, temperature=value)
    with pytest.raises(ScmambaError, match=f"mask_ratio={re.escape(repr(value))}; give"):
        sq.pretrain([TEXT] * 4, model=models["ph"], mask_ratio=value)
