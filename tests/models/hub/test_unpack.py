"""Archives are unpacked within their folder or not at all."""

import gzip
import io
import os
import tarfile
import zipfile

import pytest

from scmamba._errors import ScmambaError
from scmamba.models.hub.unpack import is_archive, unpack

CONTENT = {"model/args.json": b"{}", "model/deep/weights.pt": b"\0" * 5000}


def tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz", "a.tar", "A.ZIP"])
def test_unpacks(tmp_path, name):
    path = tmp_path / name
    assert is_archive(path)
    zipped(path, CONTENT) if "zip" in name.lower() else tar(path, CONTENT)
    folder = out(tmp_path)
    unpack(path, folder)
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    assert found == CONTENT


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:/evil"]
)
@pytest.mark.parametrize("make", [tar, zipped])
def test_paths_that_lead_out(tmp_path, name, make):
    path = make(tmp_path / ("a.zip" if make is zipped else "a.tar.gz"), {name: b"x"})
    with pytest.raises(ScmambaError, match="leads out of the folder"):
        unpack(path, out(tmp_path))
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar(tmp_path, kind):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ScmambaError, match="'link', a link or device"):
        unpack(path, out(tmp_path))
    assert list((tmp_path / "out").iterdir()) == []


def test_links_in_zip(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(ScmambaError, match="'link', a link or device"):
        unpack(path, out(tmp_path))


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_bomb(tmp_path, make):
    path = make(tmp_path / ("a.zip" if make is zipped else "a.tar.gz"), {"big": b"\0" * 2**22})
    with pytest.raises(ScmambaError, match="more than 1000 bytes"):
        unpack(path, out(tmp_path), most_bytes=1000)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_truncated_archive(tmp_path, name):
    path = tmp_path / name
    zipped(path, CONTENT) if name == "a.zip" else tar(path, CONTENT)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ScmambaError, match="cannot unpack"):
        unpack(path, out(tmp_path))


def test_a_file_twice(tmp_path):
    with tarfile.open(path := tmp_path / "a.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("same"), io.BytesIO())
    with pytest.raises(ScmambaError, match="twice"):
        unpack(path, out(tmp_path))


def header(name: str, kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_that_claim_gigabytes(tmp_path, kind):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(header("a", kind, 2_500_000_000) + bytes(10_000)))
    with pytest.raises(ScmambaError, match="holds a header of 2500000"):
        unpack(path, out(tmp_path))


def test_archives_that_unpack_to_many_times_their_size(tmp_path):
    content = {"a": bytes(40 * 2**20), "b": bytes(40 * 2**20)}
    for path in (zipped(tmp_path / "a.zip", content), tar(tmp_path / "a.tar.gz", content)):
        (folder := tmp_path / f"out of {path.name}").mkdir()
        with pytest.raises(ScmambaError, match="unpacks to more than"):
            unpack(path, folder)


def test_members_without_content_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("scmamba.models.hub.unpack._MOST_FILES", 10)
    path = tmp_path / "a.tar"
    blocks = [header(f"folder{i}", tarfile.DIRTYPE, 0) for i in range(11)]
    path.write_bytes(b"".join(blocks) + bytes(1024))
    with pytest.raises(ScmambaError, match="more than 10 files"):
        unpack(path, out(tmp_path))


def test_a_pipe_is_no_archive(tmp_path):
    os.mkfifo(tmp_path / "a.tar")
    with pytest.raises(ScmambaError, match="regular file"):
        unpack(tmp_path / "a.tar", out(tmp_path))
