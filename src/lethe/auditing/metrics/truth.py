"""Truth ratios: whether a language model prefers right answers to wrong ones, and whether gold does alike."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from lethe.auditing.metric import References, Rows, Score
from lethe.auditing.metrics.text import RowMean, TextMetric
from lethe.auditing.text import forget_quality, forget_truth_ratio, truth_preference, utility_truth_ratio
from lethe.auditing.text_rows import RATIOS, TextRows

Mean = Literal["geometric", "arithmetic"]


@dataclass(frozen=True, kw_only=True)
class ForgetTruthRatio(RowMean):
    """Mean of min(R, 1/R) over the forget set, R = mean_i P̄(wrong_i) / P̄(paraphrase): 1 where truth is unknown.

    Args:
        mean: over the wrong answers; `geometric` is what published tables hold, `arithmetic` what the paper writes.

    Source: Maini et al. 2024, arXiv:2401.06121, equation 1, and the release's aggregation.
    """

    mean: Mean = "geometric"
    title: ClassVar[str] = "Forget truth ratio"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[str] = "forget"

    def scores(self, rows: TextRows) -> Tensor:
        """Return min(R, 1/R), [N]."""
        return forget_truth_ratio(RATIOS[self.mean](rows))


@dataclass(frozen=True, kw_only=True)
class RetainTruthRatio(RowMean):
    """Mean of max(0, 1 - R) over the retain set: 1 where the model is sure of the truth.

    Args:
        mean: over the wrong answers; `geometric` is what published tables hold, `arithmetic` what the paper writes.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """

    mean: Mean = "geometric"
    title: ClassVar[str] = "Retain truth ratio"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    part: ClassVar[str] = "retain"

    def scores(self, rows: TextRows) -> Tensor:
        """Return max(0, 1 - R), [N]."""
        return utility_truth_ratio(RATIOS[self.mean](rows))


@dataclass(frozen=True, kw_only=True)
class TruthPreference(RowMean):
    """Mean of P̄(right) / (P̄(right) + P̄(wrong)) = 1 / (1 + R) over the forget set: 1/2 where truth is unknown.

    Args:
        mean: over the wrong answers; `geometric` is what published tables hold, `arithmetic` what the paper writes.

    Source: Dorna et al. 2025, arXiv:2506.12618.
    """

    mean: Mean = "geometric"
    title: ClassVar[str] = "Truth preference"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[str] = "forget"

    def scores(self, rows: TextRows) -> Tensor:
        """Return 1 / (1 + R), [N]."""
        return truth_preference(RATIOS[self.mean](rows))


@dataclass(frozen=True, kw_only=True)
class ForgetQuality(TextMetric):
    """log10 p of the Kolmogorov-Smirnov test between the truth ratios on the forget set and gold's.

    Above log10 0.05 = -1.3 counts as forgotten. A model that is broken has a tiny p as well as one that has forgotten
    nothing, and p falls with the number of rows. With several gold models the value is the mean over them.

    Args:
        mean: over the wrong answers; `geometric` is what published tables hold, `arithmetic` what the paper writes.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """

    mean: Mean = "geometric"
    title: ClassVar[str] = "Forget quality"
    unit: ClassVar[str] = "log10 p"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    needs: ClassVar[frozenset[str]] = frozenset({"gold"})
    # A bootstrap sample holds rows twice, which the test takes for evidence.
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean log10 p; the details hold statistic, log10 p and numbers of rows by gold."""
        own = self._ratios(rows)
        tests = [forget_quality(own, self._ratios(gold)) for gold in against.gold]
        value = statistics.fmean(test.log10_p for test in tests)
        return Score(
            value,
            {
                "log10_p": [test.log10_p for test in tests],
                "statistic": [test.statistic for test in tests],
                "rows": list(tests[0].sizes),
            },
        )

    def _ratios(self, rows: Rows) -> Tensor:
        """Return log R of the rows that have wrong answers."""
        ratios = rows.texts["forget"].each(RATIOS[self.mean])
        return ratios[~ratios.isnan()]

    def resolution(self, rows: Rows) -> float:
        """Return a tenth of a power of ten."""
        return 0.1
