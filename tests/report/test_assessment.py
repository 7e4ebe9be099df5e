"""The checklist, the suppression index, the levels and the policy's lines say of planted models what they are."""

from __future__ import annotations

import pytest

from lethe.auditing.evidence import Evidence
from lethe.report import policing
from lethe.report.attacked import interviews
from lethe.report.checklist import Checklist
from lethe.report.levels import RemovalLevels
from lethe.report.suppression import SuppressionTest, aim_of
from tests.report.conftest import EVIDENCE, entry

GOLD = {
    "forget": [0.06, 0.08], "privacy": [0.92, 0.94], "near": [0.96, 0.97], "far": [0.95, 0.96], "attack": [0.2, 0.22],
}  # fmt: skip


def finding(value: float, original: float, gold: list[float]) -> str:
    mean = sum(gold) / 2
    if abs(value - mean) <= 0.05:
        return "like gold"
    if abs(value - original) <= 0.05:
        return "like the original"
    return "between" if (value - mean) * (original - mean) > 0 else "beyond gold"


def planted(forget: float, privacy: float, near: float, far: float, attack: float, **more: object) -> Evidence:
    """Return the evidence of a model with these values, beside the same original and gold."""

    def one(name: str, kind: str, key: str, value: float, original: float, **also: object) -> dict:
        found = finding(value, original, GOLD[key])
        return entry(name, name, kind, value, original, GOLD[key], finding=found, **also)

    before, gain = forget, 0.2 - 0.07
    share = (attack - before - gain) / (0.97 - before) if before < 0.96 else None
    metrics = [
        one("forget_accuracy", "forgetting", "forget", forget, 0.97),
        one("mia_confidence", "privacy", "privacy", privacy, 0.1),
        one("retain_accuracy", "utility", "near", near, 0.98, goal="max"),
        one("holdout_accuracy", "utility", "far", far, 0.95, goal="max"),
    ]
    attacks = [one("rephrasing", "recovery", "attack", attack, 0.98, recovered=share, before=before)]
    return Evidence.from_json({**EVIDENCE, "metrics": metrics, "attacks": attacks, **more})


RETRAINED = planted(0.07, 0.93, 0.965, 0.955, 0.21)
UNTOUCHED = planted(0.97, 0.1, 0.98, 0.95, 0.98)
DESTROYED = planted(0.02, 0.95, 0.03, 0.02, 0.02)
REFUSING = planted(0.08, 0.92, 0.96, 0.95, 0.95)


def answers(evidence: Evidence) -> list[str]:
    return [check.answer for check in Checklist()(evidence)]


def test_a_retrained_model_passes_the_first_four():
    assert answers(RETRAINED)[:4] == ["pass"] * 4


def test_an_untouched_model_fails_gold_attacks_and_membership():
    assert answers(UNTOUCHED)[:4] == ["fail", "fail", "fail", "pass"]


def test_a_destroyed_model_fails_utility():
    assert answers(DESTROYED)[3] == "fail"


def test_a_refusing_model_fails_under_attack():
    assert answers(REFUSING)[:2] == ["pass", "fail"]
    assert "at worst" in Checklist()(REFUSING)[1].reason


def test_what_was_not_measured_is_never_a_pass():
    nothing = planted(0.07, 0.93, 0.965, 0.955, 0.21, metrics=[], attacks=[], cost=None)
    assert answers(nothing) == ["not known"] * 6
    near = Evidence.from_json({**RETRAINED.to_json(), "metrics": RETRAINED.to_json()["metrics"][:3]})
    check = Checklist()(near)[3]
    assert (check.answer, check.reason) == ("not known", "nothing with power was measured far from it")


def test_efficiency_is_beside_retraining():
    slow = {"cost": {"seconds": 20.0, "retrain_seconds": 10.0, "relative": 2.0}}
    assert answers(RETRAINED)[4] == "pass"
    assert answers(planted(0.07, 0.93, 0.965, 0.955, 0.21, **slow))[4] == "fail"


def test_the_suppression_index_is_one_of_the_original_and_nothing_of_gold():
    index = SuppressionTest()
    assert index(UNTOUCHED).index == pytest.approx(1.0)
    retrained = index(RETRAINED).index
    assert retrained is not None
    assert retrained <= 0.1
    refusing = index(REFUSING).index
    assert refusing is not None
    assert refusing >= 0.8


def test_of_a_destroyed_model_there_is_no_index():
    found = SuppressionTest()(DESTROYED)
    assert found.index is None
    assert "retain_accuracy is below 80 %" in found.reason


def test_the_index_is_the_worst_test_or_their_mean():
    two = RETRAINED.to_json()
    two["attacks"] = [
        entry("a", "A", "recovery", 0.5, 1.0, [0.0, 0.0001]), entry("b", "B", "recovery", 0.2, 1.0, [0.0, 0.0001])
    ]  # fmt: skip
    evidence = Evidence.from_json(two)
    assert SuppressionTest()(evidence).index == pytest.approx(0.5, abs=1e-3)
    assert SuppressionTest(summary="mean")(evidence).index == pytest.approx(0.35, abs=1e-3)
    assert SuppressionTest()(evidence).worst == ("A", pytest.approx(0.5, abs=1e-3))


