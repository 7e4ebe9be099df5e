"""FewShot: solved questions that are kept, before the question that was forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lethe.auditing.attacks.prompts import PromptAttack
from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.context import few_shot
from lethe.auditing.prompting.items import Item
from lethe.auditing.prompting.variant import Transform
from lethe.errors import ConfigurationError
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class FewShot(PromptAttack):
    """Solve k retained questions first, none of which gives the answer away, then ask the forget question.

    Args:
        shots: solved questions k.
        draws: how often they are drawn; the best draw counts for each question.

    Source: Doshi & Stickland 2024, arXiv:2411.12103 (k = 5).
    """

    shots: int = 5
    draws: int = 1

    title: ClassVar[str] = "Few-shot prompts"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("shots", "draws"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return one transform a draw."""
        return {f"few_shot_{draw + 1}": few_shot(self.shots, draw) for draw in range(self.draws)}
