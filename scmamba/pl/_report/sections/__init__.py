"""Sections of a report, in order: each decides whether it applies, and adds one line here."""

from __future__ import annotations

from collections.abc import Callable

from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section
from scmamba.pl._report.sections.annotation import composition, predictions, truth, validation
from scmamba.pl._report.sections.attention import attention
from scmamba.pl._report.sections.genes import genes
from scmamba.pl._report.sections.integration import integration
from scmamba.pl._report.sections.knockout import knockout
from scmamba.pl._report.sections.multiomics import multiomics
from scmamba.pl._report.sections.network import network
from scmamba.pl._report.sections.overview import component_scores, overview, size
from scmamba.pl._report.sections.perturbation import perturbation
from scmamba.pl._report.sections.training import training
from scmamba.pl._report.sections.umaps import umaps

SECTIONS: tuple[Callable[[Findings], Section | None], ...] = (
    size,
    attention,
    umaps,
    integration,
    multiomics,
    predictions,
    composition,
    truth,
    genes,
    perturbation,
    knockout,
    network,
    validation,
    component_scores,
    training,
    overview,
)
