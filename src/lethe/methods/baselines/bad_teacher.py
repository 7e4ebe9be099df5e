"""Bad teacher: imitate an untrained model on the forget set and the original on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe import feeds, losses
from lethe.descent import Descent, Objective
from lethe.examples import join
from lethe.feeds import Draw, Rows
from lethe.measuring import example_outputs
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class BadTeacher(Descent):
    """Bad teacher (Blindspot): min Σ_f KL(p_bad ‖ p_θ) + Σ_r KL(p_good ‖ p_θ) over shuffled batches of both sets.

    The good teacher is the original, the bad one the same network with newly drawn weights. Only their outputs are
    kept, not the models.

    Args:
        retain_share: share of the retain set that takes part, drawn once.
        temperature: T of both softmaxes.

    Source: Chundawat et al. 2023, arXiv:2205.08096, eq. 2.
    """

    epochs: int = 1
    batch_size: int = 256
    learning_rate: float = 1e-4
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    divisible: ClassVar[bool] = False  # a batch holds both sets in whatever shares fall into it
    aims: ClassVar[str] = "suppression"

    retain_share: float = 0.3
    temperature: float = 1.0

    def reads_labels(self) -> bool:
        """Both teachers stand in for labels."""
        return False

    def together(self) -> frozenset[str]:
        """A mixed batch may hold one kind only."""
        return frozenset()

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop on the forget set and the drawn part of the retain set."""
        count = max(1, round(self.retain_share * len(problem.kept)))
        return super().unlearn(replace(problem, retain=problem.kept.sample(count, run.generator("retain share"))), run)

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over both sets shuffled together."""
        return feeds.mixed(problem, run, epoch, self.batch_size)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the divergence to either teacher; both count by their share of the batch."""
        bad_teacher = problem.task.fresh(problem.model, run.key("bad teacher")).to(run.device)
        bad = example_outputs(bad_teacher, problem.task, problem.forget, run).to(run.device)
        good = example_outputs(problem.model, problem.task, problem.kept, run).to(run.device)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            present = [batch for batch in (draw.forget, draw.retain) if batch is not None]
            outputs = problem.task.outputs(model, join(*present) if len(present) == 2 else present[0])
            targets = {"forget": (draw.forget, bad), "retain": (draw.retain, good)}
            named, first = {}, 0
            for name, (batch, teacher) in targets.items():
                if batch is not None:
                    part = outputs[first : first + len(batch)]
                    divergence = losses.kl_divergence(teacher[batch.rows], part, self.temperature)
                    named[name] = len(batch) / len(outputs) * divergence
                    first += len(batch)
            return named

        return terms
