"""What each objective looks at, and when it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scmamba._errors import ScmambaError
from scmamba.models import CellOutput
from scmamba.nn.losses import ecs_loss
from scmamba.stream import CellBatches, CellTrainBatch
from scmamba.train import CLS, DAB, ECS, GEP, MVC, check_objectives, class_weights
from scmamba.train.objectives import total


@pytest.fixture
def batch(data) -> CellTrainBatch:
    batches = CellBatches(data, np.arange(12), batch_size=12, shuffle=True, mask_ratio=0.4)
    return next(iter(batches))


def output(batch: CellTrainBatch, **parts: torch.Tensor) -> CellOutput:
    hidden = torch.zeros(*batch.values.shape, 2)
    return CellOutput(hidden, hidden[:, 0], **parts)


@pytest.mark.parametrize(("objective", "name"), [(GEP(), "expression"), (MVC(), "mvc_expression")])
def test_expression_losses_see_masked_genes_alone(batch, objective, name) -> None:
    predicted = torch.randn(batch.values.shape, requires_grad=True)
    loss = objective(output(batch, **{name: predicted}), batch)
    masked = batch.masked
    expected = ((predicted - batch.target)[masked] ** 2).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert predicted.grad is not None
    assert (predicted.grad[masked] != 0).all()
    assert (predicted.grad[~masked] == 0).all()
    assert (predicted.grad[:, 0] == 0).all()  # <cls>
    assert (predicted.grad[batch.padding_mask] == 0).all()


def test_targets_are_the_hidden_values(batch) -> None:
    perfect = output(batch, expression=batch.target)
    fooled = output(batch, expression=batch.values)
    assert GEP()(perfect, batch) == 0
    assert GEP()(fooled, batch) > 1


def test_zero_probability_joins_in(batch) -> None:
    p = torch.full_like(batch.target, 0.25)
    loss = GEP()(output(batch, expression=batch.target, expression_zero_prob=p), batch)
    torch.testing.assert_close(loss, torch.tensor(0.25).log().neg())


def test_nothing_masked_is_no_loss(batch) -> None:
    none = replace(batch, masked=torch.zeros_like(batch.masked))
    assert GEP()(output(none, expression=torch.randn(none.values.shape)), none) == 0


def test_cls_is_cross_entropy(batch) -> None:
    logits = torch.randn(12, 2)
    loss = CLS(1.0, (0.5, 2.0), 0.1)(output(batch, class_logits=logits), batch)
    expected = F.cross_entropy(logits, batch.labels, torch.tensor([0.5, 2.0]), label_smoothing=0.1)
    torch.testing.assert_close(loss, expected)


def test_cls_passes_over_cells_without_a_label(batch) -> None:
    logits = torch.randn(12, 2, requires_grad=True)
    labels = batch.labels.clone()
    labels[::3] = -1
    partly = replace(batch, labels=labels)
    loss = CLS()(output(batch, class_logits=logits), partly)
    known = labels >= 0
    torch.testing.assert_close(loss, F.cross_entropy(logits[known], labels[known]))
    nobody = replace(batch, labels=torch.full_like(labels, -1))
    nothing = CLS()(output(batch, class_logits=logits), nobody)
    nothing.backward()
    assert nothing == 0
    assert not logits.grad.any()


def test_ecs_and_dab_look_at_embedding_and_batches(batch) -> None:
    cell = torch.randn(12, 5)
    assert ECS(1.0, 0.4)(CellOutput(cell, cell), batch) == ecs_loss(cell, 0.4)
    logits, ids = torch.randn(12, 3), torch.arange(12) % 3
    loss = DAB(1.0, (1.0, 2.0, 0.5))(
        output(batch, batch_logits=logits), replace(batch, batch_ids=ids)
    )
    torch.testing.assert_close(loss, F.cross_entropy(logits, ids, torch.tensor([1.0, 2.0, 0.5])))


def test_what_looks_at_the_cell_embedding_needs_no_head() -> None:
    assert check_objectives([ECS()], ()) == [ECS()]


def test_total_is_the_weighted_sum() -> None:
    losses = {"gep": torch.tensor(2.0), "cls": torch.tensor(3.0)}
    assert total(losses, [GEP(0.5), CLS(2.0)]) == 7


def test_weight_zero_is_off_even_without_a_head() -> None:
    assert check_objectives([GEP(0), CLS(1.0)], ("class",)) == [CLS(1.0)]


@pytest.mark.parametrize(
    ("objectives", "message"),
    [([GEP(0), CLS(0)], "every objective's weight is 0"), ([GEP(), MVC(0.1)], "mvc need heads")],
)
def test_what_cannot_be_trained_is_refused(objectives, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        check_objectives(objectives, ("expression", "class"))


def test_class_weights() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    assert class_weights(labels, 2, 0) == (1, 1)
    even = np.array(class_weights(labels, 2, 1))
    assert even[0] * 8 == pytest.approx(even[1] * 2)
    mild = np.array(class_weights(labels, 3, 0.25))
    assert 1 < mild[1] / mild[0] < 4
    assert np.isfinite(mild).all()  # the third class has no cell
    assert mild[labels].mean() == pytest.approx(1)
