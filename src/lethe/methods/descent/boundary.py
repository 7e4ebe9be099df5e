"""Boundary unlearning: give a class's territory to its neighbours, or to a shadow class that is cut off afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.descent import ForgetOnly, Objective
from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.feeds import Draw
from lethe.measuring import over_examples
from lethe.methods.descent.curvature import input_curvature
from lethe.methods.descent.shadow_class import Shadowed, with_shadow_class, without_shadow_class
from lethe.problem import Problem
from lethe.run import Run
from lethe.targets import Attack, adversarial_outputs, nearest_classes
from lethe.tasks import as_classification


@dataclass(frozen=True, kw_only=True)
class Boundary(ForgetOnly):
    """What the two methods share: they see the forget set alone, and batch norms keep their statistics.

    In training mode the statistics would drift to those of one class and take the retained accuracy along.
    """

    epochs: int = 10
    learning_rate: float = 1e-5
    weight_decay: float = 0.0
    batch_norm: Literal["update", "freeze"] = "freeze"
    intent: ClassVar[str] = "class"
    aims: ClassVar[str] = "suppression"


@dataclass(frozen=True, kw_only=True)
class BoundaryShrink(Boundary):
    """Boundary Shrink: teach each forget image the class it falls into when the original model is attacked on it.

    y_nbi = argmax_{c≠y} h_0(x'), x' = clip(x + ε sign ∇_x CE(h_0(x), y)); min CE(h_θ(x), y_nbi) on the clean x.
    The neighbours are found once, on the original. The published learning rate suits some 800 steps; with fewer,
    raise it until the forget accuracy falls.

    Args:
        attack: `fgsm`, or `pgd` (5 steps of 8/255).
        epsilon: radius ε of the attack, in pixel units [0, 1].
        exclude_true: leave y out of the argmax; the release does not, and reinforces y wherever its attack fails.
        curvature: weight of ‖κ(h_0, x) - κ(h_θ, x)‖₂ over the batch, the first published add-on (there 0.7); κ is
            the curvature of the loss around x, see `input_curvature`.
        curvature_length: h, the length of the step the curvature is taken over.
        reweight: weigh each example by 3·sigmoid(5 (p_2nd - p_nbi - 0.5)) of h_0(x'), the second add-on.

    Source: Chen et al. 2023, arXiv:2303.11570; add-ons and their constants: the authors' release.
    """

    attack: Literal["fgsm", "pgd"] = "fgsm"
    epsilon: float = 0.1
    exclude_true: bool = True
    curvature: float = 0.0
    curvature_length: float = 0.9
    reweight: bool = False

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if not (self.epsilon >= 0 and self.curvature >= 0 and self.curvature_length > 0):
            raise ConfigurationError(
                "epsilon and curvature must not be negative and curvature_length must be positive, not "
                f"epsilon={self.epsilon}, curvature={self.curvature}, curvature_length={self.curvature_length}"
            )

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the cross-entropy to the neighbours, and the curvature term where it is asked for."""
        task, original = as_classification(problem.task, "boundary unlearning"), problem.model
        attacked = adversarial_outputs(original, task, problem.forget, Attack(self.attack, self.epsilon), run)
        neighbours = nearest_classes(attacked, problem.forget.tensor(task.label), self.exclude_true)
        weights = hesitation_weights(attacked, neighbours) if self.reweight else torch.ones(len(neighbours))

        def curved(model: nn.Module, batch: Batch) -> Tensor:
            return input_curvature(model, task, batch, self.curvature_length).detach()

        before = (
            over_examples(original, problem.task, problem.forget, run, curved, "curvature") if self.curvature else None
        )

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            batch = draw.forget
            assert batch is not None
            losses = F.cross_entropy(
                task.outputs(model, batch), neighbours[batch.rows].to(run.device), reduction="none"
            )
            named = {"forget": weights[batch.rows].to(run.device) * losses}
            if before is not None:
                now = input_curvature(model, task, batch, self.curvature_length, create_graph=True)
                # κ of the published batch-mean loss is that of single examples divided by the batch size.
                change = (before[batch.rows].to(run.device) - now) / len(batch)
                named["curvature"] = self.curvature * torch.linalg.vector_norm(change)
            return named

        return terms


def hesitation_weights(attacked: Tensor, neighbours: Tensor) -> Tensor:
    """Return 3·sigmoid(5 (p_2nd - p_nbi - 0.5)), [N]: little for examples that the attack carried far across.

    Args:
        attacked: [N, C] logits of the original on the attacked examples.
        neighbours: [N] classes they are taught.

    Source: the reweighting add-on of the authors' release of Chen et al. 2023, arXiv:2303.11570.
    """
    probabilities = attacked.softmax(1)
    second = probabilities.topk(2, dim=1).values[:, 1]
    own = probabilities.gather(1, neighbours.unsqueeze(1)).squeeze(1)
    return 3 * torch.sigmoid(5 * (second - own - 0.5))


@dataclass(frozen=True, kw_only=True)
class BoundaryExpanding(Boundary):
    """Boundary Expanding: train the forget images into an extra shadow class C, then cut that output off.

    The head W ∈ R^{C×d} gets one row more, Xavier-normal with bias 0; min CE(h'(x), C) over all weights; row C is
    removed. The loop runs on the expanded network, so its checkpoints are those of a part of the run and there is
    nothing to watch.

    Source: Chen et al. 2023, arXiv:2303.11570.
    """

    def reads_labels(self) -> bool:
        """Every forget image has the shadow class."""
        return False

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the cross-entropy to the shadow class."""
        task = as_classification(problem.task, "boundary unlearning")
        shadow = task.classes - 1

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.forget is not None
            labels = torch.full_like(task.labels(draw.forget), shadow)
            return {"forget": F.cross_entropy(task.outputs(model, draw.forget), labels, reduction="none")}

        return terms

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Expand the head, run the loop, cut the head back."""
        if run.keep is not None:
            raise ConfigurationError(
                "BoundaryExpanding cannot keep its best state: while it runs the model has one class too many"
            )
        task, inner = as_classification(problem.task, "boundary unlearning"), run.part("shadow class")
        expanded = with_shadow_class(problem.model, task, inner.generator("shadow class"))
        wide = replace(problem, model=expanded, task=replace(task, classes=task.classes + 1))
        # The scope is asked about the original; a mask drawn or measured on the expanded network would be another.
        shadowed = replace(self, scope=Shadowed(self.reach().mask(problem, run)))
        return without_shadow_class(ForgetOnly.unlearn(shadowed, wide, inner), problem.model)
