from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest
import torch

from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.metrics.accuracy import HoldoutAccuracy
from lethe.auditing.metrics.likelihood_ratio import ULiRA
from lethe.auditing.scoring import Panel, Resampled, Scores, entry, lacking, require_numbers
from lethe.errors import AuditIncomplete
from tests.auditing.metrics.made import made, with_probability


def model(probability: float) -> Rows:
    return made(forget=with_probability(torch.full((10,), probability)))


ORIGINAL, GOLDS = model(0.9), (model(0.1), model(0.2), model(0.3), model(0.4))


@dataclass(frozen=True)
class Spy(Metric):
    """Remembers which references it was given."""

    seen: list[tuple[Rows, References]] = field(default_factory=list)

    title: ClassVar[str] = "Spy"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        self.seen.append((rows, against))
        return Score(0.0)


class Ensembles(Spy):
    needs: ClassVar[frozenset[str]] = frozenset({"siblings", "gold"})


def test_no_gold_model_is_its_own_reference() -> None:
    spy = Spy()
    Panel(References(ORIGINAL, gold=GOLDS)).scores(spy, 0)
    for rows, against in spy.seen[1:]:
        assert len(against.gold) == 3
        assert all(rows is not gold for gold in against.gold)


def test_ensembles_of_gold_models_share_no_member() -> None:
    spy = Ensembles()
    Panel(References(ORIGINAL, gold=GOLDS, originals=(ORIGINAL,))).scores(spy, 0)
    assert spy.seen[0][1].siblings == (ORIGINAL,)
    assert len(spy.seen) == 5
    for rows, against in spy.seen[1:]:
        assert {id(one) for one in (rows, *against.gold, *against.siblings)} == {id(gold) for gold in GOLDS}
        assert against.siblings


def test_gold_models_too_few_for_each_other_leave_no_gold_values() -> None:
    spy = Ensembles()
    scores = Panel(References(ORIGINAL, gold=GOLDS[:2], originals=(ORIGINAL,))).scores(spy, 0)
    assert scores.gold == ()
    found = entry("spy", spy, Score(1.0), scores, 0.1)
    assert found.finding == "no gold"
    assert "too few" in found.power.reason


@pytest.mark.parametrize(
    ("metric", "references", "reason"),
    [
        (HoldoutAccuracy(), References(ORIGINAL), "needs a holdout set"),
        (ULiRA(), References(ORIGINAL, gold=GOLDS[:1], originals=(ORIGINAL,)), "needs two gold models"),
        (ULiRA(), References(ORIGINAL, gold=GOLDS), "give --originals"),
    ],
)
def test_what_is_missing_is_named_with_its_mend(metric: Metric, references: References, reason: str) -> None:
    lacks = lacking(metric, references)
    assert lacks is not None
    assert reason in lacks


def test_a_value_that_is_no_number_is_no_evidence() -> None:
    with pytest.raises(AuditIncomplete, match="Spy is not a finite number"):
        require_numbers(Spy(), Score(0.0), Scores(Score(0.0), (Score(float("nan")),)))


def test_an_ensemble_is_not_set_beside_a_single_original() -> None:
    with pytest.raises(AuditIncomplete, match="give --originals"):
        Panel(References(ORIGINAL, gold=GOLDS)).scores(Ensembles(), 0)


def test_an_entry_states_the_gap_in_spreads() -> None:
    values: dict[str, Any] = {"original": Score(0.9), "gold": (Score(0.1), Score(0.2), Score(0.3))}
    found = entry("spy", Spy(), Score(0.5), Scores(**values), 1e-3, Resampled([0.29, 0.31], [0.69, 0.71]))
    assert found.gold_mean == pytest.approx(0.2)
    assert found.gold_spread == pytest.approx(0.1)
    assert found.gap == pytest.approx(0.3)
    assert found.gap_in_spreads == pytest.approx(3.0)
    assert found.interval is not None
    assert found.interval[0] < 0.3 < found.interval[1]
