"""What type checkers know of tasks that return a copy; mypy reads this file, nothing runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from anndata import AnnData

from scmamba.models import CellModel
from scmamba.tasks import Annotator, Integrator, annotate, embed, integrate

if TYPE_CHECKING:

    def annotating(adata: AnnData, path: Path) -> None:
        """A fitted annotator, with the copy where one was asked for."""
        assert_type(annotate(adata, labels_key="label"), Annotator)
        assert_type(annotate(path, labels_key="label", output=path), Annotator)
        assert_type(annotate(adata, labels_key="label", copy=True), tuple[AnnData, Annotator])

    def integrating(adata: AnnData, path: Path) -> None:
        """A fitted integrator, with the copy where one was asked for."""
        assert_type(integrate(adata, "batch"), Integrator)
        assert_type(integrate([path, path], "batch", output=path), Integrator)
        assert_type(integrate(adata, "batch", copy=True), tuple[AnnData, Integrator])

    def embedding(adata: AnnData, model: CellModel, path: Path) -> None:
        """The model, with the copy where one was asked for."""
        assert_type(embed(adata, model), CellModel)
        assert_type(embed(path, model, output=path), CellModel)
        assert_type(embed(adata, model, copy=True), tuple[AnnData, CellModel])
