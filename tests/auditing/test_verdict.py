from __future__ import annotations

import pytest

from lethe.auditing.evidence import Entry, Outcome
from lethe.auditing.power import Finding, Power
from lethe.auditing.verdict import AVERAGED, average_gap, verdict
from tests.auditing.entries import an_entry


def behaviour(*findings: Finding) -> list[Entry]:
    return [an_entry(f"metric {i}", finding) for i, finding in enumerate(findings)]


GOOD = behaviour(*["like gold"] * 8)


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [
        (["like gold"] * 8, "removed"),
        (["like gold"] * 7 + ["between"], "removed"),
        (["like gold"] * 5 + ["between"] * 3, "not removed"),
        (["like the original"] * 8, "not removed"),
        (["like gold"] * 2 + ["beyond gold"] * 3, "suppressed"),
        (["no power"] * 8, "inconclusive"),
        (["like gold"] + ["no power"] * 7, "removed"),
    ],
)
def test_the_outcome_follows_the_metrics_with_power(findings: list[Finding], outcome: Outcome) -> None:
    assert verdict(behaviour(*findings), [an_entry("relearn", "like gold", "recovery")]).outcome == outcome


@pytest.mark.parametrize("finding", ["between", "like the original"])
def test_what_one_attack_brings_back_was_only_suppressed(finding: Finding) -> None:
    found = verdict(GOOD, [an_entry("Relearn", finding, "recovery")])
    assert found.outcome == "suppressed"
    assert "Relearn" in found.sentence


def test_recovery_without_training_counts_as_an_attack() -> None:
    assert verdict([*GOOD, an_entry("mapping", "like the original", "recovery")], []).outcome == "suppressed"


def test_a_model_that_shows_the_data_openly_is_not_called_suppressed() -> None:
    attack = an_entry("relearn", "like the original", "recovery")
    assert verdict(behaviour(*["like the original"] * 4), [attack]).outcome == "not removed"


def test_attacks_without_power_are_not_boasted_of() -> None:
    found = verdict(GOOD, [an_entry("relearn", "no power", "recovery")])
    assert found.outcome == "removed"
    assert "no recovery attack had power" in found.sentence


def test_distances_decide_nothing() -> None:
    assert (
        verdict([*GOOD, *(an_entry(f"d{i}", "like the original", "distance") for i in range(9))], []).outcome
        == "removed"
    )


@pytest.mark.parametrize(
    ("power", "finding", "words"),
    [
        (Power(None, "there is no gold model"), "no gold", "no gold model"),
        (Power(None, "a single gold model: unknown"), "no power", "single gold model"),
        (Power(False, "indistinguishable"), "no power", "no metric can tell"),
    ],
)
def test_an_inconclusive_verdict_says_why(power: Power, finding: Finding, words: str) -> None:
    found = verdict([an_entry("a", finding, power=power)], [])
    assert found.outcome == "inconclusive"
    assert words in found.sentence


def utility(value: float, **other: object) -> Entry:
    numbers = {"value": value, "original": 0.95, "gold": (0.98, 0.98, 0.98), "gold_mean": 0.98, "gold_spread": 0.002}
    return an_entry("Test accuracy", "between", "utility", **{"goal": "max", **numbers, **other})


def test_damage_is_told_beside_the_outcome() -> None:
    assert "Test accuracy is 45.0 points below gold and original" in verdict([*GOOD, utility(0.5)], []).sentence
    assert "damaged" not in verdict([*GOOD, utility(0.96)], []).sentence, "the original is no better"
    assert "damaged" not in verdict([*GOOD, utility(0.945)], []).sentence, "within reach of a further gold model"


def averaged(value: float, gold: tuple[float, ...]) -> list[Entry]:
    return [an_entry(name, "between", value=value, gold=gold) for name in AVERAGED]


def test_the_average_gap_of_a_gold_model_is_taken_from_the_others() -> None:
    gap = average_gap(averaged(0.5, (0.1, 0.2, 0.3)))
    assert gap is not None
    assert gap.value == pytest.approx(0.3)
    assert gap.original == pytest.approx(0.7)
    assert gap.gold == pytest.approx((0.15, 0.0, 0.15))


def test_the_average_gap_is_absolute_and_needs_all_four() -> None:
    entries = averaged(0.5, (0.4,))
    below = [an_entry(name, "between", value=0.3, gold=(0.4,)) for name in AVERAGED[:2]]
    mixed = average_gap([*below, *entries[2:]])
    assert mixed is not None
    assert mixed.value == pytest.approx(0.1)
    assert mixed.gold == ()
    assert average_gap(entries[:3]) is None
