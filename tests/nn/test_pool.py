"""Pools against loops over unpadded tokens; padding and its content change nothing."""

import math

import pytest
import torch

from scmamba.nn.pool import AttentionPool, BagPool, ClsPool, MeanPool, masked_mean

D, HEADS, GENES = 6, 3, 20
POOLS = [ClsPool(), MeanPool(), AttentionPool(D, HEADS, GENES)]


def cells():
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] + [True] * 4])
    return torch.randn(3, 5, D), torch.randint(0, GENES, (3, 5)), padding


def test_mean_pool_counts_real_tokens_alone():
    hidden, genes, padding = cells()
    got = MeanPool()(hidden, genes, padding)
    for b, length in enumerate((5, 3, 1)):
        torch.testing.assert_close(got[b], hidden[b, :length].sum(0) / length)


def test_attention_pool_is_a_softmax_per_head():
    pool = AttentionPool(D, HEADS, GENES)
    torch.nn.init.normal_(pool.bias.weight)
    hidden, genes, padding = cells()
    got = pool(hidden, genes, padding)
    for b, length in enumerate((5, 3, 1)):
        heads = []
        for h in range(HEADS):
            scores = [
                float(pool.query[h] @ hidden[b, t]) / math.sqrt(D)
                + float(pool.bias.weight[genes[b, t], h])
                for t in range(length)
            ]
            total = sum(math.exp(s) for s in scores)
            heads.append(sum(math.exp(s) / total * hidden[b, t] for t, s in enumerate(scores)))
        wanted = pool.project.weight @ torch.cat(heads) + pool.project.bias
        torch.testing.assert_close(got[b], wanted)


def test_gene_biases_start_at_zero():
    assert not AttentionPool(D, HEADS, GENES).bias.weight.any()


@pytest.mark.parametrize("pool", POOLS, ids=lambda p: type(p).__name__)
def test_padding_changes_nothing(pool):
    hidden, genes, padding = cells()
    wanted = pool(hidden, genes, padding)
    hidden = hidden.masked_fill(padding[..., None], 1e30)
    torch.testing.assert_close(pool(hidden, genes, padding), wanted)
    torch.testing.assert_close(pool(hidden[2:, :1], genes[2:, :1], None), wanted[2:])


@pytest.mark.parametrize("pool", POOLS[1:], ids=lambda p: type(p).__name__)
def test_a_cell_of_padding_alone_stays_finite(pool):
    hidden, genes, _ = cells()
    assert pool(hidden, genes, torch.ones(3, 5, dtype=torch.bool)).isfinite().all()


def test_a_bag_is_the_masked_mean_of_products() -> None:
    vectors = torch.randn(9, 4, requires_grad=True)
    ids, values, padding = torch.randint(9, (3, 6)), torch.rand(3, 6), torch.rand(3, 6) < 0.4
    padding[2] = True
    for mask in (padding, None):
        wanted = masked_mean(vectors[ids] * values[..., None], mask)
        found = BagPool("mean").of_tokens(vectors, ids, values, mask)
        torch.testing.assert_close(found, wanted)
        one, other = (torch.autograd.grad(x.square().sum(), vectors)[0] for x in (wanted, found))
        torch.testing.assert_close(one, other)
