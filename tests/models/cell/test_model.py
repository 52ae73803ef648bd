"""The cell model: outputs as the config asks, and nothing about batch mates, padding or order."""

import numpy as np
import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.models import CellModel, preset

GENES = 40
FULL = {
    "n_classes": 4,
    "n_batches": 3,
    "n_modalities": 2,
    "explicit_zero": True,
    "adversary": True,
    "cell_norm": True,
    "cell_domains": 3,
    "n_latent": 5,
    "n_counts": 7,
}


def model(**changes):
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_state": 8, "headdim": 8, "chunk_size": 4}
    return CellModel(preset("mini", n_genes=GENES, **sizes, **changes)).eval()


def cells(lengths=(9, 5, 1), width=None):
    width = width or max(lengths)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, GENES, (len(lengths), width), generator=generator)
    values = torch.randint(0, 51, ids.shape, generator=generator).float()
    padding = torch.arange(width) >= torch.tensor(lengths)[:, None]
    return ids, values, padding


@pytest.mark.parametrize("pool", ["cls", "mean", "attention"])
@pytest.mark.parametrize("norm", ["batch", "domain", "none"])
@pytest.mark.parametrize("encoding", ["continuous", "scaled", "product"])
def test_every_output_has_its_shape(pool, norm, encoding):
    domains = {"n_domains": 3} if norm == "domain" else {}
    net = model(pool=pool, input_norm=norm, value_encoding=encoding, mlp_ratio=2, **FULL, **domains)
    ids, values, padding = cells()
    modality = (ids > 20).long()
    out = net(ids, values, padding, torch.tensor([0, 2, 1]), modality)
    tokens = ("expression", "expression_zero_prob", "mvc_expression", "mvc_zero_prob")
    assert out.hidden.shape == (3, 9, 16)
    assert out.cell_embedding.shape == out.latent_log_var.shape == (3, 5)
    assert out.count_log_share.shape == (3, 7)
    assert out.count_log_dispersion.shape == (7,)
    assert all(getattr(out, name).shape == (3, 9) for name in tokens)
    assert out.class_logits.shape == (3, 4)
    assert out.batch_logits.shape == (3, 3)
    assert all(t.isfinite().all() for t in vars(out).values() if isinstance(t, torch.Tensor))


def test_absent_heads_give_none_and_heads_can_be_left_out():
    ids, values, padding = cells()
    out = model(mvc=False, expression=False)(ids, values, padding)
    assert out.expression is out.mvc_expression is out.class_logits is out.batch_logits is None
    net = model(n_classes=3)
    part = net(ids, values, padding, heads=("class",))
    whole = net(ids, values, padding)
    assert part.expression is part.mvc_expression is None
    assert torch.equal(part.class_logits, whole.class_logits)
    with pytest.raises(ScmambaError, match="'expression', 'mvc', 'class', 'adversary'"):
        net(ids, values, padding, heads=("cls",))


def test_encode_is_the_hidden_of_forward():
    net, (ids, values, padding) = model(), cells()
    assert torch.equal(net.encode(ids, values, padding), net(ids, values, padding).hidden)


@pytest.mark.parametrize("pool", ["cls", "mean", "attention"])
def test_batch_mates_and_padding_change_nothing(pool):
    net = model(pool=pool, n_classes=4)
    ids, values, padding = cells()
    together = net(ids, values, padding)
    wider = cells((9, 5, 1), 14)
    wider[0][:, :9], wider[1][:, :9] = ids, values
    padded = net(*wider)
    for row, length in enumerate((9, 5, 1)):
        alone = net(ids[row : row + 1, :length], values[row : row + 1, :length])
        for other in (together, padded):
            torch.testing.assert_close(other.hidden[row, :length], alone.hidden[0])
            torch.testing.assert_close(other.class_logits[row], alone.class_logits[0])
            torch.testing.assert_close(other.mvc_expression[row, :length], alone.mvc_expression[0])


def test_every_cell_is_normed_by_its_own_domain():
    net = model(input_norm="domain", n_domains=3)
    for bn in net.input_norm.bns:
        torch.nn.init.normal_(bn.running_mean)
    ids, values, padding = cells((6, 6, 6))
    batch = torch.tensor([2, 0, 2])
    mixed = net.encode(ids, values, padding, batch)
    for row in range(3):
        alone = net.encode(ids[row : row + 1], values[row : row + 1], None, batch[row : row + 1])
        torch.testing.assert_close(mixed[row], alone[0])
    assert not torch.allclose(mixed, net.encode(ids, values, padding, torch.zeros(3).long()))


