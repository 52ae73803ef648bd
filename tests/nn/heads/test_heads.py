"""Heads against slow versions that follow the published formulas token by token."""

import pytest
import torch

from scmamba.nn.heads import AffineHead, ClassHead, ExpressionHead, MVCHead


def leaky(x):
    return torch.where(x > 0, x, 0.01 * x)


def affine(layer, x):
    return layer.weight @ x + layer.bias


@pytest.mark.parametrize("d_label", [0, 5])
@pytest.mark.parametrize("explicit_zero", [False, True])
def test_expression_head(d_label, explicit_zero):
    head = ExpressionHead(6, d_label=d_label, explicit_zero=explicit_zero)
    hidden = torch.randn(2, 3, 6)
    label = torch.randn(2, 3, d_label) if d_label else None
    value, zero = head(hidden, label)
    assert value.shape == (2, 3)
    assert (zero is not None) == explicit_zero
    for b in range(2):
        for t in range(3):
            x = hidden[b, t] if label is None else torch.cat([hidden[b, t], label[b, t]])
            for branch, got in ((head.value, value), (head.zero, zero)):
                if got is None:
                    continue
                inner = leaky(affine(branch[2], leaky(affine(branch[0], x))))
                wanted = affine(branch[4], inner)[0]
                if branch is head.zero:
                    wanted = 1 / (1 + (-wanted).exp())
                torch.testing.assert_close(got[b, t], wanted)


@pytest.mark.parametrize("d_label", [0, 4])
@pytest.mark.parametrize("explicit_zero", [False, True])
@pytest.mark.parametrize("d_cell", [None, 3])
def test_mvc_head(d_label, explicit_zero, d_cell):
    head = MVCHead(6, d_label=d_label, explicit_zero=explicit_zero, d_cell=d_cell)
    cell, genes = torch.randn(2, d_cell or 6), torch.randn(2, 3, 6)
    cell_label = torch.randn(2, d_label) if d_label else None
    gene_label = torch.randn(2, 3, d_label) if d_label else None
    value, zero = head(cell, genes, cell_label, gene_label)
    for b in range(2):
        c = cell[b] if cell_label is None else torch.cat([cell[b], cell_label[b]])
        for t in range(3):
            g = genes[b, t] if gene_label is None else torch.cat([genes[b, t], gene_label[b, t]])
            query = 1 / (1 + (-affine(head.query, g)).exp())
            torch.testing.assert_close(value[b, t], (head.value.weight @ query) @ c)
            if explicit_zero:
                logit = affine(head.zero, query) @ c
                torch.testing.assert_close(zero[b, t], 1 / (1 + (-logit).exp()))


@pytest.mark.parametrize("d_label", [0, 5])
def test_affine_head(d_label):
    head = AffineHead(6, d_label=d_label)
    hidden, values = torch.randn(2, 3, 6), torch.randn(2, 3)
    label = torch.randn(2, 3, d_label) if d_label else None
    got = head(hidden, values, label)
    for b in range(2):
        for t in range(3):
            x = hidden[b, t] if label is None else torch.cat([hidden[b, t], label[b, t]])
            coefficient, bias = (
                affine(branch[4], leaky(affine(branch[2], leaky(affine(branch[0], x)))))[0]
                for branch in (head.coefficient, head.bias)
            )
            torch.testing.assert_close(got[b, t], coefficient * values[b, t] + bias)


@pytest.mark.parametrize("n_layer", [1, 3])
def test_class_head(n_layer):
    head = ClassHead(6, 4, n_layer=n_layer)
    cell = torch.randn(5, 6)
    x = cell
    for i in range(n_layer - 1):
        linear, norm = head.hidden[3 * i], head.hidden[3 * i + 2]
        x = (x @ linear.weight.T + linear.bias).clamp(min=0)
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + norm.eps).sqrt()
    torch.testing.assert_close(head(cell), x @ head.out.weight.T + head.out.bias)
