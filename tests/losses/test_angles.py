"""Logits by their factors: what a step on the angle alone leaves as it is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.losses import cosine_logits, cosines


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    features = torch.randn(12, 7, generator=random).double().requires_grad_(True)
    prototypes = torch.randn(5, 7, generator=random).double().requires_grad_(True)
    return features, prototypes, torch.randint(5, (12,), generator=random)


def along(features: Tensor, prototypes: Tensor, loss: Tensor) -> float:
    """The largest part of a gradient along the feature, or the prototype, it is the gradient of."""
    by_feature, by_prototype = torch.autograd.grad(loss, [features, prototypes])
    inner = torch.cat([(by_feature * features).sum(1), (by_prototype * prototypes).sum(1)])
    return float(inner.detach().abs().max())


def test_the_gradient_of_cosine_logits_lengthens_nothing_and_that_of_dot_products_does() -> None:
    features, prototypes, labels = drawn()
    assert along(features, prototypes, F.cross_entropy(cosine_logits(features, prototypes), labels)) < 1e-6
    assert along(features, prototypes, F.cross_entropy(features @ prototypes.T, labels)) > 1e-2


def test_a_logit_is_the_product_of_its_factors() -> None:
    features, prototypes, _ = drawn()
    lengths = features.norm(dim=1)[:, None] * prototypes.norm(dim=1)
    torch.testing.assert_close(lengths * cosines(features, prototypes), features @ prototypes.T, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(cosine_logits(features, prototypes, 0.5), 2 * cosines(features, prototypes))


def test_a_feature_of_zeros_has_a_finite_gradient() -> None:
    features = torch.zeros(1, 3, requires_grad=True)
    F.cross_entropy(cosine_logits(features, torch.eye(3)), torch.tensor([1])).backward()
    assert features.grad is not None
    assert bool(torch.isfinite(features.grad).all())
