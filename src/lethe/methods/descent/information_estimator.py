"""Information estimator (MINE): a small network that learns how much features tell of the group an example is of."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe import losses
from lethe.precision import full_precision

WEIGHTS = ("weight1", "bias1", "weight2", "bias2")
LONGEST = 1.0  # norm of an estimator's gradient


class InformationEstimator(nn.Module):
    """T(z, g) = Linear(d + G → H), ReLU, Linear(H → 1) on features z and the one-hot group g.

    All of it is buffers: weights, momenta and the moving average. Attached to a model it goes where the model's weights
    go, into snapshots as well, and no optimiser of the model finds a parameter of it.

    Args:
        width: d.
        groups: G.
        hidden: H.
        generator: draws the weights.
    """

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor
    log_average: Tensor
    batches: Tensor

    def __init__(self, width: int, groups: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        for layer, (fan_in, fan_out) in enumerate(((width + groups, hidden), (hidden, 1)), start=1):
            # As linear layers are drawn by default.
            for name, shape in ((f"weight{layer}", (fan_out, fan_in)), (f"bias{layer}", (fan_out,))):
                drawn = (2 * torch.rand(shape, generator=generator) - 1) / fan_in**0.5
                self.register_buffer(name, drawn)
                self.register_buffer(f"momentum_of_{name}", torch.zeros(shape))
        self.groups = groups
        self.register_buffer("log_average", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Return T, [B], of features [B, d] and groups [B]."""
        return self._values([self.get_buffer(name) for name in WEIGHTS], features, groups)

    def _values(self, weights: list[Tensor], features: Tensor, groups: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            pairs = torch.cat([full_precision(features), F.one_hot(groups, self.groups).to(features.device)], dim=1)
            hidden = F.relu(F.linear(pairs, weights[0], weights[1]))
            return F.linear(hidden, weights[2], weights[3]).squeeze(1)

    def information(self, features: Tensor, groups: Tensor, others: Tensor, rate: float) -> Tensor:
        """Return Î(z; g), a scalar with a gradient in the features, after the average has taken in the batch.

        Args:
            features: [B, d] z.
            groups: [B] g.
            others: [B] g̃, groups drawn apart from the features.
            rate: how much the batch counts in the moving average.
        """
        return self._information([self.get_buffer(name) for name in WEIGHTS], features, groups, others, rate)

    def _information(
        self, weights: list[Tensor], features: Tensor, groups: Tensor, others: Tensor, rate: float
    ) -> Tensor:
        paired, torn = (self._values(weights, features, which) for which in (groups, others))
        now = losses.log_mean_exp(torn).detach()
        if int(self.batches):
            now = torch.logaddexp(self.log_average + math.log1p(-rate), now + math.log(rate))
        self.log_average.copy_(now)
        self.batches += 1
        return losses.mutual_information(paired, torn, now)

    def learn(
        self, features: Tensor, groups: Tensor, others: Tensor, learning_rate: float, momentum: float, rate: float
    ) -> float:
        """Raise Î by a step of SGD along a gradient no longer than 1, and return Î before it; see `information`."""
        with torch.enable_grad():
            weights = [self.get_buffer(name).clone().requires_grad_(True) for name in WEIGHTS]
            value = self._information(weights, features.detach(), groups, others, rate)
            gradients = torch.autograd.grad(value, weights)
        # Where mean exp T outruns its average the gradient has no bound, and one such step would be the end.
        size = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
        shrink = (LONGEST / size).clamp_max(1.0)
        for name, gradient in zip(WEIGHTS, gradients, strict=True):
            velocity = self.get_buffer(f"momentum_of_{name}")
            velocity.mul_(momentum).add_(gradient * shrink)
            self.get_buffer(name).add_(velocity, alpha=learning_rate)
        return float(value.detach())


class Estimators(nn.Module):
    """The estimators of the unlearned and the original model's features, and the last epoch before which they learnt.

    Args:
        width: number of features.
        groups: number of groups.
        hidden: width of the networks.
        generator: draws the weights.
    """

    epoch: Tensor

    def __init__(self, width: int, groups: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.unlearned = InformationEstimator(width, groups, hidden, generator)
        self.original = InformationEstimator(width, groups, hidden, generator)
        self.register_buffer("epoch", torch.full((), -1))


def torn_groups(groups: Tensor, count: int, how: str, generator: torch.Generator) -> Tensor:
    """Return groups drawn apart from the features, [B]: `uniform` over all, or the batch's own in another order.

    With `uniform` the estimate is exactly mutual information only where groups are equally large.
    """
    if how == "permute":
        return groups[torch.randperm(len(groups), generator=generator).to(groups.device)]
    return torch.randint(count, groups.shape, generator=generator).to(groups.device)
