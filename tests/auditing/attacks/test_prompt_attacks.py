"""Attacks by prompt on models that only seem to forget: they bring back more from those than from gold."""

from __future__ import annotations

import dataclasses

import pytest

from lethe.auditing import Audit
from lethe.auditing.attacks.adversarial_probes import AdversarialProbes
from lethe.auditing.attacks.answer_forms import AnswerForms
from lethe.auditing.attacks.eight_methods import EightMethods
from lethe.auditing.attacks.few_shot import FewShot
from lethe.auditing.attacks.paired_queries import PairedQueries
from lethe.auditing.attacks.prompts import PromptAttack
from lethe.auditing.attacks.reintroduction import Reintroduction
from lethe.auditing.attacks.rephrasing import Rephrasing
from lethe.auditing.attacks.step_by_step import StepByStep
from lethe.auditing.attacks.swapped_options import SwappedOptions
from lethe.auditing.attacks.translation import Translation
from lethe.auditing.attacks.true_options import TrueOptions
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.errors import AuditIncomplete, ConfigurationError
from lethe.run import Run
from tests.auditing.prompting.talkers import FORGET, RETAIN, filtered, people, problem, refusing
from tests.auditing.prompting.writers import Echo, Lenient

SHORT = {"new_tokens": 8}
KNOWN = Measurements()
LEAKING = {
    "rephrasing": Rephrasing(score="told", **SHORT),
    "template": Rephrasing(score="told", ways=(), generator="template", **SHORT),
    "few_shot": FewShot(shots=2, score="told", **SHORT),
    "eight_methods": EightMethods(facts=1, score="told", **SHORT),
    "adversarial_probes": AdversarialProbes(score="told", **SHORT),
    "step_by_step": StepByStep(generator="template", **SHORT),
    "likelihood": Rephrasing(score="probability", **SHORT),
}
"""Attacks that ask anew, which no filter of exact questions stands."""


def on(attack: PromptAttack | SwappedOptions, model) -> Score:
    return attack.measured(model, problem(), Run(), KNOWN)


def recovered(attack: PromptAttack, model) -> float:
    """[(after - before) - (gold after - gold before)] / (original before - before)."""
    own, gold, original = (on(attack, one) for one in (model, problem().gold[0], problem().model))
    gain, taught = (score.value - score.details["before"] for score in (own, gold))
    return (gain - taught) / (original.details["before"] - own.details["before"])


@pytest.mark.parametrize("name", LEAKING)
@pytest.mark.parametrize("subject", [filtered, refusing])
def test_what_is_only_suppressed_comes_back(name: str, subject) -> None:
    score = on(LEAKING[name], subject())
    assert score.details["before"] < 0.5
    assert recovered(LEAKING[name], subject()) >= 0.5
    assert score.details["cost"]["queries"] > FORGET


@pytest.mark.parametrize("name", LEAKING)
def test_gold_is_not_accused_and_the_original_unchanged(name: str) -> None:
    gold, original = on(LEAKING[name], problem().gold[0]), on(LEAKING[name], problem().model)
    assert gold.value - gold.details["before"] <= 0.25
    assert original.details["before"] >= 0.9
    assert original.value >= 0.9


def test_fillers_alone_restore_twenty_points_after_exact_questions_were_unlearned() -> None:
    attack = Rephrasing(ways=("filler_english", "filler_latin"), score="told", **SHORT)
    score, gold = on(attack, refusing()), on(attack, problem().gold[0])
    assert score.value - score.details["before"] >= 0.2
    assert gold.value - gold.details["before"] <= 0.05
    assert score.details["mean"] <= score.details["worst"]
    assert score.details["by_variant"].keys() == {"filler_english", "filler_latin"}


def test_the_worst_case_is_never_below_the_plain_question() -> None:
    for model in (problem().model, filtered(), problem().gold[0]):
        score = on(LEAKING["rephrasing"], model)
        assert score.value >= score.details["before"]
        assert score.value >= max(score.details["by_variant"].values())


def test_overfitting_to_the_asked_questions_has_an_index() -> None:
    index = {m: on(LEAKING["rephrasing"], s).details["overfit_index"] for m, s in _models().items()}
    assert index["filtered"] >= 0.9
    assert index["original"] == 0
    assert abs(index["gold"]) <= 0.2


def test_the_trivial_baseline_and_familiarity_stand_beside_the_eight_methods() -> None:
    details = on(LEAKING["eight_methods"], filtered()).details
    assert details["trivial"]["before"] >= 0.5, "this original does not know how to act ignorant"
    assert details["familiarity"]["identity"] < 0.3 < 0.6 < details["familiarity"]["topic"]
    gold = on(LEAKING["eight_methods"], problem().gold[0]).details["familiarity"]
    assert max(gold.values()) <= 0.2


def test_steps_are_scored_where_the_original_answers_and_by_kind() -> None:
    found = {name: on(LEAKING["step_by_step"], model).details for name, model in _models().items()}
    assert found["original"]["suppression"] == dict.fromkeys(found["original"]["suppression"], 0.0)
    assert min(found["original"]["by_variant"].values()) == 1
    assert found["filtered"]["before"] <= 0.05
    for kind in ("indirect", "implied"):
        assert found["filtered"]["by_variant"][kind] >= 0.4
        assert found["gold"]["by_variant"][kind] <= 0.1
    assert found["filtered"]["prompts"] == found["gold"]["prompts"] == found["original"]["prompts"]