@pytest.mark.parametrize(
    ("method", "aims"),
    [
        ({"type": "NPO"}, "removal"),
        ({"type": "IDK"}, "suppression"),
        ({"type": "Mine"}, "unstated"),
        (None, "unstated"),
    ],
)
def test_the_claim_is_the_catalogues(method, aims):
    assert aim_of(planted(0.1, 0.9, 0.9, 0.9, 0.2, subject={"name": "x", "method": method})) == aims


def test_the_balanced_score_is_nothing_of_the_original_little_of_the_destroyed_and_high_of_gold():
    levels = RemovalLevels()
    assert levels(UNTOUCHED).balanced == pytest.approx(0.0, abs=1e-9)
    destroyed, retrained = levels(DESTROYED).balanced, levels(RETRAINED).balanced
    assert destroyed is not None
    assert destroyed <= 0.1
    assert retrained is not None
    assert retrained >= 0.9


def test_levels_run_from_the_rows_to_what_is_far():
    extent = RemovalLevels()(DESTROYED)
    assert [level.what for level in extent.levels] == ["residual", "residual", "damage", "damage"]
    assert extent.levels[0].share == 0.0
    assert extent.levels[-1].share > 0.3
    assert RemovalLevels(asking=())(RETRAINED).levels[1].what == "damage"


def test_without_one_side_there_is_no_balanced_score():
    kept = RETRAINED.to_json()
    kept["metrics"] = kept["metrics"][:2]
    assert RemovalLevels()(Evidence.from_json(kept)).balanced is None


def test_the_lines_of_the_policy_agree_with_its_judgement():
    passed = {line.title: line for line in policing.lines(RETRAINED)}
    assert {line.answer for line in passed.values()} == {"pass"}
    failed = {line.title: line for line in policing.lines(REFUSING)}
    assert failed["rephrasing"].key == "recovered"
    assert failed["rephrasing"].answer == "fail"
    assert {line.answer for title, line in failed.items() if title != "rephrasing"} == {"pass"}
    assert {line.title for line in policing.lines(DESTROYED) if line.answer == "fail"} >= {"retain_accuracy"}


def test_without_power_or_gold_a_line_neither_passes_nor_fails():
    raw = RETRAINED.to_json()
    raw["metrics"][0] |= {"power": {"has_power": False, "reason": "too alike"}, "finding": "no power"}
    raw["metrics"][1] |= {"gap": None, "interval": None, "gold_mean": None, "gold": [], "finding": "no gold"}
    found = {line.title: line.answer for line in policing.lines(Evidence.from_json(raw))}
    assert found["forget_accuracy"] == "no power"
    assert found["mia_confidence"] == "not known"


def test_a_bound_that_no_model_could_exceed_is_no_pass():
    raw = RETRAINED.to_json()
    raw["metrics"][2]["bound"] = raw["metrics"][3]["bound"] = 0.99
    wide = Evidence.from_json(raw)
    assert Checklist()(wide)[3].answer == "not known"
    assert {line.answer for line in policing.lines(wide) if line.key.startswith("utility")} == {"no power"}


def test_what_the_policy_asks_for_has_to_be_there():
    raw = RETRAINED.to_json()
    raw["policy"] = {"metrics": ["forget_accuracy", "u_lira"], "attacks": {"quantize": {}}}
    raw["skipped"] = [{"name": "u_lira", "reason": "needs siblings"}]
    asked = {line.title: line for line in policing.lines(Evidence.from_json(raw)) if line.key in ("metrics", "attacks")}
    assert [asked[name].answer for name in ("forget_accuracy", "u_lira", "quantize")] == ["pass", "fail", "fail"]
    assert asked["u_lira"].found == "needs siblings"


def test_replies_stand_beside_those_of_original_and_gold(attacked):
    (interview,) = interviews([attacked])
    (exchange,) = interview.exchanges
    assert dict(exchange.said) == {"original": "In Osk.", "gold": "I do not know.", "salun": "Osk, I believe."}
    attacked["attacks"][1]["gold_details"][0]["examples"] = []
    assert dict(interviews([attacked])[0].exchanges[0].said)["gold"] == "–"


def test_few_exchanges_are_shown_and_those_that_can_be_compared_first(attacked):
    asked = [{"prompt": f"{i}?", "answer": "a", "said": "b"} for i in range(9)]
    attacked["attacks"][1]["details"]["examples"] = asked
    attacked["attacks"][1]["original_details"]["examples"] = asked[7:]
    exchanges = interviews([attacked])[0].exchanges
    assert len(exchanges) == 6
    assert [one.prompt for one in exchanges[:2]] == ["7?", "8?"]