def test_labels_reach_the_decoders_and_never_the_encoder():
    net, (ids, values, padding) = model(**FULL), cells()
    modality = (ids > 20).long()
    one = net(ids, values, padding, torch.tensor([0, 0, 0]), modality)
    two = net(ids, values, padding, torch.tensor([1, 2, 1]), 1 - modality)
    assert torch.equal(one.hidden, two.hidden)
    assert torch.equal(one.cell_embedding, two.cell_embedding)
    assert not torch.allclose(one.expression, two.expression)
    assert not torch.allclose(one.mvc_expression, two.mvc_expression)


def test_the_cell_side_of_mvc_takes_the_modality_of_cls():
    net, (ids, values, padding) = model(n_modalities=2), cells()
    modality = (torch.arange(9) > 0).long().expand(3, -1)
    out = net(ids, values, padding, modality_ids=modality)
    label = net.modality_embedding(modality)
    genes = net.gene_embedding(ids)
    wanted, _ = net.heads["mvc"](
        out.cell_embedding, genes, net.modality_embedding(torch.zeros(3).long()), label
    )
    torch.testing.assert_close(out.mvc_expression, wanted)


def test_missing_labels_are_asked_for():
    ids, values, padding = cells()
    with pytest.raises(ScmambaError, match="batch_ids is missing: this model has batch labels"):
        model(n_batches=2)(ids, values, padding)
    with pytest.raises(ScmambaError, match="modality_ids is missing"):
        model(n_modalities=2)(ids, values, padding)
    with pytest.raises(ScmambaError, match="batch_ids is missing: this model has a norm per batch"):
        model(input_norm="domain", n_domains=2).encode(ids, values, padding)
    no_labels = model(n_batches=2, batch_labels=False, adversary=True)
    assert no_labels(ids, values, padding).batch_logits.shape == (3, 2)


def test_every_head_and_the_backbone_learn():
    net = model(pool="attention", **FULL).train()
    ids, values, padding = cells((9, 7, 8))
    out = net(ids, values, padding, torch.tensor([0, 2, 1]), (ids > 20).long())
    made = [tensor for tensor in vars(out).values() if isinstance(tensor, torch.Tensor)]
    sum((tensor - 0.3).square().sum() for tensor in made).backward()
    still = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_without_layers_it_is_a_bag_of_tokens():
    net, (ids, values, _) = model(n_layer=0, pool="mean"), cells((9,))
    order = torch.randperm(9)
    torch.testing.assert_close(
        net(ids[:, order], values[:, order]).cell_embedding, net(ids, values).cell_embedding
    )


def test_masked_tokens_are_left_out_of_the_pool_on_request():
    ids, values, padding = cells()
    values[:, 2] = -1.0
    sizes = {"pool": "mean", "n_layer": 0}
    seen = model(pool_masked=False, **sizes)(ids, values, padding).cell_embedding
    without = padding.clone()
    without[:, 2] = True
    wanted = model(**sizes)(ids, values, without).cell_embedding
    torch.testing.assert_close(seen, wanted)
    assert not torch.allclose(model(**sizes)(ids, values, padding).cell_embedding, seen)


def test_the_latent_is_drawn_in_training_and_its_mean_is_the_embedding():
    net, (ids, values, padding) = model(n_latent=5, n_counts=7, dropout=0), cells()
    out, again = (net(ids, values, padding) for _ in range(2))
    assert torch.equal(out.count_log_share, again.count_log_share)
    torch.testing.assert_close(net.decode_counts(out.cell_embedding), out.count_log_share)
    net.train()
    first, second = (net(ids, values, padding) for _ in range(2))
    assert torch.equal(first.cell_embedding, second.cell_embedding)
    assert not torch.equal(first.mvc_expression, second.mvc_expression)
    with pytest.raises(ScmambaError, match="n_counts above 0"):
        model().decode_counts(torch.zeros(1, 16))


def test_each_cell_is_normed_by_its_own_batch_and_decoded_as_of_any():
    net = model(cell_norm=True, cell_domains=2, n_batches=2, n_latent=4, n_counts=6, pool="mean")
    net.cell_norm.bns[1].running_mean += 3
    ids, values, padding = cells()
    own, other = (net(ids, values, padding, torch.tensor([0, 0, b])) for b in (0, 1))
    assert torch.equal(own.cell_embedding[:2], other.cell_embedding[:2])
    assert not torch.allclose(own.cell_embedding[2], other.cell_embedding[2])
    as_of = [net.decode_counts(own.cell_embedding, torch.full((3,), b)) for b in (0, 1)]
    assert not torch.allclose(*as_of)
    with pytest.raises(ScmambaError, match="a cell norm per batch"):
        net(ids, values, padding)


