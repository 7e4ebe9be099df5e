"""Datamodel matching: predict what a retrained model would put out, and fine-tune the model until it does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from lethe.attribution.datamodels import outputs_of, regression_effects, subset_models
from lethe.attribution.trak import trak_effects
from lethe.descent import Descent, Objective
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, concatenate, join, shuffled
from lethe.feeds import Draw, Rows
from lethe.losses import soft_cross_entropy
from lethe.measuring import example_outputs
from lethe.methods.baselines.retrain import Retrain
from lethe.models import read_weights
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import as_classification


@dataclass(frozen=True, kw_only=True)
class Matching(Descent):
    """What the two forms share: min mean ‖f(x) - t(x)‖² / C over the forget set and a few retain examples.

    Args:
        retain_multiplier: r; r · |D_f| retain examples take part, drawn once.
        forget_multiplier: how often each forget example stands in an epoch.
        loss: `mse` of the logits, or `ce`, the cross-entropy to the softmax of the targets.
        anchor: ω of ω ‖θ - θ0‖².
        decay: factor on the learning rate from epoch to epoch.
    """

    aims: ClassVar[str] = "removal"
    divisible: ClassVar[bool] = False  # a batch holds both sets in whatever shares fall into it

    epochs: int = 5
    batch_size: int = 512
    learning_rate: float = 5e-4
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    retain_multiplier: float = 3.0
    forget_multiplier: int = 1
    loss: Literal["mse", "ce"] = "mse"
    anchor: float = 0.0
    decay: float = 0.95

    @abstractmethod
    def targets(self, problem: Problem, run: Run) -> Tensor:
        """Return the logits to match on forget and retain set, in this order, [S, C]."""

    def prepared(self, problem: Problem, chosen: Examples, run: Run) -> Self:
        """Return the method with what it has to read of the whole problem, before the retain set is cut down."""
        return self

    def eligible(self, problem: Problem) -> Examples:
        """Return the retain examples that targets are known for."""
        return problem.kept

    def together(self) -> frozenset[str]:
        """A mixed batch may hold one kind only."""
        return frozenset()

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if not (self.retain_multiplier > 0 and self.forget_multiplier >= 1 and self.anchor >= 0 and self.decay > 0):
            raise ConfigurationError(
                "retain_multiplier and decay must be positive, forget_multiplier at least 1 and anchor not negative, "
                f"not {self.retain_multiplier}, {self.decay}, {self.forget_multiplier}, {self.anchor}"
            )

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Draw the retain examples, compute the targets on whole sets, and run the loop."""
        self.check()
        as_classification(problem.task, type(self).__name__)
        count = max(1, round(self.retain_multiplier * len(problem.forget)))
        chosen = self.eligible(problem).sample(count, run.generator("retain sample"))
        ready = self.prepared(problem, chosen, run)
        return super(Matching, ready).unlearn(replace(problem, retain=chosen), run)

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over both sets shuffled together."""
        forgotten = len(problem.forget)
        rows = torch.cat([torch.arange(forgotten).repeat(self.forget_multiplier),
                          forgotten + torch.arange(len(problem.kept))])  # fmt: skip
        batches: list[Rows] = []
        for places in shuffled(len(rows), self.batch_size, run.generator("matching order", epoch)):
            part = rows[places]
            forget, retain = part[part < forgotten], part[part >= forgotten] - forgotten
            batches.append((forget if len(forget) else None, retain if len(retain) else None))
        return batches

    def rate(self, step: int, total: int) -> float:
        """Return the factor on the learning rate at a step."""
        return float(super().rate(step, total) * self.decay ** (step * self.epochs // total))

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the distance to the targets; both sets count by their share of the batch."""
        sizes = [len(problem.forget), len(problem.kept)]
        wanted = self.targets(problem, run).to(run.device).split(sizes)
        targets = dict(zip(("forget", "retain"), wanted, strict=True))
        origin = [p.detach().to(run.device) for p in problem.model.parameters()]

        def distance(outputs: Tensor, wanted: Tensor) -> Tensor:
            if self.loss == "ce":
                return soft_cross_entropy(wanted, outputs)
            return (outputs - wanted).square().mean(1)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            present = {n: b for n, b in (("forget", draw.forget), ("retain", draw.retain)) if b is not None}
            batches = list(present.values())
            outputs = problem.task.outputs(model, join(*batches) if len(batches) == 2 else batches[0])
            parts = outputs.split([len(batch) for batch in batches])
            named = {
                name: len(batch) / len(outputs) * distance(part, targets[name][batch.rows])
                for (name, batch), part in zip(present.items(), parts, strict=True)
            }
            if self.anchor:
                apart = [(p - o).square().sum() for p, o in zip(model.parameters(), origin, strict=True)]
                named["anchor"] = self.anchor * torch.stack(apart).sum()
            return named

        return terms


