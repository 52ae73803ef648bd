"""Vocabulary of a model: genes and special tokens by id."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._files import atomic
from scmamba._read import read_json_value, reading

PAD, CLS, EOC = "<pad>", "<cls>", "<eoc>"
SPECIAL = (PAD, CLS, EOC)


class Vocab:
    """Vocabulary: genes and the special tokens ``<pad>``, ``<cls>`` and ``<eoc>`` by id.

    Parameters
    ----------
    tokens
        Tokens in the order of their ids. Missing special tokens are appended in the order
        ``<pad>``, ``<cls>``, ``<eoc>``.

    Attributes
    ----------
    tokens
        All tokens in the order of their ids.
    pad_id, cls_id, eoc_id
        Ids of the special tokens.

    Raises
    ------
    ScmambaError
        If a token occurs twice or is not a string.

    Examples
    --------
    >>> from scmamba.tokens import Vocab
    >>> vocab = Vocab(["CD3E", "MS4A1"])
    >>> vocab.tokens
    ('CD3E', 'MS4A1', '<pad>', '<cls>', '<eoc>')
    >>> vocab["MS4A1"], vocab.index(["MS4A1", "unknown"]).tolist()
    (1, [1, -1])
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        listed = list(tokens)
        if wrong := [token for token in listed if not isinstance(token, str)]:
            raise ScmambaError(
                f"a vocabulary holds strings; got {wrong[0]!r}: convert it with str()"
            )
        present = set(listed)
        listed += [token for token in SPECIAL if token not in present]
        self.tokens: tuple[str, ...] = tuple(listed)
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self._ids) < len(self.tokens):
            twice = sorted({t for i, t in enumerate(self.tokens) if self._ids[t] != i})
            raise ScmambaError(
                f"a vocabulary holds each token once; {len(twice)} occur more often, for example "
                f"{', '.join(twice[:5])}: remove the duplicates"
            )
        self.pad_id, self.cls_id, self.eoc_id = (self._ids[token] for token in SPECIAL)

    def __len__(self) -> int:
        """Return the number of tokens, special tokens included."""
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        """Whether a token is in the vocabulary."""
        return token in self._ids

    def __iter__(self) -> Iterator[str]:
        """Iterate over the tokens in the order of their ids."""
        return iter(self.tokens)

    def __getitem__(self, token: str) -> int:
        """Return the id of a token."""
        return self._ids[token]

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same tokens with the same ids."""
        return isinstance(other, Vocab) and self.tokens == other.tokens

    def __hash__(self) -> int:
        """Return the hash of the tokens."""
        return hash(self.tokens)

    def __repr__(self) -> str:
        """Return the numbers of tokens and genes as text."""
        return f"Vocab({len(self)} tokens, {len(self.genes)} genes)"

    @property
    def genes(self) -> tuple[str, ...]:
        """Tokens that are genes, in the order of their ids."""
        return tuple(token for token in self.tokens if token not in SPECIAL)

    def index(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """Return the id of each name, -1 where it is not in the vocabulary; shape (n_names,)."""
        ids = self._ids
        return np.fromiter((ids.get(name, -1) for name in names), dtype=np.int64)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Vocab:
        """Read ``{"token": id, ...}`` or ``["token", ...]``; missing special tokens are appended.

        Raises
        ------
        ScmambaError
            If the file is missing, is not JSON, or its ids are not 0, 1, 2, ... each once.
        """
        path = Path(path)
        if not path.exists():
            raise ScmambaError(f"no vocabulary at {path}: the folder of a model holds vocab.json")
        with reading(path):
            return cls(_in_order(read_json_value(path), path))

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write ``{"token": id, ...}`` atomically."""
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(self._ids, ensure_ascii=False), encoding="utf-8")


def _in_order(content: Any, path: Path) -> list[str]:
    """Return the tokens of a vocabulary file in the order of their ids."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        raise ScmambaError(
            f"{path} holds a {type(content).__name__}; a vocabulary is an object "
            '{"token": id} or a list of tokens'
        )
    ids = list(content.values())
    if any(type(i) is not int for i in ids) or sorted(ids) != list(range(len(ids))):
        raise ScmambaError(
            f"{path}: the ids of {len(ids)} tokens must be 0 to {len(ids) - 1}, each once; "
            "number the tokens without gaps"
        )
    return sorted(content, key=content.__getitem__)
