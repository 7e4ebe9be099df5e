"""The verdict on entries made by hand, whose outcome can be told in advance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.evidence import OUTCOMES, Caution, Entry, Outcome, Verdict
from lethe.auditing.policy import Policy
from lethe.auditing.power import Finding, Power
from lethe.auditing.verdict import verdict
from tests.auditing.entries import an_entry, false_confidence, on_group, utility


def behaviour(*findings: Finding) -> list[Entry]:
    return [an_entry(f"metric {i}", finding) for i, finding in enumerate(findings)]


GOOD = [*behaviour(*["like gold"] * 8), utility(0.98)]
HELD = an_entry("Relearn", "like gold", "recovery")
BACK = an_entry("Relearn", "between", "recovery")


@pytest.mark.parametrize(
    ("metrics", "attacks", "outcome"),
    [
        (GOOD, [HELD], "removed"),
        (GOOD, [BACK], "suppressed"),
        (behaviour(*["like the original"] * 8), [BACK], "not removed"),
        ([*behaviour(*["like gold"] * 8), utility(0.87)], [HELD], "destroyed"),
        ([*GOOD, false_confidence(0.6)], [HELD], "replaced"),
        (behaviour(*["no power"] * 8), [HELD], "inconclusive"),
    ],
)
def test_each_of_the_six_words(metrics: list[Entry], attacks: list[Entry], outcome: Outcome) -> None:
    found = verdict(metrics, attacks)
    assert found.outcome == outcome
    assert found.sentence.lower().startswith(outcome)
    assert bool(found.failed) == (outcome not in ("removed", "inconclusive"))


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [
        (["like gold"] * 7 + ["between"], "removed"),
        (["like gold"] * 5 + ["between"] * 3, "not removed"),
        (["like gold"] * 2 + ["beyond gold"] * 3, "suppressed"),
        (["like gold"] + ["no power"] * 7, "removed"),
        (["like gold"] * 7 + ["undetermined"], "removed"),
        (["like gold"] * 3 + ["undetermined"] * 5, "inconclusive"),
    ],
)
def test_the_outcome_follows_the_metrics_with_power(findings: list[Finding], outcome: Outcome) -> None:
    assert verdict(behaviour(*findings), [HELD]).outcome == outcome


def test_what_is_undetermined_on_the_far_side_of_gold_hides_nothing() -> None:
    far = [an_entry(f"m{i}", "undetermined", value=0.0, gap=-0.1, interval=(-0.2, 0.0)) for i in range(8)]
    assert verdict(far, [HELD]).outcome == "removed"


def test_what_is_undetermined_within_its_bound_passes() -> None:
    near = [an_entry(f"m{i}", "undetermined", gap=0.03, interval=(-0.02, 0.08)) for i in range(8)]
    assert verdict(near, [HELD]).outcome == "removed"


def test_a_policy_may_tolerate_some_misses_and_they_are_still_named() -> None:
    metrics = [*behaviour(*["like gold"] * 7), an_entry("forget_loss", "between")]
    found = verdict(metrics, [HELD], Policy(tolerated=0.2))
    assert found.outcome == "removed"
    assert len(found.failed) == 1
    assert verdict(metrics, [HELD], Policy(tolerated=0.0)).outcome == "not removed"
    assert verdict(metrics, [HELD], Policy(bounds={"forget_loss": 0.05})).outcome == "not removed", "it has its name"


def test_each_kind_of_metric_has_its_own_tolerance() -> None:
    attackers = [an_entry(f"mia {i}", "like gold", "privacy") for i in range(9)]
    assert verdict([*behaviour("between", "like gold"), *attackers], [HELD]).outcome == "not removed"
    assert (
        verdict(
            [*behaviour("like gold", "like gold", "like gold"), *attackers[1:], an_entry("mia", "between", "privacy")],
            [HELD],
        ).outcome
        == "removed"
    )


def test_the_failed_line_of_the_policy_is_named_with_the_values() -> None:
    found = verdict([an_entry("forget_loss", "between", unit="nats", bound=0.25)], [HELD])
    assert found.failed == ("bounds.nats: forget_loss is 0.4 nats [0.3 to 0.5] from gold, more than 0.25 nats",)
    named = Policy(bounds={"forget_accuracy": 0.01})
    assert (
        verdict([an_entry("forget_accuracy", "between")], [HELD], named)
        .failed[0]
        .startswith("bounds.forget_accuracy: forget_accuracy is 40.0 points [30.0 to 50.0] from gold")
    )


@pytest.mark.parametrize("finding", ["between", "like the original"])
def test_what_one_attack_brings_back_was_only_suppressed(finding: Finding) -> None:
    found = verdict(GOOD, [HELD, an_entry("Few-shot", finding, "recovery")])
    assert found.outcome == "suppressed"
    assert "Few-shot" in found.sentence


@pytest.mark.parametrize(
    ("share", "interval", "outcome"),
    [(0.5, (0.4, 0.6), "suppressed"), (0.5, (0.1, 0.9), "removed"), (0.1, (0.05, 0.15), "removed")],
)
def test_an_attack_is_judged_by_the_share_that_it_brings_back_beyond_gold(
    share: float, interval: tuple[float, float], outcome: Outcome
) -> None:
    attack = an_entry("Few-shot", "between", "recovery", recovered=share, recovered_interval=interval)
    assert verdict(GOOD, [attack]).outcome == outcome


def test_recovery_without_training_counts_as_an_attack() -> None:
    assert verdict([*GOOD, an_entry("mapping", "like the original", "recovery")], []).outcome == "suppressed"
    assert verdict([*GOOD, an_entry("mapping", "like gold", "recovery")], []).outcome == "removed"


def test_nothing_is_called_removed_that_no_attack_has_tried() -> None:
    found = verdict(GOOD, [])
    assert found.outcome == "inconclusive"
    assert "no attack was carried out" in found.sentence
    assert verdict(GOOD, [HELD], Policy(recoveries=2)).outcome == "inconclusive"


def test_attacks_without_power_are_not_boasted_of() -> None:
    found = verdict(GOOD, [an_entry("relearn", "no power", "recovery")])
    assert found.outcome == "removed"
    assert "as far as outputs show" in found.sentence


def test_distances_and_p_values_decide_nothing() -> None:
    distances = [an_entry(f"d{i}", "like the original", "distance") for i in range(9)]
    assert verdict([*GOOD, *distances, an_entry("forget_quality", "like the original")], [HELD]).outcome == "removed"


@pytest.mark.parametrize(
    ("power", "finding", "words"),
    [
        (Power(None, "there is no gold model"), "no gold", "no gold model"),
        (Power(None, "a single gold model: unknown"), "no power", "single gold model"),
        (Power(False, "indistinguishable"), "no power", "no metric that decides can tell"),
    ],
)
def test_an_inconclusive_verdict_says_why(power: Power, finding: Finding, words: str) -> None:
    found = verdict([an_entry("a", finding, power=power)], [])
    assert found.outcome == "inconclusive"
    assert words in found.sentence


def test_an_invalid_reference_is_named_and_nothing_is_concluded() -> None:
    invalid = Caution("gold 2", "it knows the forget set as the original does", invalidates=True)
    found = verdict(GOOD, [HELD], cautions=[Caution("holdout", "3 of 400 overlap"), invalid])
    assert found.outcome == "inconclusive"
    assert "gold 2 is no valid reference: it knows the forget set" in found.sentence
    assert verdict(GOOD, [HELD], cautions=[Caution("holdout", "3 of 400 overlap")]).outcome == "removed"


def test_what_the_policy_asks_for_must_have_been_carried_out() -> None:
    skipped = [{"name": "few_shot", "reason": "name a generator with --generator"}]
    found = verdict(GOOD, [HELD], Policy(attacks={"few_shot": {}}), skipped=skipped)
    assert found.outcome == "inconclusive"
    assert "the policy asks for few_shot" in found.sentence
    assert "name a generator" in found.sentence
    assert verdict(GOOD, [HELD], Policy(metrics=("forget_rouge",))).outcome == "inconclusive"


def test_the_original_passed_off_as_unlearned_fails() -> None:
    # Few examples: the intervals alone would not tell.
    assert verdict(behaviour(*["undetermined"] * 8), [], unchanged=True).outcome == "not removed"
    assert verdict(behaviour(*["no gold"] * 8), [], unchanged=True).outcome == "not removed"
    assert verdict(behaviour(*["no power"] * 8), [], unchanged=True).outcome == "inconclusive", "nothing to remove"


def test_eight_points_down_on_what_should_stay_is_not_removed() -> None:
    found = verdict([*GOOD[:-1], utility(0.95 - 0.08)], [HELD])
    assert found.outcome == "destroyed"
    assert "Test accuracy is 8.0 points below gold and original" in found.sentence
    assert found.failed[0].startswith("utility.%: Test accuracy is 8.0 points worse")
    for fine in (0.96, 0.945, 0.91):
        assert verdict([*GOOD[:-1], utility(fine)], [HELD]).outcome == "removed", fine
    assert verdict([*GOOD[:-1], utility(0.87, bound=0.1)], [HELD]).outcome == "removed", "what a gold seed may do"
    loss = utility(1.0, unit="nats", goal="min", original=0.2, gold_mean=0.1, bound=0.25)
    assert verdict([*GOOD[:-1], loss], [HELD]).outcome == "destroyed"


def test_damage_does_not_hide_what_is_left_or_comes_back() -> None:
    assert verdict([*behaviour(*["like the original"] * 4), utility(0.5)], [BACK]).outcome == "not removed"
    found = verdict([*behaviour(*["beyond gold"] * 4), utility(0.5)], [BACK])
    assert found.outcome == "suppressed"
    assert "damaged: Test accuracy is 45.0 points below" in found.sentence


def test_an_attacker_on_membership_does_not_save_a_destroyed_model() -> None:
    guess = an_entry("mia", "between", "privacy")
    assert verdict([*behaviour(*["beyond gold"] * 4), guess, utility(0.1)], [HELD]).outcome == "destroyed"


def test_a_group_that_was_left_behind_fails_where_the_average_passes() -> None:
    metrics = [*behaviour(*["like gold"] * 3), utility(0.98)]

    def judged(*findings: Finding, gap: float = 0.7, policy: Policy = Policy()) -> Verdict:  # noqa: B008
        groups = [on_group(f"metric {i}", finding, gap) for i, finding in enumerate(findings)]
        return verdict(metrics, [HELD], policy, groups=groups)

    found = judged("like the original", "between", "no power")
    assert found.outcome == "not removed"
    assert "person = Ann (2 of 2 metrics)" in found.sentence
    assert found.failed == ("groups: 2 of 2 metrics find person = Ann at least 50.0 % of the way to the original",)
    assert judged("between", "like gold", "like gold").outcome == "removed", "one metric by chance"
    assert judged("between", "between", "between", gap=0.2).outcome == "removed", "a quarter of the way"
    assert judged("no power", "no power", "no power").outcome == "removed"
    assert judged("between", "between", policy=Policy(groups=1.5)).outcome == "removed"


def test_wrong_answers_count_only_well_above_gold_and_in_a_model_that_is_whole() -> None:
    for weak in (false_confidence(0.3), false_confidence(0.5, half=0.6), false_confidence(0.5, bound=0.55)):
        assert verdict([*GOOD, weak], [HELD]).outcome == "removed"
    assert verdict([*GOOD, false_confidence(0.6, original=0.75)], [HELD]).outcome == "removed", "as the original"
    little = [an_entry("m", "between", value=0.3, gap=0.2), *GOOD, false_confidence(0.6)]
    assert verdict(little, [HELD]).outcome == "replaced", "wrong answers lend the right one their words"
    much = [an_entry(f"m{i}", "between", value=0.7, gap=0.6) for i in range(4)] + [*GOOD, false_confidence(0.6)]
    assert verdict(much, [HELD]).outcome == "not removed"
    found = verdict([*GOOD, false_confidence(0.6)], [BACK])
    assert found.outcome == "replaced"
    assert "Relearn brings back more" in found.sentence
    assert verdict([*GOOD[:-1], utility(0.2), false_confidence(0.6)], [HELD]).outcome == "destroyed"


FINDINGS: list[Finding] = ["like gold", "between", "like the original", "beyond gold", "undetermined", "no power"]
some = st.lists(st.sampled_from(FINDINGS), min_size=1, max_size=8)


def concluded(findings: list[Finding], recoveries: list[Finding], accuracy: float, wrong: float) -> Verdict:
    attacks = [an_entry(f"attack {i}", finding, "recovery") for i, finding in enumerate(recoveries)]
    return verdict([*behaviour(*findings), utility(accuracy), false_confidence(wrong)], attacks)


@given(findings=some, recoveries=some, accuracy=st.floats(0, 1), wrong=st.floats(0, 1))
def test_removed_is_said_only_where_nothing_failed(
    findings: list[Finding], recoveries: list[Finding], accuracy: float, wrong: float
) -> None:
    found = concluded(findings, recoveries, accuracy, wrong)
    assert found.outcome in OUTCOMES
    assert found.sentence.count("\n") == 0
    assert found.sentence.endswith(".")
    if found.outcome == "removed":
        assert len(found.failed) <= 0.25 * len(findings)
        assert accuracy >= 0.9
        assert not {"between", "like the original"} & {*recoveries}
    if set(findings) == {"no power"}:
        assert found.outcome == "inconclusive"


@given(findings=some, recoveries=some, accuracy=st.floats(0, 1))
def test_the_order_of_the_metrics_is_of_no_consequence(
    findings: list[Finding], recoveries: list[Finding], accuracy: float
) -> None:
    there, back = concluded(findings, recoveries, accuracy, 0), concluded(findings[::-1], recoveries[::-1], accuracy, 0)
    assert there.outcome == back.outcome


@given(findings=some, recoveries=some)
def test_another_attack_that_succeeds_never_makes_a_verdict_better(
    findings: list[Finding], recoveries: list[Finding]
) -> None:
    if concluded(findings, [*recoveries, "like the original"], 0.98, 0).outcome == "removed":
        raise AssertionError("removed, although an attack brought it back")


RECOVERED = an_entry("Relearn", "between", "recovery", recovered=0.6, recovered_interval=(0.4, 0.8))
LIKELY = [an_entry(f"likelihood {i}", "between") for i in range(3)]


@pytest.mark.parametrize("said", ["like gold", "beyond gold"])
def test_a_model_that_no_longer_says_it_and_can_be_made_to_is_suppressed(said: Finding) -> None:
    """A refusal: likelihoods still show the original, what it says does not, and an attack brings it back."""
    found = verdict([*LIKELY, an_entry("forget_rouge", said), utility(0.97)], [RECOVERED])
    assert found.outcome == "suppressed", found.sentence
    assert "Relearn brings back more" in found.sentence
    assert "likelihood 0" in found.sentence


@pytest.mark.parametrize("said", ["between", "like the original", "undetermined", "no power"])
def test_a_model_that_still_says_it_is_not_removed_whatever_attacks_find(said: Finding) -> None:
    assert verdict([*LIKELY, an_entry("forget_rouge", said), utility(0.97)], [RECOVERED]).outcome == "not removed"


def test_likelihoods_that_no_attack_brings_back_are_not_removed() -> None:
    assert verdict([*LIKELY, an_entry("forget_rouge", "like gold")], [HELD]).outcome == "not removed"


def test_a_model_that_still_says_it_of_some_people_is_not_removed() -> None:
    said = [*LIKELY, an_entry("forget_rouge", "like gold")]
    of_some = on_group("forget_rouge", "like the original")
    assert verdict(said, [RECOVERED], groups=[of_some]).outcome == "not removed"
    assert verdict(said, [RECOVERED], groups=[on_group("forget_rouge", "like gold", 0.0)]).outcome == "suppressed"
