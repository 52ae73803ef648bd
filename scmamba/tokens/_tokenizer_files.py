"""Tokenizer files of published sequence models, read without running their code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba.tokens import _layouts
from scmamba.tokens._layouts import ROLES, TokenLayout, complements
from scmamba.tokens._splitters import read_library

FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
_NO_LIMIT = 10**9  # what transformers writes for "no limit" is larger


def read_layout(folder: Path) -> TokenLayout:
    """The tokenizer of ``folder``; see :meth:`NucleotideTokenizer.from_folder`."""
    settings = _settings(folder)
    if (path := folder / "tokenizer.json").is_file():
        return _library(path, settings)
    if (path := folder / "vocab.txt").is_file():
        return _kmers(path, settings)
    kind = settings.get("tokenizer_class")
    if kind in ("CaduceusTokenizer", "CharTokenizer"):
        return _characters(folder, settings, str(kind))
    if kind is not None:
        raise ScmambaError(
            f"{folder / 'tokenizer_config.json'} says tokenizer_class={kind!r}, whose code is not "
            "run; known without a tokenizer.json or vocab.txt: CaduceusTokenizer, CharTokenizer"
        )
    return _by_complement(folder)


def _settings(folder: Path) -> dict[str, Any]:
    """``special_tokens_map.json`` and ``tokenizer_config.json`` in one, where they are there."""
    found: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            found |= {k: v for k, v in _json(folder / name).items() if v is not None}
    return found


def _library(path: Path, settings: dict[str, Any]) -> TokenLayout:
    text = path.read_text(encoding="utf-8")
    content = _json(path)
    tokens = _by_id({**_vocab(content, path), **_added(content)}, path)
    shared = {**_shared(settings), "specials": _specials(settings, tokens)}
    if _is_characters(content, tokens):
        return TokenLayout(kind="characters", tokens=tokens, **shared)
    found = read_library(text).encode("A", add_special_tokens=True)
    inner = found.special_tokens_mask.index(0)
    last = len(found.ids) - found.special_tokens_mask[::-1].index(0)
    return TokenLayout(
        kind="library",
        tokens=tokens,
        prefix=tuple(found.ids[:inner]),
        suffix=tuple(found.ids[last:]),
        special_by_default=True,
        library=text,
        **shared,
    )


def _is_characters(content: dict[str, Any], tokens: tuple[str, ...]) -> bool:
    """Whether every nucleotide is one token and nothing is put around a sequence."""
    model = content["model"]
    words = {token for token in tokens if token.isalpha()}
    plain = model.get("type") == "BPE" and not model.get("merges")
    return plain and not content.get("post_processor") and all(len(word) == 1 for word in words)


def _kmers(path: Path, settings: dict[str, Any]) -> TokenLayout:
    kind = settings.get("tokenizer_class", "EsmTokenizer")
    if kind != "EsmTokenizer":
        raise ScmambaError(
            f"{path.parent / 'tokenizer_config.json'} says tokenizer_class={kind!r}; a vocab.txt "
            "is known as EsmTokenizer's (k-mers that do not overlap)"
        )
    lines = path.read_text(encoding="utf-8").split("\n")
    tokens = tuple(line.strip() for line in lines if line.strip())
    defaults = {"cls_token": "<cls>", "pad_token": "<pad>", "mask_token": "<mask>"}
    specials = _specials({"unk_token": "<unk>", **defaults, **settings}, tokens)
    # eos_token is null in the published files, so only <cls> is put around a sequence
    end = _specials({"sep_token": settings.get("eos_token", "")}, tokens)
    single = all(len(token) == 1 for token in tokens if token.isalpha())
    return TokenLayout(
        kind="characters" if single else "kmers",
        tokens=tokens,
        specials={**specials, **end},
        prefix=tuple(specials[role] for role in ("cls",) if role in specials),
        suffix=tuple(end.values()),
        special_by_default=True,
        **_shared(settings),
    )


def _characters(folder: Path, settings: dict[str, Any], kind: str) -> TokenLayout:
    """``CaduceusTokenizer`` or Mamba2-mRNA's ``CharTokenizer``, whose ids are in their code."""
    usual = ("A", "C", "G", "T" if kind == "CaduceusTokenizer" else "U", "N")
    characters = tuple(settings.get("characters", usual))
    size = _config(folder).get("vocab_size", 7 + len(characters))
    layout = _layouts.caduceus(
        characters,
        size=max(size, 7 + len(characters)),
        alphabet="RNA" if "U" in characters else "DNA",
        max_length=_limit(settings),
        padding_side=settings.get("padding_side", "left"),
    )
    said = {int(i): _text(token) for i, token in settings.get("added_tokens_decoder", {}).items()}
    odd = {i: t for i, t in said.items() if i >= len(layout.tokens) or layout.tokens[i] != t}
    if odd:
        raise ScmambaError(
            f"{folder / 'tokenizer_config.json'} says {odd}, which are not the ids of {kind}: "
            f"{dict(enumerate(layout.tokens[:7]))}; use the file that came with the weights"
        )
    return layout


