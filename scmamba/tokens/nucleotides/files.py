"""Readers of the tokenizer files of published sequence models; their code is not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._read import Fields, read_json, read_text
from scmamba.tokens.nucleotides import layouts
from scmamba.tokens.nucleotides.layouts import MOST_IDS, ROLES, TokenLayout, complements
from scmamba.tokens.nucleotides.splitters import read_library

FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
_NO_LIMIT = 10**9  # what transformers writes for "no limit" is larger


def read_layout(folder: Path) -> TokenLayout:
    """Read the tokenizer of ``folder``; see :meth:`NucleotideTokenizer.from_folder`."""
    settings = _settings(folder)
    if (path := folder / "tokenizer.json").is_file():
        return _library(path, settings)
    if (path := folder / "vocab.txt").is_file():
        return _kmers(path, settings)
    kind = settings.string("tokenizer_class", "")
    if kind in ("CaduceusTokenizer", "CharTokenizer"):
        return _characters(folder, settings, kind)
    if kind:
        raise ScmambaError(
            f"{folder / 'tokenizer_config.json'} says tokenizer_class={kind!r}, whose code is not "
            "run; without tokenizer.json or vocab.txt, allowed: CaduceusTokenizer, CharTokenizer"
        )
    return _by_complement(folder)


def _settings(folder: Path) -> Fields:
    """Merge ``special_tokens_map.json`` and ``tokenizer_config.json``, as far as they exist."""
    found: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            found |= {k: v for k, v in read_json(folder / name).items() if v is not None}
    return Fields(found, folder / "tokenizer_config.json")


def _library(path: Path, settings: Fields) -> TokenLayout:
    text = read_text(path)
    content = Fields(read_json(path), path)
    tokens = _by_id({**_vocab(content), **_added(content)}, path)
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


def _is_characters(content: Fields, tokens: tuple[str, ...]) -> bool:
    """Whether each nucleotide is one token and no special tokens surround a sequence."""
    model = content.nested("model")
    words = {token for token in tokens if token.isalpha()}
    plain = model.string("type", "") == "BPE" and not model.values("merges", ())
    return plain and not content.has("post_processor") and all(len(word) == 1 for word in words)


def _kmers(path: Path, settings: Fields) -> TokenLayout:
    kind = settings.string("tokenizer_class", "EsmTokenizer")
    if kind != "EsmTokenizer":
        raise ScmambaError(
            f"{path.parent / 'tokenizer_config.json'} says tokenizer_class={kind!r}; with "
            "vocab.txt, allowed: EsmTokenizer (k-mers that do not overlap)"
        )
    lines = read_text(path).split("\n")
    tokens = tuple(line.strip() for line in lines if line.strip())
    defaults = {"cls_token": "<cls>", "pad_token": "<pad>", "mask_token": "<mask>"}
    given = {"unk_token": "<unk>", **defaults, **settings.content}
    specials = _specials(Fields(given, settings.source), tokens)
    # eos_token is null in the published files, so only <cls> is put around a sequence
    last = {"sep_token": settings.content.get("eos_token", "")}
    end = _specials(Fields(last, settings.source), tokens)
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


def _characters(folder: Path, settings: Fields, kind: str) -> TokenLayout:
    """Return the layout of ``CaduceusTokenizer`` or Mamba2-mRNA's ``CharTokenizer``."""
    usual = ("A", "C", "G", "T" if kind == "CaduceusTokenizer" else "U", "N")
    characters = tuple(settings.strings("characters", usual))
    size = _config(folder).integer("vocab_size", 7 + len(characters), low=1, high=MOST_IDS)
    layout = layouts.caduceus(
        characters,
        size=max(size, 7 + len(characters)),
        alphabet="RNA" if "U" in characters else "DNA",
        max_length=_limit(settings),
        padding_side=settings.string("padding_side", "left", choices=("left", "right")),
    )
    added = settings.nested("added_tokens_decoder", {})
    said = {i: _text(added, i) for i in added.content}
    known = {str(i): token for i, token in enumerate(layout.tokens)}
    odd = {i: token for i, token in said.items() if known.get(i) != token}
    if odd:
        raise ScmambaError(
            f"{folder / 'tokenizer_config.json'} says {odd}, which are not the ids of {kind}: "
            f"{dict(enumerate(layout.tokens[:7]))}; use the file that came with the weights"
        )
    return layout


def _by_complement(folder: Path) -> TokenLayout:
    """Return the known layout that matches ``complement_map``, where no tokenizer file exists."""
    config = _config(folder)
    given = config.nested("complement_map", {})
    ids = [str(i) for i in range(len(given.content))]
    if ids and set(ids) == set(given.content):
        pairs = tuple(given.integer(i, low=0, high=MOST_IDS) for i in ids)
        for make in (layouts.caduceus, layouts.plantcad):
            tokens = make().tokens
            if len(pairs) >= len([t for t in tokens if t]):
                layout = make(size=max(len(pairs), len(tokens)))
                if complements(layout.tokens)[: len(pairs)] == pairs:
                    return layout
    raise ScmambaError(
        f"{folder} holds no tokenizer file ({', '.join(FILES[:3])}), and complement_map in "
        "config.json is missing or matches no known vocabulary; copy the tokenizer files to the "
        "folder of the weights"
    )


def _shared(settings: Fields) -> dict[str, Any]:
    side = settings.string("padding_side", "right", choices=("left", "right"))
    return {"max_length": _limit(settings), "padding_side": side}


def _limit(settings: Fields) -> int | None:
    limit = settings.number("model_max_length", 0)
    return int(limit) if 1 <= limit < _NO_LIMIT else None


def _specials(settings: Fields, tokens: tuple[str, ...]) -> dict[str, int]:
    """Ids by role of the special tokens in the settings that the vocabulary holds."""
    named = {role: _text(settings, f"{role}_token") for role in ROLES}
    return {role: tokens.index(name) for role, name in named.items() if name and name in tokens}


def _text(settings: Fields, name: str) -> str:
    """Return a token given as text or as ``{"content": ...}``; empty where there is none."""
    if isinstance(settings.content.get(name), dict):
        return settings.nested(name).string("content", "")
    return settings.string(name, "")


def _vocab(content: Fields) -> dict[str, int]:
    model = content.nested("model")
    if isinstance(model.content.get("vocab"), list):  # Unigram: [token, score]
        entries = model.values("vocab")
        if any(not isinstance(e, list) or not e or type(e[0]) is not str for e in entries):
            model.refuse("vocab", "a list of [token, score]")
        return {entry[0]: i for i, entry in enumerate(entries)}
    vocab = model.nested("vocab")
    return {token: vocab.integer(token, low=0, high=MOST_IDS - 1) for token in vocab.content}


def _added(content: Fields) -> dict[str, int]:
    added = [
        Fields.of(x, f"{content.source}: added_tokens") for x in content.values("added_tokens", ())
    ]
    return {x.string("content"): x.integer("id", low=0, high=MOST_IDS - 1) for x in added}


def _by_id(vocab: dict[str, int], path: Path) -> tuple[str, ...]:
    """Tokens in the order of their ids; empty for ids without a token."""
    if not vocab:
        raise ScmambaError(f"{path} holds no vocabulary; fetch the file again")
    tokens = [""] * (max(vocab.values()) + 1)
    for token, i in vocab.items():
        tokens[i] = token
    return tuple(tokens)


def _config(folder: Path) -> Fields:
    path = folder / "config.json"
    return Fields(read_json(path) if path.is_file() else {}, path)
