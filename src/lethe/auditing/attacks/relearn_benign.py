"""Relearning from benign data: what comes back of the forget set when the model is trained on something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lethe.auditing.attacks.benign import read_examples
from lethe.auditing.attacks.fine_tuning import FineTuning
from lethe.errors import AuditIncomplete
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import as_causal_lm


@dataclass(frozen=True, kw_only=True)
class RelearnBenign(FineTuning):
    """Fine-tune on data that hold nothing of the forget set, and measure the forget set: a curve of recovery by step.

    Nothing is taught here, so that what comes back was only hidden. Steps and step size are the same for all models.

    Args:
        data: what to train on: `retain`, `holdout`, or for language models a file of text, JSON Lines with a field
            `text`, or `prompt` and `answer`, or plain text with an example a line. Unrelated text is the published
            attack; the retain set is at hand everywhere, and belongs to what the original and gold both know.
        rank: rank of the LoRA adapters that are trained; 0 trains all weights.

    Source: Doshi and Stickland 2024, Does Unlearning Truly Unlearn?, arXiv:2411.12103 (LoRA on OpenWebText).
    """

    data: str = "retain"
    rank: int = 8

    title: ClassVar[str] = "Benign relearning"

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]  # it depends on the data that are named
        """The set that is trained on."""
        return frozenset({self.data} & {"retain", "holdout"})

    def lesson(self, problem: Problem, run: Run) -> tuple[Examples, Examples]:
        """Return the benign data, and the forget set."""
        problem.require(self.needs, self.title)
        sets = {"retain": problem.retain, "holdout": problem.holdout}
        found = sets[self.data] if self.data in sets else read_examples(self.data, as_causal_lm(problem.task, "a file"))
        assert found is not None
        if len(found) == 0:
            raise AuditIncomplete(f"{self.data} holds no example to train on; name other data")
        return found, self.sample(problem.forget, run)
