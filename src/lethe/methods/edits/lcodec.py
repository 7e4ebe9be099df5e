"""L-CODEC: delete one example after another by Newton steps on the few slices that its loss depends on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError, Diverged, LetheWarning
from lethe.examples import concatenate
from lethe.hooks import reading
from lethe.measuring import EVALUATION_BATCH, evaluation
from lethe.methods.edits.edit import Edit
from lethe.methods.edits.line_search import accuracy
from lethe.methods.edits.slice_curvature import Curvature, SliceCurvature
from lethe.methods.edits.snapshots import Snapshot, after_a_step, read_snapshots
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Mask
from lethe.scopes.foci import foci, most_dependent, untied
from lethe.scopes.slices import Slices
from lethe.state_arithmetic import assign_weights, weights
from lethe.tasks import Classification, as_classification

SMOOTHNESS, LIPSCHITZ = 0.25, 1.0


@dataclass(frozen=True, kw_only=True)
class LCodec(Edit):
    """L-CODEC: for each forget example z, w' = w + (H + λI)⁻¹ ∇_w ℓ(z) / (n - 1) on the slices w its loss depends on.

    The input is perturbed P times; of the filters' and neurons' mean activations FOCI finds those that the loss
    depends on, and their rows of weights are w. H = (n H̄ - H_z) / (n - 1), H̄ of the training set and H_z of z, each
    Δg Δgᵀ / ‖Δw‖₁ from two nearby points, so that H is never formed. Where the accuracy on the holdout set falls by
    more than `tolerance`, the example is left in and named in a warning: retrain for it.

    The published noise N(0, σ²), σ = 2 M L² √(2 ln(1.25/δ)) / (n² λ³ ε) with M = 0.25 and L = 1, is for convex losses
    of many examples: σ is 0.006 at n = 50,000 but 9 at n = 1,300, which destroys any network. So it is added only where
    ε is given; published: 0.1.

    Args:
        perturbations: P.
        noise: standard deviation of a perturbation, in units of the normalised input.
        damping: λ.
        update: `sekhari` is the formula above; `cr` is w' = w + (H_z + λI)⁻¹ ∇ℓ(z).
        curvature: `difference` is Δg Δgᵀ / ‖Δw‖₁; `fisher` g gᵀ; `exact` the Hessian itself, for few weights.
        sample_curvature: take H_z out of H; the release computes it as 0, by a slip.
        snapshots: file of the last two epochs' weights and gradients (`save_snapshots`), for H̄. Without it H̄ is taken
            like H_z, before and after a step on the training set that is thrown away.
        training_size: n; 0 counts forget and retain set.
        step_length: learning rate of the thrown-away steps.
        selection: `foci`; `cheap` its first slice alone; or, to compare with, `random` as many as FOCI finds, `one` at
            random, `full` all slices.
        tolerance: most accuracy one deletion may cost; none checks nothing and reads no holdout set.
        epsilon: ε of the noise; none adds none.
        delta: δ of the noise.

    Source: Mehta et al. 2022, Deep Unlearning via Randomized Conditionally Independent Hessians, CVPR, 10422-10431;
        noise: Sekhari et al. 2021, arXiv:2103.03279.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})

    perturbations: int = 1000
    noise: float = 0.1
    damping: float = 0.01
    update: Literal["sekhari", "cr"] = "sekhari"
    curvature: Curvature = "difference"
    sample_curvature: bool = True
    snapshots: str = ""
    training_size: int = 0
    step_length: float = 1e-3
    selection: Literal["foci", "cheap", "random", "one", "full"] = "foci"
    tolerance: float | None = 0.05
    epsilon: float | None = None
    delta: float = 0.01

    def requirements(self) -> frozenset[str]:
        """The retain set unless a file and n stand for it, the holdout set where accuracy is checked."""
        known = self.training_size and (self.update == "cr" or (self.snapshots and self.curvature != "exact"))
        return frozenset(({"holdout"} if self.tolerance is not None else set()) | (set() if known else {"retain"}))

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        positive = {name: getattr(self, name) for name in ("noise", "damping", "step_length")}
        for name, value in positive.items():
            if not value > 0:
                raise ConfigurationError(f"{name} must be positive, not {value}")
        if self.perturbations < 3 or self.training_size < 0 or self.training_size == 1:
            raise ConfigurationError(
                "perturbations must be at least 3 and training_size 0 or at least 2, not "
                f"perturbations={self.perturbations}, training_size={self.training_size}"
            )
        if self.tolerance is not None and not self.tolerance >= 0:
            raise ConfigurationError(f"tolerance must not be negative, not {self.tolerance}; none checks nothing")
        if not 0 < self.delta < 1 or (self.epsilon is not None and not self.epsilon > 0):
            raise ConfigurationError(
                f"epsilon must be positive and delta in (0, 1), not epsilon={self.epsilon}, delta={self.delta}"
            )

    def edited(self, problem: Problem, run: Run) -> Mapping[str, Tensor]:
        """Return the weights after one deletion a forget example, in the order of the set."""
        model = copied(problem.model)
        refused: list[str] = []
        moments = self.moments(problem, run)
        allowed = self.scope.mask(problem, run)
        size = self.training_size or len(problem.forget) + len(problem.kept)
        before = self.accuracy(problem, model, run)
        with run.progress.bar("deleting examples", len(problem.forget)) as bar:
            for row in range(len(problem.forget)):
                run.interrupt_point()
                kept = {name: value.clone() for name, value in weights(model).items()}
                self.delete(problem, model, row, size - row + len(refused), moments, allowed, run)
                after = self.accuracy(problem, model, run)
                if self.tolerance is not None and after < before - self.tolerance:
                    assign_weights(model, kept)
                    refused.append(problem.forget.ids[row])
                else:
                    before = after
                bar.advance(1)
        self.report(refused, len(problem.forget))
        return weights(model)

    def report(self, refused: list[str], count: int) -> None:
        """Warn of examples that were left in; raise Diverged where all of them were."""
        if not refused:
            return
        if len(refused) == count:
            raise Diverged(
                f"each of the {count} deletions cost more than {self.tolerance} of the accuracy and was taken back; "
                "raise damping or epsilon, or leave epsilon out"
            )
        warnings.warn(
            f"{len(refused)} of {count} examples were left in, as deleting them cost more than {self.tolerance} of the "
            f"accuracy; retrain for them: {', '.join(refused[:5])}{' ...' if len(refused) > 5 else ''}",
            LetheWarning,
            stacklevel=2,
        )

    def accuracy(self, problem: Problem, model: nn.Module, run: Run) -> float:
        """Return the holdout accuracy; 1 where it is not asked for."""
        if self.tolerance is None:
            return 1.0
        assert problem.holdout is not None
        return accuracy(model, problem.task, problem.holdout, run)

    def moments(self, problem: Problem, run: Run) -> tuple[Snapshot, Snapshot] | None:
        """Return the two points that H̄ is taken from, where it is."""
        if self.update == "cr" or self.curvature == "exact":
            return None
        if self.snapshots:
            return read_snapshots(self.snapshots, problem.model)
        everything = concatenate(problem.kept, problem.forget)
        return after_a_step(problem.model, problem.task, everything, self.step_length, run)

    def delete(
        self,
        problem: Problem,
        model: nn.Module,
        row: int,
        size: int,
        moments: tuple[Snapshot, Snapshot] | None,
        allowed: Mask,
        run: Run,
    ) -> None:
        """Delete one example of the forget set from the model, in place."""
        example, task = problem.forget.take([row]), problem.task
        mask = Slices.of(model).mask(self.selected(problem, model, row, run)) & allowed
        chosen = SliceCurvature(mask, self.curvature, self.damping)
        if chosen.empty:
            return
        here, there = after_a_step(model, task, example, self.step_length, run)
        gradient = chosen.flat(here.gradient)
        ofsample = chosen.measured(here, there, model, task, example, run)
        if self.update == "cr":
            step = chosen.inverse([(1.0, ofsample)], gradient)
        else:
            if moments is None:
                left = concatenate(problem.kept, problem.forget.take(range(row, len(problem.forget))))
                whole = chosen.measured(here, there, model, task, left, run)
            else:
                whole = chosen.measured(*moments, model, task, example, run)
            terms = [(size / (size - 1), whole), (-1 / (size - 1), ofsample)]
            step = chosen.inverse(terms if self.sample_curvature else terms[:1], gradient) / (size - 1)
        if self.epsilon is not None:
            drawn = torch.randn(len(step), generator=run.generator("deletion noise", row), dtype=torch.float64)
            step = step + noise_scale(size, self.damping, self.epsilon, self.delta) * drawn.to(step.device)
        assign_weights(model, chosen.added(weights(model), step))

    def selected(self, problem: Problem, model: nn.Module, row: int, run: Run) -> list[int]:
        """Return the numbers of the slices to change for one example."""
        count, generator = len(Slices.of(model).names), run.generator("random slices", row)
        if self.selection == "full":
            return list(range(count))
        if self.selection == "one":
            return torch.randperm(count, generator=generator)[:1].tolist()
        activations, losses = self.perturbed(problem, model, row, run)
        jitter = run.generator("ties", row)
        losses, activations = untied(losses, jitter), untied(activations, jitter)
        if self.selection == "cheap":
            return [int(most_dependent(losses, activations).argmax())]
        found = foci(losses, activations)
        return found if self.selection == "foci" else torch.randperm(count, generator=generator)[: len(found)].tolist()

    def perturbed(self, problem: Problem, model: nn.Module, row: int, run: Run) -> tuple[Tensor, Tensor]:
        """Return activations of all slices, [P, slices], and losses, [P], of the perturbed example."""
        task: Classification = as_classification(problem.task, "lcodec")
        slices, generator = Slices.of(model), run.generator("perturbations", row)
        activations, losses = [], []
        with evaluation(model), reading(slices.layers) as seen:
            for part in torch.zeros(self.perturbations, dtype=torch.long).split(EVALUATION_BATCH):
                batch = problem.forget.batch(part + row).to(run.device)
                inputs = task.normalise(task.pixels(batch))
                noise = self.noise * torch.randn(inputs.shape, generator=generator)
                outputs = task.logits(model, inputs + noise.to(inputs))
                losses.append(task.losses_from(outputs, batch).float().cpu())
                activations.append(slices.pooled(seen, len(part)))
                run.cost.examples += len(part)
        return torch.cat(activations), torch.cat(losses)


def noise_scale(size: int, damping: float, epsilon: float, delta: float) -> float:
    """Return σ = (γ/ε) √(2 ln(1.25/δ)), γ = 2 M L² m² / (n² λ³) for m = 1 deletion.

    >>> round(noise_scale(50_000, 0.01, 0.1, 0.01), 5)
    0.00622
    """
    gamma = 2 * SMOOTHNESS * LIPSCHITZ**2 / (size**2 * damping**3)
    return gamma / epsilon * math.sqrt(2 * math.log(1.25 / delta))
