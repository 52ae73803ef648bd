"""Embeddings against their formulas, written out."""

import numpy as np
import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.nn.embed import (
    COMBINE,
    GeneEmbedding,
    LabelEmbedding,
    PlainValue,
    ValueEmbedding,
)

GENES = 40


def layer_norm(x, norm):
    centered = x - x.mean(-1, keepdim=True)
    scaled = centered / (centered.square().mean(-1, keepdim=True) + norm.eps).sqrt()
    return scaled * norm.weight + norm.bias


def test_value_embedding_is_the_published_formula():
    embed = ValueEmbedding(8).eval()
    values = torch.tensor([[0.0, 3.0, -2.0, 50.0]])
    for b, value in enumerate(values[0]):
        inner = (embed.linear1.weight[:, 0] * value + embed.linear1.bias).clamp(min=0)
        outer = embed.linear2.weight @ inner + embed.linear2.bias
        torch.testing.assert_close(embed(values)[0, b], layer_norm(outer, embed.norm))


def test_values_above_the_clip_count_as_it():
    embed = ValueEmbedding(8, clip=512).eval()
    at_clip, above, below = embed(torch.tensor([512.0, 1e6, 500.0]))
    assert torch.equal(at_clip, above)
    assert not torch.equal(at_clip, below)


def test_value_dropout_acts_in_training_alone():
    embed = ValueEmbedding(64, dropout=0.5)
    values = torch.arange(5.0)
    assert (embed.train()(values) == 0).any()
    assert not (embed.eval()(values) == 0).any()


@pytest.mark.parametrize("norm", [True, False])
def test_gene_embedding_looks_up_and_norms(norm):
    embed = GeneEmbedding(10, 6, norm=norm)
    row = embed.embedding.weight[7]
    torch.testing.assert_close(
        embed(torch.tensor([[7]]))[0, 0], layer_norm(row, embed.norm) if norm else row
    )


def test_label_embedding_looks_up_and_norms():
    embed = LabelEmbedding(3, 6)
    torch.testing.assert_close(embed(torch.tensor([2]))[0], layer_norm(embed.weight[2], embed.norm))


def test_ways_to_combine():
    gene, value = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    assert COMBINE["continuous"](gene, value).tolist() == [2.5, 2.0]
    assert COMBINE["scaled"](gene, value).tolist() == [3.0, -4.0]
    clipped = PlainValue(clip=4.0)(torch.tensor([-1.0, 3.0, 9.0]))
    assert clipped.tolist() == [[-1.0], [3.0], [4.0]]
    assert COMBINE["product"](gene, clipped[1]).tolist() == [6.0, -3.0]


def test_gene_embeddings_start_from_a_matrix():
    net = GeneEmbedding(GENES, 16)
    table = net.embedding.weight
    matrix = 7 * torch.randn(GENES, 5, dtype=torch.float64).numpy()
    net.init(matrix)
    np.testing.assert_allclose(
        table[:, :5].detach(), matrix / np.sqrt((matrix**2).mean()), rtol=1e-5
    )
    assert table[:, 5:].std().item() == pytest.approx(0.1, rel=0.2)
    before = table.detach().clone()
    net.init(matrix[:2], gene_ids=np.array([7, 3]))
    changed = (table != before).any(1).nonzero().ravel().tolist()
    assert changed == [3, 7]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((GENES, 17)), r"shape \(40, 17\); give \(40, d\) with d from 1 to d_model=16"),
        (np.zeros((3, 4)), r"give \(40, d\)"),
        (np.zeros(GENES), r"shape \(40,\)"),
        (np.full((GENES, 4), np.nan), "NaN"),
    ],
)
def test_a_wrong_matrix_changes_nothing(matrix, message):
    net = GeneEmbedding(GENES, 16)
    before = net.embedding.weight.detach().clone()
    with pytest.raises(ScmambaError, match=message):
        net.init(matrix)
    assert torch.equal(net.embedding.weight, before)
