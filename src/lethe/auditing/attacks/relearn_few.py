"""Relearning from a few forget examples: what comes back of the others, which are not shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lethe.auditing.attacks.fine_tuning import FineTuning
from lethe.errors import AuditIncomplete, ConfigurationError
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class RelearnFew(FineTuning):
    """Fine-tune on k forget examples, and measure the rest of the forget set: a curve of recovery by step.

    The rest was never shown to the attacker. Where it comes back it was there all along; gold regains no more of it
    than one fact tells of another. What comes back of the k themselves is in the details as `lesson`, before and
    after: every model can be taught those.

    Args:
        count: number k of forget examples to train on, drawn at random; at most half of the forget set.

    Source: Lynch et al. 2024, Eight Methods, arXiv:2402.16835 (test 4); Hu et al. 2024, arXiv:2406.13356.
    """

    count: int = 16

    title: ClassVar[str] = "Relearning from a few"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 1:
            raise ConfigurationError(f"count must be at least 1, not {self.count}")

    def lesson(self, problem: Problem, run: Run) -> tuple[Examples, Examples]:
        """Return k forget examples, and the rest."""
        forget = problem.forget
        if len(forget) < 2:
            raise AuditIncomplete(f"{self.title} needs two forget examples, one to train on and one to look at")
        few = forget.sample(min(self.count, len(forget) // 2), run.generator("the few that are shown"))
        return few, self.sample(forget.without(few.ids), run)


@dataclass(frozen=True, kw_only=True)
class RelearnLora(RelearnFew):
    """Fine-tune a LoRA adapter on k forget examples, and measure the rest of the forget set.

    As `RelearnFew`, with W + (alpha/rank)·B·A in every linear layer and nothing else that moves: what an attacker does
    who cannot afford to train the whole model.

    Args:
        rank: rank of the adapters.

    Source: Hu et al. 2022, LoRA, arXiv:2106.09685; Hu et al. 2024, arXiv:2406.13356 (the attack).
    """

    rank: int = 8

    title: ClassVar[str] = "LoRA relearning"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise ConfigurationError(f"rank must be at least 1, not {self.rank}")
