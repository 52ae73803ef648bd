"""The adversary learns the batch; what feeds it gets the opposite gradient."""

import torch

from scmamba.nn.heads import BatchDiscriminator, GradientReversal


def gradients(head, forward, cell):
    cell = cell.clone().requires_grad_()
    head.zero_grad()
    forward(cell).square().sum().backward()
    return cell.grad, head.out.weight.grad


def test_gradient_is_reversed_for_the_encoder_and_not_for_the_head():
    head = BatchDiscriminator(6, 3, scale=0.3)
    cell = torch.randn(4, 6)
    plain, plain_head = gradients(head, lambda c: head.out(head.hidden(c)), cell)
    turned, turned_head = gradients(head, head, cell)
    torch.testing.assert_close(turned, -0.3 * plain)
    torch.testing.assert_close(turned_head, plain_head)


def test_forward_changes_nothing():
    x = torch.randn(3, 2)
    assert torch.equal(GradientReversal(2.0)(x), x)


def test_discriminator_is_a_class_head_with_leaky_relu():
    head = BatchDiscriminator(2, 2, n_layer=2)
    inner = head.hidden[1](torch.tensor([-1.0]))
    torch.testing.assert_close(inner, torch.tensor([-0.01]))
