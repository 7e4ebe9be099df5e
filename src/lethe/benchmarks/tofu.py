"""TOFU: forget fictitious authors, and be told from a model that was never trained on them, or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from torch import nn

from lethe.auditing.inference import auc
from lethe.auditing.measure import Measurements
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.metric import Metric, References, Rows
from lethe.auditing.metrics.answers import ExactMemorization, ExtractionStrength
from lethe.auditing.metrics.model_utility import ModelUtility
from lethe.auditing.metrics.text_membership import (
    MembershipLoss,
    MembershipMinK,
    MembershipMinKPlusPlus,
    MembershipReference,
    MembershipZlib,
    TextMembership,
)
from lethe.auditing.metrics.truth import ForgetQuality, ForgetTruthRatio
from lethe.auditing.text import privacy_leakage
from lethe.auditing.text_rows import answer_probability, greedy_recall
from lethe.benchmarks.base import Benchmark, BenchmarkData, Row
from lethe.benchmarks.preparation import tuning
from lethe.benchmarks.tofu_data import ANSWER, PARAPHRASED, QUESTION, WRONG, read_tofu
from lethe.errors import ConfigurationError
from lethe.examples import Column, Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.tasks import CausalLM

MEMBERSHIP: Mapping[str, TextMembership | MembershipReference] = {
    "mia_loss": MembershipLoss(),
    "mia_zlib": MembershipZlib(),
    "mia_min_k": MembershipMinK(),
    "mia_min_k_plus_plus": MembershipMinKPlusPlus(),
    "mia_reference": MembershipReference(),
}


@dataclass(frozen=True, kw_only=True)
class Tofu(Benchmark):
    """TOFU: a model fine-tuned on invented authors has to forget some of them; gold is one fine-tuned on the others.

    Forget quality is the p-value of a test that truth ratios on the forget set are gold's, model utility the harmonic
    mean of nine numbers on retained authors, real authors and world facts. Beside these two stand the numbers they are
    made of, memorisation, and membership inference against authors that nobody was trained on, where there are such.

    Args:
        split: `forget01`, `forget05` or `forget10`, the per cent of the authors to forget.
        epochs: passes over the data when the target and gold are fine-tuned.
        batch_size: rows a step of that.
        learning_rate: step size of that; 1e-5 for a model of 7 billion weights, 2e-5 for 1.5 billion.
        weight_decay: weight decay of that.
        limit: authors kept, for small machines; 0 keeps all.
        rows: most rows of a task that are evaluated; the release's first tables have 300. p-values fall with it.
        length: most tokens of a question and the answer that is generated.
        mean: over wrong answers: `geometric` is what published tables hold, `arithmetic` what the paper writes.

    Source: Maini et al. 2024, arXiv:2401.06121; memorisation and membership as in Dorna et al. 2025, arXiv:2506.12618.
    """

    split: str = "forget10"
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-5
    weight_decay: float = 0.01
    limit: int = 0
    rows: int = 400
    length: int = 200
    mean: Literal["geometric", "arithmetic"] = "geometric"

    title: ClassVar[str] = "TOFU"
    hub: ClassVar[str] = "locuslab/TOFU"

    def __post_init__(self) -> None:
        for name in ("rows", "length"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.limit < 0:
            raise ConfigurationError(f"limit must not be negative, not {self.limit}; 0 keeps all authors")
        self.recipe.check()

    @property
    def recipe(self) -> FineTune:
        """How target and gold are made: AdamW, a linear rise over the first epoch and a linear fall after it."""
        return tuning(self, schedule="linear", warmup_epochs=1.0)

    def read(self, source: str) -> BenchmarkData:
        """Return the data of the split; see `read_tofu` for what may be wrong with them."""
        return read_tofu(source, self.split, self.limit)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the rows to evaluate, by task."""
        return {name: _examples(task, f"eval-{name}", rows[: self.rows]) for name, rows in data.tasks.items()}

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Rows:
        """Return what is measured of a model: every different question and answer once, and greedy answers."""
        answered = frozenset(sets) - {"holdout"}
        marked = frozenset({"forget", "holdout"}) if "holdout" in sets else frozenset[str]()
        asked = Asked(moments=marked, generated=answered, new_tokens=self.length, whole=self.length)
        return measure_text(model, task, sets, run, asked, known)

    def values(self, measured: Rows, target: Rows, gold: Rows | None) -> dict[str, float]:
        """Return every metric of a model by name, beside gold; of gold itself its forget quality is 1."""
        rows = measured
        against = References(original=target, gold=(gold,) if gold is not None else ())

        def of(metric: Metric) -> float:
            return metric(rows, against).value

        found: dict[str, float] = {}
        if gold is not None:
            quality = ForgetQuality(mean=self.mean)(rows, against)
            found |= {
                "forget_quality": 10.0**quality.value,
                "forget_quality_log10": quality.value,
                "ks_statistic": quality.details["statistic"][0],
            }
        utility = ModelUtility(mean=self.mean)(rows, against)
        found |= {"model_utility": utility.value, **utility.details}
        found |= {
            "forget_probability": rows.texts["forget"].mean(answer_probability),
            "forget_rouge": rows.texts["forget"].mean(greedy_recall),
            "forget_truth_ratio": of(ForgetTruthRatio(mean=self.mean)),
            "exact_memorization": of(ExactMemorization()),
            "extraction_strength": of(ExtractionStrength()),
        }
        if "holdout" in rows.texts:
            found |= {
                name: of(metric)
                for name, metric in MEMBERSHIP.items()
                if gold is not None or not isinstance(metric, MembershipReference)
            }
            if gold is not None:
                found |= _leakage(rows, gold)
        return found


def _leakage(rows: Rows, gold: Rows) -> dict[str, float]:
    """Return the privacy leakage by Min-k; nothing where gold itself tells the sets apart without error."""
    score = MembershipMinK().scores
    own, reference = (auc(one.texts["forget"].each(score), one.texts["holdout"].each(score)) for one in (rows, gold))
    return {"privacy_leakage": privacy_leakage(own, reference)} if reference < 1 else {}


def _examples(task: CausalLM, prefix: str, rows: Sequence[Row]) -> Examples:
    columns: dict[str, Column] = {}
    if all(PARAPHRASED in row for row in rows):
        columns[PARAPHRASED] = _objects([row[PARAPHRASED] for row in rows])
    if all(WRONG in row for row in rows):
        columns[WRONG] = _objects([tuple(_texts(row[WRONG])) for row in rows])
    ids = [f"{prefix}-{i}" for i in range(len(rows))]
    return task.examples(ids, [str(row[QUESTION]) for row in rows], [str(row[ANSWER]) for row in rows], **columns)


def _texts(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def _objects(values: Sequence[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = list(values)
    return column
