"""What metrics of language models share: a score of each row, averaged over one set."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.text_rows import TextRows
from lethe.tasks import CausalLM, Task


class TextMetric(Metric):
    """A metric of language models, which reads `Rows.texts`."""

    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)


@dataclass(frozen=True, kw_only=True)
class RowMean(TextMetric):
    """The mean over one set of a score between 0 and 1."""

    unit: ClassVar[str] = "%"
    part: ClassVar[str]

    @abstractmethod
    def scores(self, rows: TextRows) -> Tensor:
        """Return the score of each row, [N] in [0, 1]; NaN where a row has none."""

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean."""
        return Score(rows.texts[self.part].mean(self.scores))

    def resolution(self, rows: Rows) -> float:
        """Return a thousandth: the scores are continuous, so that one example is not the least that may differ."""
        return 1e-3