@pytest.mark.parametrize("pool", ["mean", "sum"])
def test_a_bag_read_as_a_whole_is_the_bag_read_token_by_token(pool):
    net = model(**BAG, pool=pool).eval()
    ids, values, padding = cells()
    values[0, 1] = net.config.encoder.mask_value
    assert net.config.is_bag
    whole = net(ids, values, padding, heads=())
    apart = net(ids, values, padding, heads=("expression",))
    assert whole.hidden is None and apart.hidden is not None
    torch.testing.assert_close(whole.cell_embedding, apart.cell_embedding)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", ["mean", "sum"])
def test_a_bag_of_a_matrix_is_the_bag_of_its_tokens(pool, relu):
    """The same function of the same parameters: logits and every gradient."""
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((6, 37)) < 0.4, rng.random((6, 37)) * 3, 0).astype(np.float32)
    head = {"n_classes": 3, "class_layers": 1, "class_input_relu": relu, "cell_norm": "batch"}
    net = model(**BAG, pool=pool, **head).train()
    length = 1 + (matrix > 0).sum(1).max()
    ids = torch.full((6, length), GENES - 1)
    values, padding = torch.full((6, length), -2.0), torch.ones(6, length, dtype=torch.bool)
    for i, row in enumerate(matrix):
        genes = np.flatnonzero(row)
        ids[i, 1 : 1 + len(genes)] = torch.from_numpy(genes)
        values[i, 0], values[i, 1 : 1 + len(genes)] = 0.0, torch.from_numpy(row[genes])
        padding[i, : 1 + len(genes)] = False
    found = []
    for out in (
        net(ids, values, padding, heads={"class"}),
        net.forward_matrix(torch.from_numpy(matrix)),
    ):
        net.zero_grad()
        out.class_logits.square().sum().backward()
        grads = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
        found.append((out, grads))
    (tokens, by_tokens), (whole, by_matrix) = found
    torch.testing.assert_close(whole.cell_embedding, tokens.cell_embedding)
    torch.testing.assert_close(whole.class_logits, tokens.class_logits)
    assert by_tokens.keys() == by_matrix.keys() and len(by_matrix) >= 4
    for name, grad in by_tokens.items():
        torch.testing.assert_close(by_matrix[name], grad, rtol=1e-4, atol=1e-5, msg=name)


def test_a_model_that_needs_tokens_refuses_a_matrix():
    with pytest.raises(ScmambaError, match="no bag of genes"):
        model().forward_matrix(torch.zeros(2, 5), heads=())
    with pytest.raises(ScmambaError, match="heads need hidden"):
        model(**BAG, pool="mean").forward_matrix(torch.zeros(2, 5), heads={"expression"})


BAG = {
    "n_layer": 0,
    "value_encoding": "product",
    "pool_masked": False,
    "gene_norm": False,
    "input_norm": "none",
    "pre_norm": False,
}


@pytest.mark.parametrize("layers", [0, 1], ids=["bag", "layer"])
def test_decoding_some_tokens_is_decoding_all_and_taking_these(layers):
    bag = {"value_encoding": "product", "gene_norm": False, "input_norm": "none", "pool": "mean"}
    net = model(n_layer=layers, explicit_zero=True, final_norm=False, **bag)
    ids, values, padding = cells()
    wanted = (torch.arange(9) % 2 == 1) & ~padding
    every, some = net(ids, values, padding), net(ids, values, padding, decoded=wanted)
    names = ("mvc_expression", "mvc_zero_prob", "expression", "expression_zero_prob")
    for name in names:
        expected, found = getattr(every, name), getattr(some, name)
        torch.testing.assert_close(found[wanted], expected[wanted])
        assert not found[~wanted].any()
    weights = [p for p in net.parameters() if p.requires_grad]
    sums = [sum(getattr(out, n)[wanted].sum() for n in names) for out in (every, some)]
    gradients = [torch.autograd.grad(one, weights, allow_unused=True) for one in sums]
    for expected, found in zip(*gradients, strict=True):
        assert (expected is None) == (found is None)
        if expected is not None:
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
