"""What this machine and a model are."""

from __future__ import annotations

import pytest
import torch

from scmamba.cli.main import main


def test_machine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCMAMBA_KERNELS", "torch")
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert f"torch {torch.__version__}" in text
    assert "PyTorch, because SCMAMBA_KERNELS=torch" in text
    listed = dict(line.split(maxsplit=1) for line in text.splitlines()[-3:])
    assert "blood" in listed["annotators"] and "caduceus-ph-1k" in listed["sequences"]
    assert listed["backbones"] == "scmamba-mini, sc-mamba2-whole-body"
    assert "selective scan of Mamba-1: PyTorch" in text
    monkeypatch.setenv("SCMAMBA_KERNELS", "auto")
    assert main(["info"]) == 0
    if not torch.cuda.is_available():
        assert "selective scan of Mamba-1: compiled loops" in capsys.readouterr().out


def test_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "sc-mamba2-whole-body"]) == 0
    text = capsys.readouterr().out
    assert "10.5281/zenodo.14404063" in text
    assert "verification" in text


def test_unknown_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "nope"]) == 2
    assert capsys.readouterr().err.startswith("scmamba: 'nope' is neither a folder")
