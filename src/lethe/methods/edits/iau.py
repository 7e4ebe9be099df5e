"""IAU: one first-order step that stands for the influence of what is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from lethe.errors import ConfigurationError
from lethe.methods.edits.edit import Edit
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes.importance import mean_gradient
from lethe.state_arithmetic import moved, weights
from lethe.tasks import Classification, Regression, Task

ADAM_EPSILON = 1e-8


@dataclass(frozen=True, kw_only=True)
class IAU(Edit):
    """Influence approximation unlearning (IAU): one step θ = θ0 + η d, d = ∇L(θ0; D_f) - κ ∇L(θ0; D_r).

    To delete an example is to first order to add one with the opposite gradient, and an added example is learned by a
    gradient step: that is ∇L(θ0; D_f), up the forget loss. The retain gradient corrects for an original that is no
    optimum. Both are means over the whole set, in eval mode, so that batch norms keep their statistics. For the third
    part of the method, the original is trained with the step `gradient_restriction`. Nothing is certified.

    Args:
        learning_rate: η. With `adam` each weight moves by about η, so η is what decides how much is forgotten.
        optimizer: `adam` takes the first step of Adam, η d / (|d| + 1e-8), as the release does; `sgd` the formula.
        correction: κ, weight of the retain gradient; 0 reads no retain example.
        batch_size: examples a batch of the two gradient sums; no part of the result.

    Source: Liu et al. 2025, Efficient Machine Unlearning via Influence Approximation, arXiv:2507.23257; means, Adam
        and defaults: the authors' release.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, Regression)

    learning_rate: float = 1e-3
    optimizer: Literal["adam", "sgd"] = "adam"
    correction: float = 1.0
    batch_size: int = 256

    def requirements(self) -> frozenset[str]:
        """The retain set, unless nothing is corrected by it."""
        return frozenset({"retain"}) if self.correction else frozenset()

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        if not (self.learning_rate > 0 and self.correction >= 0 and self.batch_size >= 1):
            raise ConfigurationError(
                "learning_rate must be positive, correction not negative and batch_size at least 1, not "
                f"learning_rate={self.learning_rate}, correction={self.correction}, batch_size={self.batch_size}"
            )

    def edited(self, problem: Problem, run: Run) -> Mapping[str, Tensor]:
        """Return θ0 + η d, or the step that Adam makes of d."""
        found = self.direction(problem, run)
        if self.optimizer == "adam":
            found = {name: value / (value.abs() + ADAM_EPSILON) for name, value in found.items()}
        return moved(weights(problem.model), found, self.learning_rate)

    def direction(self, problem: Problem, run: Run) -> dict[str, Tensor]:
        """Return d by parameter name."""
        forget = mean_gradient(problem.model, problem.forget, problem.task.losses, self.batch_size, run)
        if not self.correction:
            return forget
        retain = mean_gradient(problem.model, problem.kept, problem.task.losses, self.batch_size, run)
        return {name: forget[name] - self.correction * retain[name] for name in forget}
