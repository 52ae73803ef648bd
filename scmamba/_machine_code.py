"""Cache of machine code of numba on disk, verified before it runs.

numba trusts its cache files: a damaged file raises an error in every later call or is executed, and
on a full disk the first call fails. Here each file has a checksum, and code that cannot be read or
written is compiled in memory.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

from scmamba._log import logger

_DIGEST = hashlib.sha256().digest_size


class MachineCode(FunctionCache):
    """Cache of a compiled function.

    Parameters
    ----------
    function
        Function to compile.

    Raises
    ------
    RuntimeError
        If no folder can be written.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        plain = self._cache_file
        self._cache_file = _CheckedFiles(
            plain._cache_path, self._impl.filename_base, plain._source_stamp
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the cached code of a signature; None on any error, so that it is compiled."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            logger.debug("machine code of %s cannot be read (%s)", self._name, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store the compiled code of a signature, if it can be written."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            logger.debug("machine code of %s cannot be kept (%s)", self._name, error)


class _CheckedFiles(IndexDataCacheFile):
    """Index and data files of numba, with a checksum before the pickled content."""

    def _dump(self, obj: Any) -> bytes:
        content: bytes = super()._dump(obj)
        return hashlib.sha256(content).digest() + content

    def _load_index(self) -> dict[Any, str]:
        try:
            with open(self._index_path, "rb") as file:
                if pickle.load(file) != self._version:
                    return {}
                stamp, names = _checked(file.read())
        except Exception:  # there is none yet, or it is damaged: the next one replaces it
            return {}
        return names if stamp == self._source_stamp else {}

    def _load_data(self, name: str) -> Any:
        with open(self._data_path(name), "rb") as file:
            return _checked(file.read())


def _checked(content: bytes) -> Any:
    digest, pickled = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(pickled).digest() != digest:
        raise ValueError("its checksum differs")
    return pickle.loads(pickled)