def _by_complement(folder: Path) -> TokenLayout:
    """Without a tokenizer file: the known layout that ``complement_map`` belongs to."""
    config = _config(folder)
    given = config.get("complement_map")
    if isinstance(given, dict) and given:
        pairs = tuple(int(given[key]) for key in sorted(given, key=int))
        for make in (_layouts.caduceus, _layouts.plantcad):
            tokens = make().tokens
            if len(pairs) >= len([t for t in tokens if t]):
                layout = make(size=max(len(pairs), len(tokens)))
                if complements(layout.tokens)[: len(pairs)] == pairs:
                    return layout
    raise ScmambaError(
        f"{folder} holds no tokenizer file ({', '.join(FILES[:3])}), and complement_map in "
        "config.json is missing or of no known vocabulary; copy the tokenizer files beside the "
        "weights"
    )


def _shared(settings: dict[str, Any]) -> dict[str, Any]:
    side = settings.get("padding_side", "right")
    return {"max_length": _limit(settings), "padding_side": side}


def _limit(settings: dict[str, Any]) -> int | None:
    limit = settings.get("model_max_length")
    return int(limit) if isinstance(limit, int | float) and 0 < limit < _NO_LIMIT else None


def _specials(settings: dict[str, Any], tokens: tuple[str, ...]) -> dict[str, int]:
    """Ids of special tokens by role, where the vocabulary has what the settings name."""
    named = {role: _text(settings.get(f"{role}_token", "")) for role in ROLES}
    return {role: tokens.index(name) for role, name in named.items() if name and name in tokens}


def _text(token: Any) -> str:
    """A token as written, or inside ``{"content": ...}``."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token)


def _vocab(content: dict[str, Any], path: Path) -> dict[str, int]:
    model = content.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocab, list):  # Unigram: [token, score]
        return {entry[0]: i for i, entry in enumerate(vocab)}
    if not isinstance(vocab, dict):
        raise ScmambaError(f"{path} holds no vocabulary; fetch the file again")
    return vocab


def _added(content: dict[str, Any]) -> dict[str, int]:
    return {token["content"]: token["id"] for token in content.get("added_tokens") or ()}


def _by_id(vocab: dict[str, int], path: Path) -> tuple[str, ...]:
    """Tokens in the order of their ids; ids without a token are empty."""
    if any(type(i) is not int or i < 0 for i in vocab.values()):
        raise ScmambaError(f"{path} holds ids that are no whole numbers from 0; fetch it again")
    tokens = [""] * (max(vocab.values(), default=-1) + 1)
    for token, i in vocab.items():
        tokens[i] = token
    return tuple(tokens)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    return _json(path) if path.is_file() else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ScmambaError(f"{path} is not JSON ({error}); fetch it again") from error
    if not isinstance(content, dict):
        raise ScmambaError(f"{path} holds a {type(content).__name__}; a JSON object is needed")
    return content
