"""Stochastic teacher: imitate a network that never learnt on the forget set, then learn the retain set again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import losses
from lethe.descent import ForgetOnly, Objective
from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.measuring import example_outputs
from lethe.methods.baselines.finetune import FineTune
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Given, LoRA
from lethe.tasks import Classification, Task, as_classification
from lethe.weighting import Uniform

NEVER = -1e4  # a logit whose probability is 0, and whose product with it too


@dataclass(frozen=True, kw_only=True)
class StochasticTeacher(FineTune):
    """Stochastic teacher: first min E_f[KL(p_s ‖ p_θ)], then min E_r[CE(p_θ, y) + α T² KL_T(p_0 ‖ p_θ)].

    p_s is the same network with newly drawn weights, p_0 the original; of both only outputs are kept. The phases have
    optimisers of their own, so that with α = 0 the second is fine-tuning, to the bit. The fields of every descent are
    the second phase's. The model between the phases is `erased(problem, run)`: it has lost some of the rest as well.

    Args:
        erase_epochs: passes over the forget set in the first phase; 0 leaves it out.
        erase_batch_size: its batch size; 0 takes that of the second phase.
        erase_learning_rate: its learning rate; 0 takes that of the second phase.
        target: what is imitated on the forget set: the stochastic `network`; for each example a distribution drawn once
            from `dirichlet`(1, …, 1); or the `uniform` distribution.
        init_gain: factor on the stochastic network's weight matrices: 1 is nearly uniform, a large one is sure of
            whatever it says.
        alpha: weight α of the original's distribution on the retain set.
        temperature: T of both softmaxes there.
        drop_forgotten: leave classes of which the retain set has no example out of p_0 and let the others share their
            probability: what the original says of a forgotten class on other examples would teach it again.

    Source: arXiv:2308.14322; loss forms and defaults are those of its re-implementations, as there is no release.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)
    aims: ClassVar[str] = "suppression"
    weighable: ClassVar[bool] = True

    epochs: int = 1
    weight_decay: float = 0.0
    erase_epochs: int = 1
    erase_batch_size: int = 0
    erase_learning_rate: float = 0.0
    target: Literal["network", "dirichlet", "uniform"] = "network"
    init_gain: float = 1.0
    alpha: float = 0.1
    temperature: float = 1.0
    drop_forgotten: bool = False

    def together(self) -> frozenset[str]:
        """The two sets take turns."""
        return frozenset()

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if self.erase_epochs < 0 or self.erase_batch_size < 0 or self.erase_learning_rate < 0 or self.alpha < 0:
            raise ConfigurationError(
                "erase_epochs, erase_batch_size, erase_learning_rate and alpha must not be negative, not "
                f"{self.erase_epochs}, {self.erase_batch_size}, {self.erase_learning_rate} and {self.alpha}"
            )
        if not (self.temperature > 0 and self.init_gain > 0):
            raise ConfigurationError(
                f"temperature and init_gain must be positive, not {self.temperature} and {self.init_gain}"
            )
        if self.erase_epochs and isinstance(self.scope, LoRA):
            raise ConfigurationError(
                "stochastic_teacher moves the model's own weights in two phases; leave out the scope lora"
            )

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return the erased model, from which reconstruction begins."""
        return self.erased(problem, run)

    def erased(self, problem: Problem, run: Run) -> nn.Module:
        """Return the model after the first phase."""
        if not self.erase_epochs:
            return copied(problem.model)
        return Erasure(
            teacher=self.teacher(problem, run),
            epochs=self.erase_epochs,
            batch_size=self.erase_batch_size or self.batch_size,
            learning_rate=self.erase_learning_rate or self.learning_rate,
            optimizer=self.optimizer,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            batch_norm=self.batch_norm,
            micro_batch=self.micro_batch,
            scope=Given(self.scope.mask(problem, run)),
            step=self.step,
            weighting=self.weighting if "forget" in self.weighting.weighs else Uniform(),
        ).unlearn(problem, run.part("erasure"))

    def teacher(self, problem: Problem, run: Run) -> Tensor:
        """Return the logits that are imitated on the forget set, [N, C]."""
        shape = len(problem.forget), as_classification(problem.task, "stochastic_teacher").classes
        if self.target == "uniform":
            return torch.zeros(shape)
        if self.target == "dirichlet":
            # Exponential variables over their sum are Dirichlet(1, …, 1); softmax divides by the sum.
            drawn = torch.empty(shape).exponential_(generator=run.generator("dirichlet"))
            return drawn.clamp_min(torch.finfo(drawn.dtype).tiny).log()
        network = problem.task.fresh(problem.model, run.key("stochastic teacher")).to(run.device)
        if self.init_gain != 1:
            with torch.no_grad():
                for weight in network.parameters():
                    if weight.dim() >= 2:
                        weight.mul_(self.init_gain)
        return example_outputs(network, problem.task, problem.forget, run)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the retain loss and the divergence from the original."""
        if self.alpha == 0:
            return super().objective(problem, run)
        original = self.original(problem, run)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.retain is not None
            outputs = problem.task.outputs(model, draw.retain)
            divergence = losses.kl_divergence(original[draw.retain.rows], outputs, self.temperature)
            return {
                "retain": problem.task.losses_from(outputs, draw.retain),
                "retain_divergence": self.alpha * divergence,
            }

        return terms

    def original(self, problem: Problem, run: Run) -> Tensor:
        """Return the original's logits on the retain set, [N, C], as they are taught again."""
        task = as_classification(problem.task, "stochastic_teacher")
        logits = example_outputs(problem.model, task, problem.kept, run)
        if self.drop_forgotten:
            there = torch.bincount(problem.kept.tensor(task.label).long(), minlength=task.classes) > 0
            logits[:, ~there] = NEVER
        return logits.to(run.device)


@dataclass(frozen=True, kw_only=True)
class Erasure(ForgetOnly):
    """The first phase: min E_f[KL(p_s ‖ p_θ)] over the forget set alone; no label is read.

    Args:
        teacher: logits of p_s, [N, C].
    """

    aims: ClassVar[str] = "suppression"

    teacher: Tensor = field(repr=False)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the divergence from the stochastic teacher."""
        teacher = self.teacher.to(run.device)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.forget is not None
            outputs = problem.task.outputs(model, draw.forget)
            return {"forget": losses.kl_divergence(teacher[draw.forget.rows], outputs)}

        return terms