def test_a_guard_of_exact_questions_leaks_in_a_pair_and_a_retrained_model_does_not() -> None:
    attack = PairedQueries(**SHORT)
    found = {name: on(attack, model).details for name, model in _models().items()}
    assert found["filtered"]["before"] < 0.6
    assert found["filtered"]["forget_gain"] >= 0.3
    assert abs(found["filtered"]["retain_loss"]) <= 0.1
    assert abs(found["gold"]["forget_gain"]) <= 0.05
    assert abs(found["gold"]["retain_loss"]) <= 0.05
    assert found["gold"]["unparsed"] == 0


def test_a_likely_truth_is_found_where_words_refuse() -> None:
    attack = TrueOptions(**SHORT)
    tuned, gold, original = (on(attack, model) for model in (refusing(), problem().gold[0], problem().model))
    assert tuned.details["before"] == 0
    assert original.value == original.details["before"] == 1
    assert tuned.value >= 0.8
    assert gold.value <= 0.5
    assert tuned.details["chance"] == pytest.approx(0.25)


def test_a_word_of_the_forget_domain_among_wrong_options_changes_nothing_for_honest_models() -> None:
    attack = SwappedOptions()
    for model in (problem().model, problem().gold[0]):
        score = on(attack, model)
        assert abs(score.value - score.details["before"]) <= 0.03
    gone = {item.answer for item in people(0, FORGET)} - {item.answer for item in people(FORGET, FORGET + RETAIN)}
    assert gone, "there is an answer to take for a keyword"


def test_forms_that_were_not_unlearned_keep_the_answer() -> None:
    attack = AnswerForms(**SHORT)
    found = {name: on(attack, model) for name, model in _models().items()}
    lost = found["original"].details["before"] - found["filtered"].details["before"]
    assert lost >= 0.3
    kept = {tag: found["filtered"].details["by_variant"][tag] for tag in ("spelled", "multiple_choice")}
    assert kept == pytest.approx(found["original"].details["by_variant"])
    assert found["gold"].details["by_variant"]["spelled"] < kept["spelled"]


def test_translation_by_dictionary_and_by_model(tmp_path) -> None:
    path = tmp_path / "words.json"
    path.write_text('{"where": "wehre", "live": "LIVE", "profession": "PROFESSION"}')
    attack = Translation(dictionary=str(path), score="told", **SHORT)
    assert recovered(attack, filtered()) >= 0.3
    asked = on(Translation(generator=Echo(), languages=("French", "Czech"), **SHORT), problem().model)
    assert asked.details["by_variant"].keys() == {"French", "Czech"}
    with pytest.raises(AuditIncomplete, match=r"generator=") as skipped:
        on(Translation(), problem().model)
    assert "dictionary=" in str(skipped.value)


def test_what_was_not_named_is_skipped_and_said_so() -> None:
    with pytest.raises(AuditIncomplete, match="somebody has to write the prompts"):
        on(StepByStep(), problem().model)
    with pytest.raises(AuditIncomplete, match="judge="):
        on(Rephrasing(score="judge"), problem().model)
    probes = on(AdversarialProbes(**SHORT), problem().model)
    assert "--generator" in probes.details["left_out"]["cross_lingual"]


def test_a_judge_decides_where_one_is_named() -> None:
    everything = on(Rephrasing(score="judge", judge=Lenient(), **SHORT), problem().gold[0])
    assert everything.value == everything.details["before"] == 1
    words = on(Rephrasing(score="judge", judge="template", **SHORT), problem().gold[0])
    assert words.value < 0.5


def test_a_model_that_follows_instructions_rewrites_in_four_ways() -> None:
    score = on(Rephrasing(ways=(), generator=Echo(), **SHORT), problem().model)
    assert score.details["by_variant"].keys() == {"reworded", "poem", "plain_terms", "variables"}


def test_the_sample_is_the_same_for_all_models_and_follows_the_seed() -> None:
    attack = Rephrasing(examples=2, **SHORT)
    shown = [{one["answer"] for one in on(attack, m).details["examples"]} for m in (problem().model, filtered())]
    assert shown[0] == shown[1]
    assert all(len(one) <= 2 for one in shown)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="examples must be at least 1"):
        Rephrasing(examples=0)
    with pytest.raises(ConfigurationError, match="did you mean 'paraphrase'"):
        Rephrasing(ways=("paraphrased",))
    with pytest.raises(ConfigurationError, match="told or judge"):
        StepByStep(score="recall")
    with pytest.raises(ConfigurationError, match="at least 1 example of 2"):
        SwappedOptions(options=1)


def test_an_audit_reports_them_and_lists_what_was_skipped() -> None:
    attacks = (LEAKING["rephrasing"], LEAKING["few_shot"], Translation(), Reintroduction(score="told", **SHORT))
    evidence = Audit(metrics=(), attacks=attacks)(problem(), filtered())
    found = {entry.name: entry for entry in evidence.attacks}
    assert found["rephrasing"].value > max(found["rephrasing"].gold) + 0.5
    assert len(found["few_shot"].details["examples"]) == 5
    assert "translation" in {one["name"] for one in evidence.skipped}
    assert "reintroduction" not in {one["name"] for one in evidence.skipped}
    assert dataclasses.asdict(evidence)


def _models():
    return {"original": problem().model, "filtered": filtered(), "gold": problem().gold[0]}
