"""One fit of an integrator: genes chosen, model trained or taken as it is, cells embedded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.learn.axes import fit_axes
from scmamba.learn.reference import Reference
from scmamba.learn.training import IntegrationObjectives, IntegrationTraining
from scmamba.models import CellModel
from scmamba.models.checkpoint.weights import BACKBONE, fill
from scmamba.pp.expression import Expression
from scmamba.pp.normalize import log_normalize
from scmamba.stream.data import CellData
from scmamba.tasks._forward import cell_data
from scmamba.tasks._gene_vectors import start_vectors
from scmamba.tasks._integration.batch_effects import batches_compare
from scmamba.tasks._integration.correcting import Corrected, correct, correct_with_components
from scmamba.tasks._integration.criteria import mixing
from scmamba.tasks._integration.integrator import Integrator, Likelihood
from scmamba.tasks._integration.learning import Learned, NetworkTask, finetune, learn
from scmamba.tasks._integration.network import Cells, heads
from scmamba.tasks._integration.placing import zero_shot
from scmamba.tasks._integration.reading import panel_tokens
from scmamba.tasks._labels import Labels
from scmamba.tasks._panel import Panel, aligned, choose_panel
from scmamba.tasks._pretrained import model_genes
from scmamba.tokens.cells.genes import resolve
from scmamba.tokens.cells.vocab import Vocab

_VARIES = 20  # cells of a batch in which it can be seen which genes vary


@dataclass(frozen=True)
class FitTask:
    """One fit of an integrator.

    Attributes
    ----------
    found
        Expression of n cells.
    names
        (n,) batch of each cell.
    labels
        Cell types of some cells, or None.
    n_top_genes
        Variable genes to train on and decode; None: all.
    training, objectives
        How the network is trained; without None but for ``n_layer``.
    seed
        Of all that is random.
    """

    found: Expression
    names: npt.NDArray[np.object_]
    labels: Labels | None
    n_top_genes: int | None
    training: IntegrationTraining
    objectives: IntegrationObjectives
    seed: int

    @property
    def batches(self) -> tuple[str, ...]:
        """Names of the batches, sorted."""
        return tuple(sorted(set(self.names.tolist())))

    @property
    def batch_ids(self) -> npt.NDArray[np.int64]:
        """(n_cells,) position of each cell's batch among them."""
        return np.searchsorted(np.array(self.batches), self.names.astype(str)).astype(np.int64)

    @property
    def likelihood(self) -> Likelihood:
        """What is decoded."""
        if self.found.unit.is_counts:
            return "counts" if self.objectives.nb else "nothing"
        return "bins" if self.objectives.mvc else "nothing"

    def check_decodes(self) -> None:
        """Raise ScmambaError unless the model will decode expression."""
        if self.likelihood == "nothing":
            off = "nb" if self.found.unit.is_counts else "mvc"
            raise ScmambaError(
                f"correct= needs a decoder, and {off}=0 leaves it out; give a number above 0: "
                f"objectives=IntegrationObjectives({off}=...)"
            )

    def fit(self, net: CellModel | None, mode: str) -> Integrator:
        """Integrate with a compact model of these cells, or a pretrained one.

        Parameters
        ----------
        net
            The pretrained model, or None.
        mode
            ``"scratch"``, ``"initialize"`` (a compact model starts from its gene vectors),
            ``"finetune"`` or ``"zero-shot"``.
        """
        if net is None or mode == "initialize":
            made = self._compact(net)
        else:
            made = self._fine_tuned(net) if mode == "finetune" else self._zero_shot(net)
        about = {**made.about, "mode": mode}
        if net is not None:
            about |= {"model": net.name or "compact", "model_sha256": net.sha256}
        return replace(made, about=about)

    def _compact(self, start: CellModel | None) -> Integrator:
        panel = self._panel()
        match = panel.match(self.found)
        vocab = Vocab(panel.names)
        binned = not self.found.unit.is_counts
        data = panel_tokens(panel, vocab, self.found, match, binned=binned)
        counts = panel.linear(self.found, match) if self.likelihood == "counts" else None
        cells = self._cells(data, counts, panel)
        task = self._task(cells)
        if start is not None:
            values, width = panel.values(self.found, match), self.training.width
            axes = fit_axes(values, width, self.seed)
            task = replace(task, vectors=start_vectors(axes, width, start, panel.names, values))
        return self._fitted(learn(task), cells, panel, reads_panel=True)

    def _fine_tuned(self, net: CellModel) -> Integrator:
        if net.config.n_input_norms:
            raise ScmambaError(
                f"this model norms the tokens of each of its {net.config.n_input_norms} batches by "
                "themselves, so that it is tied to them; fine-tune a model without a domain norm, "
                "or take this one as it is, without training="
            )
        panel = self._panel()
        genes = model_genes(net, self.found)
        if self.likelihood != "counts":
            panel = _known(panel, net)
        counts = None
        if self.likelihood == "counts":
            counts = panel.linear(self.found, panel.match(self.found))
        cells = self._cells(cell_data(net, self.found, genes), counts, panel)
        model = _with_heads(net, heads(cells, self.training, self.objectives))
        learned = finetune(model, self._task(cells))
        return self._fitted(learned, cells, panel, reads_panel=False)

    def _zero_shot(self, net: CellModel) -> Integrator:
        genes = model_genes(net, self.found)
        data = cell_data(net, self.found, genes, batch_ids=self.batch_ids)
        if net.config.n_input_norms and net.config.n_input_norms < len(self.batches):
            raise ScmambaError(
                f"this model norms each of its {net.config.n_batches} batches by itself, and there "
                f"are {len(self.batches)}; take a model without a domain norm"
            )
        embedding = zero_shot(net, data)
        labels = None if self.labels is None else self.labels.codes
        return Integrator(
            model=net,
            panel=Panel((), np.zeros(0, np.int64)),
            batches=self.batches,
            classes=() if self.labels is None else self.labels.classes,
            reference=Reference.of(embedding, self.batch_ids, labels, self.seed),
            likelihood="nothing",
            reads_panel=False,
            about={
                **self._about(net),
                "mixing": mixing(embedding, self.batch_ids),
                "empty": int((data.tokens.lengths == 0).sum()),
            },
        )

    def _panel(self) -> Panel:
        """Genes that vary within batches."""
        found = self.found
        genes = sorted({name for name in found.var_names.tolist() if name})  # in any order given
        values = aligned(found, resolve(found.var_names.tolist(), genes), len(genes))
        by_batch = [values[self.batch_ids == i] for i in range(len(self.batches))]
        large = [one for one in by_batch if one.shape[0] >= _VARIES]
        return choose_panel(large or [values], genes, self.n_top_genes)

    def _cells(self, data: CellData, counts: sparse.csr_matrix | None, panel: Panel) -> Cells:
        labels = None if self.labels is None else self.labels.codes
        values = log_normalize(counts) if labels is None and counts is not None else None
        return Cells(
            replace(data, batch_ids=self.batch_ids, labels=labels),
            counts,
            n_batches=len(self.batches),
            n_classes=0 if self.labels is None else len(self.labels.classes),
            values=values,
            genes=data.vocab.index(panel.names) if counts is None else None,
            normed_by_batch=values is None or batches_compare(values, self.batch_ids, self.seed),
        )

    def _task(self, cells: Cells) -> NetworkTask:
        return NetworkTask(cells, self.training, self.objectives, self.seed)

    def _fitted(
        self, learned: Learned, cells: Cells, panel: Panel, *, reads_panel: bool
    ) -> Integrator:
        model, ids = learned.model, self.batch_ids
        corrected = self._corrected(learned.embedding, cells)
        return Integrator(
            model=model,
            panel=panel,
            batches=self.batches,
            classes=() if self.labels is None else self.labels.classes,
            reference=Reference.of(corrected.embedding, ids, cells.data.labels, self.seed),
            likelihood=self.likelihood,
            reads_panel=reads_panel,
            about={
                **self._about(model),
                **learned.time,
                "n_genes": len(panel.chosen),
                "mamba_layers": model.config.encoder.n_layer,
                "weights": asdict(self.objectives),
                "criteria": {
                    stage: {"held_out_fit": float(c.fit.mean()) if len(c.fit) else None}
                    | {"mixing": c.mixing}
                    for stage, c in learned.criteria.items()
                },
                "normed": "by batch" if cells.normed_by_batch else "together",
                "correction": {
                    "components": corrected.embedding.shape[1] - learned.embedding.shape[1],
                    "clusters": corrected.correction.centers.shape[1],
                    "moved": corrected.moved,
                    "mixing": corrected.mixing,
                },
            },
            correction=corrected.correction,
            components=corrected.components,
            history=learned.history,
            bag=learned.bag,
        )

    def _corrected(self, latent: npt.NDArray[np.float32], cells: Cells) -> Corrected:
        """With components where distances in the latent mean expression, and batches still mix."""
        if cells.values is not None:
            joined = correct_with_components(latent, cells.values, self.batch_ids, self.seed)
            if joined is not None:
                return joined
        return correct(latent, self.batch_ids, self.seed)

    def _about(self, model: CellModel) -> dict[str, Any]:
        return {
            "model": model.name or "compact",
            "model_sha256": model.sha256,
            "seed": self.seed,
            "source": self.found.source,
            "unit": str(self.found.unit),
            "n_labeled": 0 if self.labels is None else len(self.labels.rows),
        }


def _known(panel: Panel, net: CellModel) -> Panel:
    """Return the genes of a panel that are in a model's vocabulary under the same name."""
    assert net.vocab is not None
    there = net.vocab.index(panel.names) >= 0
    if not there.any():
        raise ScmambaError(
            "none of the variable genes is in the model's vocabulary under its name; name genes as "
            "the model does, for example gene_key= with symbols"
        )
    return replace(panel, chosen=panel.chosen[there])


def _with_heads(net: CellModel, changes: dict[str, Any]) -> CellModel:
    """Copy a pretrained model, with new heads, which start at random."""
    config = net.config.replace(**changes)
    own = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    filled = fill(lambda: CellModel(config), own, source="the model given", needed=BACKBONE)
    model = filled.model
    model.vocab, model.name, model.sha256 = net.vocab, net.name, net.sha256
    return model.to(next(net.parameters()).device)
