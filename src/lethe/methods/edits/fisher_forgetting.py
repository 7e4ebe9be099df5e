"""Fisher forgetting: noise on every weight, the more the less the retain set cares about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.methods.edits.edit import Edit
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes.importance import mean_squared_gradient
from lethe.scopes.per_example import mean_squared_example_gradient
from lethe.tasks import as_classification

LARGEST, LARGEST_IN_HEAD = 1e3, 1e2
GONE_VARIANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class FisherForgetting(Edit):
    """Fisher forgetting (FF): θ ~ N(θ0, σ²), σ² = α min(1/(F + 1e-8), 1e3), F the Fisher diagonal of the retain set.

    F = Σ_y E[p_y (∂ℓ_y/∂θ)²] over all classes y, weighted by the model's own prediction. The variance is capped at
    1e2 α in the head, averaged over the input dimension of matrices and convolutions, and ten times as large in the
    head and in one-dimensional parameters. The head rows of classes that the retain set no longer has are drawn
    around 0 with variance 1e-4: nothing is left of them.

    Args:
        alpha: α, the amount of noise, to be searched for each model.
        batch_size: examples a batch.
        per_example: square the gradients of single examples, as the formula says; else those of a batch's mean
            loss, weighted by its mean prediction.

    Source: Golatkar et al. 2020, arXiv:1911.04933, in the form of Jia et al. 2023, arXiv:2304.04934.
    """

    alpha: float = 1e-6
    batch_size: int = 64
    per_example: bool = True

    def check(self) -> None:
        """Raise ConfigurationError where the variance would be negative."""
        if not self.alpha >= 0 or self.batch_size < 1:
            raise ConfigurationError(
                f"alpha must not be negative and batch_size must be at least 1, not alpha={self.alpha}, "
                f"batch_size={self.batch_size}"
            )

    def edited(self, problem: Problem, run: Run) -> Mapping[str, Tensor]:
        """Return the noisy weights."""
        fisher = self.fisher(problem, run)
        head = {id(p) for p in problem.task.head(problem.model).parameters()}
        gone = vanished_classes(problem)
        drawn = {}
        for name, parameter in problem.model.named_parameters():
            in_head = id(parameter) in head
            mean = parameter.detach().clone()
            variance = self.variance(fisher[name], in_head)
            if in_head:
                mean[gone] = 0.0
                variance[gone] = GONE_VARIANCE
            noise = torch.randn(mean.shape, generator=run.generator("fisher noise", name))
            drawn[name] = mean + variance.sqrt() * noise.to(mean.device)
        return drawn

    def variance(self, fisher: Tensor, in_head: bool) -> Tensor:
        """Return σ² of one parameter, of its shape."""
        variance = self.alpha * (1 / (fisher + 1e-8)).clamp_max(LARGEST_IN_HEAD if in_head else LARGEST)
        if fisher.dim() > 1:
            variance = variance.mean(1, keepdim=True).expand_as(fisher).clone()
        return 10 * variance if in_head or fisher.dim() == 1 else variance

    def fisher(self, problem: Problem, run: Run) -> dict[str, Tensor]:
        """Return F by parameter name: a gradient pass over the retain set for each class."""
        task = as_classification(problem.task, "Fisher forgetting")
        total: dict[str, Tensor] = {}
        for label in range(task.classes):
            # √p_y ℓ_y with p held fixed has the squared gradient p_y (∂ℓ_y)², and fits the common passes.
            def weighed(model: nn.Module, batch: Batch, label: int = label) -> Tensor:
                log_probs = F.log_softmax(task.outputs(model, batch), dim=-1)
                return -log_probs[:, label] * log_probs[:, label].detach().exp().sqrt()

            def of_batch(model: nn.Module, batch: Batch, label: int = label) -> Tensor:
                log_probs = F.log_softmax(task.outputs(model, batch), dim=-1)[:, label]
                return -log_probs.mean() * log_probs.detach().exp().mean().sqrt()

            if self.per_example:
                part = mean_squared_example_gradient(problem.model, problem.kept, weighed, self.batch_size, run)
            else:
                part = mean_squared_gradient(problem.model, problem.kept, of_batch, self.batch_size, run)
            total = {name: total[name] + value for name, value in part.items()} if total else part
        return total


def vanished_classes(problem: Problem) -> list[int]:
    """Return the classes of the forget set that the retain set does not have."""
    task = as_classification(problem.task, "Fisher forgetting")
    forget, retain = (set(examples.tensor(task.label).tolist()) for examples in (problem.forget, problem.kept))
    return sorted(forget - retain)
