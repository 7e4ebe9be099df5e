"""NearbyQueries: whether an input next to a forgotten one still gets the answer that the original gave."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import Score
from lethe.auditing.pairing import of_each
from lethe.auditing.prompting.nearby import Search, nearby
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.measuring import EVALUATION_BATCH, evaluation
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, as_classification, device_of


@dataclass(frozen=True, kw_only=True)
class NearbyQueries(Attack):
    """Unlearning mapping attack: share of forget inputs x with a query within ε that gets the original's label.

    δ* = argmin_{‖δ‖_∞ ≤ ε} CE(f_u(x + δ), argmax f_o(x)), searched by projected gradient descent; `before` is the
    share at ε = 0. Any classifier can be driven to any label by a large enough δ: only what exceeds gold under the same
    search is residual knowledge. `random` in the details is the share under noise as large, which should be `before`;
    `holdout` the share on unseen inputs to which the original gives a label of the forget set, where there are any.

    Args:
        epsilon: largest change ε of an input value, as a share of the range of the inputs.
        examples: most forget inputs that are attacked, drawn at random, alike for all models.
        steps: gradient steps T for each radius.
        step_share: step size as a share of ε.
        restarts: random starts beside the best query so far.
        radii: smaller radii of the curve, as shares of ε.

    Source: Xuan & Li 2025, arXiv:2504.14798, with about 100 steps.
    """

    epsilon: float = 8 / 255
    examples: int = 200
    steps: int = 20
    step_share: float = 0.25
    restarts: int = 1
    radii: tuple[float, ...] = (0.125, 0.25, 0.5)

    title: ClassVar[str] = "Nearby queries"
    unit: ClassVar[str] = "%"

    def __post_init__(self) -> None:
        if self.epsilon < 0 or self.examples < 1 or not all(0 < share < 1 for share in self.radii):
            raise ConfigurationError("epsilon must not be negative, examples at least 1, and radii between 0 and 1")

    def resolution(self, problem: Problem) -> float:
        """Return one example."""
        return 1 / min(self.examples, len(problem.forget))

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the share within ε, with the curve over smaller radii."""
        start = time.perf_counter()
        task = as_classification(problem.task, self.title)
        attacked, original = _placed(model, run), _placed(problem.model, run)
        forget = problem.forget.sample(self.examples, run.generator("attacked"))
        inputs = _pixels(task, forget, run)
        search = self._search(inputs)
        labels = _labels(original, task, inputs)
        radii = [0.0, *(share * self.epsilon for share in sorted(self.radii)), self.epsilon]
        restored = self._restored(attacked, task, inputs, labels, search, radii, run)
        curve = restored.mean(1).tolist()
        noise = (2 * torch.rand(inputs.shape, generator=run.generator("noise")) - 1).sign().to(inputs)
        size = self.epsilon * (search.highest - search.lowest)
        noisy = (inputs + size * noise).clamp(search.lowest, search.highest)
        return Score(
            curve[-1],
            {
                "measure": "agreement with the original",
                "before": curve[0],
                "curve": [[radius, share] for radius, share in zip(radii, curve, strict=True)],
                "looked_at": len(inputs),
                **of_each(restored[0].tolist(), restored[-1].tolist()),
                "random": float((_labels(attacked, task, noisy) == labels).float().mean()),
                **self._holdout(attacked, original, task, problem, labels, search, run),
                "cost": {
                    "queries": len(inputs) * len(radii) * (self.restarts + 1) * (self.steps + 1),
                    "seconds": time.perf_counter() - start,
                },
            },
        )

    def _search(self, inputs: Tensor) -> Search:
        # Images fill pixel space whether or not a pixel of the sample reaches its ends.
        lowest, highest = min(0.0, float(inputs.min())), max(1.0, float(inputs.max()))
        return Search(self.steps, self.step_share, self.restarts, lowest, highest)

    def _restored(
        self,
        model: nn.Module,
        task: Classification,
        inputs: Tensor,
        labels: Tensor,
        search: Search,
        radii: list[float],
        run: Run,
    ) -> Tensor:
        """Return for each radius and input whether a query gets the label, [R, N] float64."""
        parts: list[Tensor] = []
        size, draws = search.highest - search.lowest, run.generator("starts")
        with evaluation(model), run.progress.bar("searching nearby queries", len(inputs)) as bar:
            for some, wanted in zip(inputs.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH), strict=True):
                run.interrupt_point()

                def judged(queries: Tensor, wanted: Tensor = wanted) -> tuple[Tensor, Tensor]:
                    logits = task.logits(model, task.normalise(queries))
                    return F.cross_entropy(logits, wanted, reduction="none"), logits.argmax(-1) == wanted

                found = nearby(judged, some, [radius * size for radius in radii], search, draws)
                parts.append(torch.stack([one.restored.double().cpu() for one in found]))
                bar.advance(len(some))
        return torch.cat(parts, 1)

    def _holdout(
        self,
        model: nn.Module,
        original: nn.Module,
        task: Classification,
        problem: Problem,
        labels: Tensor,
        search: Search,
        run: Run,
    ) -> dict[str, float]:
        """Return the share on unseen inputs of the same labels; nothing where there are none."""
        if problem.holdout is None:
            return {}
        inputs = _pixels(task, problem.holdout.sample(self.examples, run.generator("attacked", "holdout")), run)
        given = _labels(original, task, inputs)
        alike = torch.isin(given, labels)
        if not bool(alike.any()):
            return {}
        restored = self._restored(model, task, inputs[alike], given[alike], search, [self.epsilon], run)
        return {"holdout": float(restored.mean())}


def _placed(model: nn.Module, run: Run) -> nn.Module:
    return model if device_of(model) == run.device else copied(model).to(run.device)


def _pixels(task: Classification, examples: Examples, run: Run) -> Tensor:
    return task.pixels(examples.batch(torch.arange(len(examples)))).to(run.device)


def _labels(model: nn.Module, task: Classification, inputs: Tensor) -> Tensor:
    """Return the label that the model gives each input."""
    with evaluation(model):
        parts = [task.logits(model, task.normalise(some)).argmax(-1) for some in inputs.split(EVALUATION_BATCH)]
    return torch.cat(parts)
