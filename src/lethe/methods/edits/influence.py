"""Influence unlearning: one Newton step towards the weights that training without the forget set would have found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.methods.edits.edit import Edit
from lethe.methods.edits.inverse_hessian import released_recursion, woodbury
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes.importance import all_trainable, summed_gradient


@dataclass(frozen=True, kw_only=True)
class InfluenceUnlearning(Edit):
    """Influence unlearning (IU): θ = θ0 + α H⁻¹ v, v = (1/N) Σ_f ∇ℓ - |D_f|/(N |D_r|) Σ_r ∇ℓ, N = |D_f| + |D_r|.

    The step climbs the forget loss. H = I + (1/M) Σ g gᵀ over single examples of the retain set, in eval mode.

    Args:
        alpha: α, the length of the step, to be searched for each model.
        mode: `exact` inverts H over the sampled examples; `released` is the recursion of the release, which carries
            one vector along and departs from the inverse when gradients are large (see `inverse_hessian`).
        samples: retain examples H is made of, drawn from the run's seed; `exact` holds a gradient of each in memory.
        damping: M; 300000 stands for a whole pass over ImageNet.
        batch_size: examples a batch of the two gradient sums; no part of the result.

    Source: Jia et al. 2023, arXiv:2304.04934 (the IU baseline); Singh and Alistarh 2020, arXiv:2004.14340.
    """

    alpha: float = 1.0
    mode: Literal["exact", "released"] = "exact"
    samples: int = 1000
    damping: float = 1000.0
    batch_size: int = 256

    def check(self) -> None:
        """Raise ConfigurationError where H would have no examples or no damping."""
        if self.samples < 1 or self.batch_size < 1 or not self.damping > 0:
            raise ConfigurationError(
                f"influence needs samples ≥ 1, batch_size ≥ 1 and damping > 0, not samples={self.samples}, "
                f"batch_size={self.batch_size}, damping={self.damping}"
            )

    def edited(self, problem: Problem, run: Run) -> Mapping[str, Tensor]:
        """Return θ0 + α H⁻¹ v."""
        direction = self.direction(problem, run)
        sample = problem.kept.sample(self.samples, run.generator("influence sample"))
        gradients = example_gradients(problem, sample, run)
        if self.mode == "exact":
            step = woodbury(torch.stack(list(gradients)), direction, self.damping)
        else:
            step = released_recursion(gradients, direction, self.damping)
        origin = nn.utils.parameters_to_vector(problem.model.parameters()).detach()
        return _named(problem.model, origin + self.alpha * step)

    def direction(self, problem: Problem, run: Run) -> Tensor:
        """Return v, [d]."""

        def loss(model: nn.Module, batch: Batch) -> Tensor:
            return problem.task.losses(model, batch).sum()

        forgotten, kept = len(problem.forget), len(problem.kept)
        forget = summed_gradient(problem.model, problem.forget, loss, self.batch_size, run)
        retain = summed_gradient(problem.model, problem.kept, loss, self.batch_size, run)
        return torch.cat([(forget[n] - forgotten / kept * retain[n]).flatten() for n in forget]) / (forgotten + kept)


def example_gradients(problem: Problem, examples: Examples, run: Run) -> Iterator[Tensor]:
    """Yield the loss gradient of each example over all parameters in order, [d] float32, in eval mode."""
    parameters = list(problem.model.parameters())
    with run.progress.bar("single-example gradients", len(examples)) as bar:
        for batch in examples.batches(1):
            run.interrupt_point()
            with all_trainable(problem.model):
                loss = problem.task.losses(problem.model, batch.to(run.device)).sum()
                gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
            run.cost.examples += 1
            bar.advance(1)
            yield torch.cat([gradient.flatten().float() for gradient in gradients])


def _named(model: nn.Module, vector: Tensor) -> dict[str, Tensor]:
    parts = vector.split([p.numel() for p in model.parameters()])
    return {n: part.view_as(p) for (n, p), part in zip(model.named_parameters(), parts, strict=True)}