@dataclass(frozen=True, kw_only=True)
class OracleMatching(Matching):
    """Oracle matching (OM): the targets are the mean logits of retrained models, t = (1/K) Σ_k f_k.

    The idealised form of datamodel matching and an upper bound for it: whoever has the retrained models needs no
    unlearning.

    Args:
        oracles: K, most retrained models to take.

    Source: Georgiev et al. 2024, Attribute-to-Delete, arXiv:2410.23232, section 4.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain", "gold"})

    oracles: int = 10

    def check(self) -> None:
        """Raise ConfigurationError where there is no oracle."""
        super().check()
        if self.oracles < 1:
            raise ConfigurationError(f"oracles must be at least 1, not {self.oracles}")

    def targets(self, problem: Problem, run: Run) -> Tensor:
        """Return the mean logits of the retrained models."""
        matched = concatenate(problem.forget, problem.kept)
        outputs = [
            example_outputs(gold.to(run.device), problem.task, matched, run) for gold in problem.gold[: self.oracles]
        ]
        return torch.stack(outputs).mean(0)


@dataclass(frozen=True, kw_only=True)
class DatamodelMatching(Matching):
    """Datamodel matching (DMM): the targets are t = f_θ0(x) - c Σ_{j∈F} A_j(x), A_j what example j adds to the logits.

    `predicted` returns the targets alone, to be served as they are (DM-Direct). An attribution is made once and serves
    every forget set; it comes from models trained on random subsets, since what an example adds to its own logits shows
    only in models that did not see it. They are trained with the problem's recipe, or as `retrain` does without one.

    Effects add up, and what stands in for what is not seen: where a whole class goes, each of its examples counts for
    nothing as long as the others are there, random subsets never lack all of them, and little is predicted to change.

    Args:
        attribution: `trak` projects the gradients of a few models (`pip install 'lethe[traker]'`); `datamodels`
            regresses the outputs of many on what they saw, its effects shrunk where models are fewer than examples.
        multiplier: c.
        models: number of models trained on subsets; published regressions take thousands.
        share: share of the training set each sees.
        projection: dimension of the gradients of `trak`.
        ridge: ρ; for `trak` in units of the mean diagonal of ΦᵀΦ, for `datamodels` of n.
        effects: id to Σ_{j∈F} A_j, [C]: an attribution that is there already. Retain examples are drawn from its ids.
        effects_file: the same as a safetensors file, a tensor an id.

    Source: Georgiev et al. 2024, Attribute-to-Delete, arXiv:2410.23232; defaults of the loop: the authors' code.
    """

    attribution: Literal["trak", "datamodels"] = "trak"
    multiplier: float = 1.0
    models: int = 5
    share: float = 0.5
    projection: int = 512
    ridge: float = 0.1
    effects: Mapping[str, Tensor] | None = field(default=None, repr=False)
    effects_file: str = ""

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if self.models < 2 or not 0 < self.share < 1 or self.projection < 1 or not self.ridge > 0:
            raise ConfigurationError(
                "models must be at least 2, share in (0, 1), projection at least 1 and ridge positive, not "
                f"{self.models}, {self.share}, {self.projection}, {self.ridge}"
            )

    def known(self) -> Mapping[str, Tensor] | None:
        """Return the attribution that was given, if any."""
        return read_weights(Path(self.effects_file)) if self.effects_file else self.effects

    def eligible(self, problem: Problem) -> Examples:
        """Return the retain examples with an attribution; raises InputError where there is none."""
        known = self.known()
        if known is None:
            return problem.kept
        found = problem.kept.take([row for row, name in enumerate(problem.kept.ids) if name in known])
        if not len(found):
            raise InputError("the attribution names no retain example; give it for some of them, by their ids")
        return found

    def prepared(self, problem: Problem, chosen: Examples, run: Run) -> Self:
        """Return the method with the attribution of the examples to match."""
        matched = concatenate(problem.forget, chosen)
        added = self.added(problem, matched, run)
        return replace(self, effects=dict(zip(matched.ids, added.unbind(), strict=True)), effects_file="")

    def targets(self, problem: Problem, run: Run) -> Tensor:
        """Return the predicted outputs of a retrained model."""
        return self.predicted(problem, concatenate(problem.forget, problem.kept), run)

    def predicted(self, problem: Problem, examples: Examples, run: Run) -> Tensor:
        """Return f_θ0(x) - c Σ_{j∈F} A_j(x) for the examples, [N, C]."""
        outputs = example_outputs(problem.model, problem.task, examples, run)
        return outputs - self.multiplier * self.added(problem, examples, run).to(outputs)

    def added(self, problem: Problem, examples: Examples, run: Run) -> Tensor:
        """Return Σ_{j∈F} A_j, what the forget set adds to the logits, [N, C]."""
        task, known = as_classification(problem.task, "datamodel matching"), self.known()
        if known is not None:
            return torch.stack([_effect(known, name, task.classes) for name in examples.ids])
        training = concatenate(problem.forget, problem.kept)
        removed = torch.arange(len(training)) < len(problem.forget)

        def train(part: Examples, number: int) -> nn.Module:
            return Retrain().unlearn(replace(problem, retain=part), run.part(f"subset {number}"))

        found = subset_models(train, training, self.models, self.share, run)
        if self.attribution == "trak":
            return trak_effects(found, task, training, removed, examples, self.projection, self.ridge, run)
        inclusion = torch.stack([one.rows for one in found])
        return regression_effects(
            inclusion, outputs_of(found, task, examples, run), removed, self.ridge * len(training)
        )


def _effect(known: Mapping[str, Tensor], name: str, classes: int) -> Tensor:
    if name not in known or tuple(known[name].shape) != (classes,):
        raise InputError(f"the attribution has no [{classes}] tensor for '{name}'; give one for every forget example")
    return known[name]
