"""Atomic writing of files and folders, by one process at a time."""

from scmamba._files.atomic import (
    atomic,
    atomic_folder,
    replaced,
    temporary_folder,
    write_json,
)
from scmamba._files.errors import writing
from scmamba._files.exchange import can_recover, put_in_place, recover, remove
from scmamba._files.hashes import git_sha1, sha256
from scmamba._files.locks import locked
from scmamba._files.targets import resolved, writable, writable_folder

__all__ = [
    "atomic",
    "atomic_folder",
    "can_recover",
    "git_sha1",
    "locked",
    "put_in_place",
    "recover",
    "remove",
    "replaced",
    "resolved",
    "sha256",
    "temporary_folder",
    "writable",
    "writable_folder",
    "write_json",
    "writing",
]
