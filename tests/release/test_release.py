"""What a release needs is there and agrees: versions, workflows, pins, files that ship."""

from __future__ import annotations

import configparser
import fnmatch
import importlib.util
import re
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.release.contents import ROOT, data_files, faults

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.cfg").is_file(), reason="these read the sources, not an installed package"
)


def setup() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def names(path: Path) -> dict[str, str]:
    lines = re.findall(r"^([\w.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in lines}


@pytest.mark.parametrize(
    "path",
    [
        *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
        ROOT / ".pre-commit-config.yaml",
        ROOT / "CITATION.cff",
    ],
    ids=lambda path: path.name,
)
def test_yaml_is_read(path: Path) -> None:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    for job in found.get("jobs", {}).values():
        assert "timeout-minutes" in job
        assert all("uses" in step or "run" in step for step in job["steps"])


def test_the_matrix_has_every_python_of_the_classifiers() -> None:
    said = re.findall(r"Python :: (3\.\d+)\n", (ROOT / "setup.cfg").read_text(encoding="utf-8"))
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == said
    assert f"PYTHONS = {said}".replace("'", '"') in (ROOT / "noxfile.py").read_text()


def test_versions_agree() -> None:
    spec = importlib.util.spec_from_file_location("check", ROOT / ".github" / "check_version.py")
    assert spec is not None and spec.loader is not None
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    assert len(set(check.versions().values())) == 1, check.versions()


def test_oldest_pins_are_the_bounds_of_setup_cfg() -> None:
    found, bounds = setup(), {}
    lists = [found["options"]["install_requires"]]
    lists += [found["options.extras_require"][name] for name in ("sequence", "multiomics")]
    lists += [found["options.extras_require"][name] for name in ("distributed", "hub")]
    for line in "\n".join(lists).splitlines():
        if match := re.match(r"([\w.-]+)(?:\[\w+\])?>=([\d.]+)", line):
            bounds[match[1].lower().replace("_", "-")] = match[2]
    pins = names(ROOT / "constraints-oldest.txt")
    for name, bound in bounds.items():
        there = (pins[name] + ".0.0").split(".")
        assert there[: bound.count(".") + 1] == bound.split("."), (name, pins[name], bound)


def test_every_file_that_is_no_code_ships() -> None:
    patterns = setup()["options.package_data"]["scmamba"].split()
    for name in data_files():
        inside = name.removeprefix("scmamba/")
        assert any(fnmatch.fnmatch(inside, one.removeprefix("**/")) for one in patterns), name


def test_faults_of_an_archive_are_told(tmp_path: Path) -> None:
    archive = tmp_path / "scmamba-0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr("scmamba/py.typed", "")
        wheel.writestr("tests/test_x.py", "")
    found = faults(archive, ["scmamba/py.typed", "scmamba/table.json"])
    assert [one.split(" ", 1)[1] for one in found] == [
        "lacks scmamba/table.json",
        "holds tests/test_x.py",
        "lacks the license",
    ]
    with zipfile.ZipFile(archive, "w") as wheel:
        for name in ("scmamba/py.typed", "scmamba-0.dist-info/licenses/LICENSE"):
            wheel.writestr(name, "")
    assert faults(archive, ["scmamba/py.typed"]) == []
