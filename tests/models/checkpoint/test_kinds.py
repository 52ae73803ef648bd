"""One table says what a saved folder holds and what reads it."""

import pkgutil
from pathlib import Path

import pytest

from scmamba import models
from scmamba._errors import ScmambaError
from scmamba.learn.artifact import Artifact
from scmamba.models.checkpoint.kinds import KINDS, told_kind
from scmamba.tasks._checks import check_folder

open_other = Artifact("other").reading


@pytest.fixture(params=KINDS)
def folder(request, tmp_path: Path) -> Path:
    (tmp_path / request.param).write_text("{}")
    return tmp_path


def test_every_reader_is_there() -> None:
    for _, function in KINDS.values():
        assert callable(pkgutil.resolve_name(function))


def test_all_who_meet_the_folder_say_the_same(folder) -> None:
    told = told_kind(folder)
    assert told is not None and str(folder) in told
    for read in (models.load, check_folder, lambda path: open_other(path).__enter__()):
        with pytest.raises(ScmambaError) as error:
            read(folder)
        assert told in str(error.value)


def test_the_one_who_reads_it_takes_it(folder) -> None:
    own = next(folder.iterdir()).name
    check_folder(folder, own)
    assert told_kind(folder, but=(own,)) is None
    assert told_kind(folder / "missing") is None
