"""Model utility: one number for all that a language model must still be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from lethe.auditing.metric import References, Rows, Score
from lethe.auditing.metrics.text import TextMetric
from lethe.auditing.metrics.truth import Mean
from lethe.auditing.text import model_utility, utility_truth_ratio
from lethe.auditing.text_rows import RATIOS, TextRows, chosen_probability, greedy_recall

SETS = ("retain", "real_authors", "world_facts")


@dataclass(frozen=True, kw_only=True)
class ModelUtility(TextMetric):
    """Harmonic mean of probability, ROUGE-L recall and max(0, 1 - truth ratio) on retain set and public knowledge.

    TOFU's nine numbers where real authors and world facts were measured as well, three where there is only the retain
    set. One 0 makes it 0.

    Args:
        mean: over the wrong answers; `geometric` is what published tables hold, `arithmetic` what the paper writes.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """

    mean: Mean = "geometric"
    title: ClassVar[str] = "Model utility"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "generation"})

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the harmonic mean; the details hold the numbers it is made of."""
        values: dict[str, float] = {}
        for name in SETS:
            if name in rows.texts:
                texts = rows.texts[name]
                values[f"{name}_probability"] = texts.mean(chosen_probability)
                values[f"{name}_rouge"] = texts.mean(greedy_recall)
                values[f"{name}_truth_ratio"] = texts.mean(self.truth)
        return Score(model_utility(values), values)

    def truth(self, rows: TextRows) -> Tensor:
        """Return max(0, 1 - R), [N]; NaN for a row without wrong answers."""
        return utility_truth_ratio(RATIOS[self.mean](rows))

    def resolution(self, rows: Rows) -> float:
        """Return a thousandth: what it is made of is continuous."""
        return 1e-3
