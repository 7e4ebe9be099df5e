"""References that cannot be trusted are named, and sound ones are left alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from peft import LoraConfig

from lethe import models
from lethe.auditing import Audit
from lethe.auditing.metric import Rows
from lethe.auditing.metrics.accuracy import ForgetLoss
from lethe.auditing.metrics.answers import ForgetProbability
from lethe.auditing.references import gold_that_saw, overlaps, structures, weights_alike
from lethe.examples import Examples, concatenate
from lethe.problem import Problem
from lethe.tasks import Classification
from lethe.testing.language import tiny_language_problem
from lethe.worlds.people import People
from tests.auditing.metrics.made import made, with_probability

QUICK = Audit(metrics=(ForgetLoss(),), attacks=(), resamples=5)


def knows(forget: float, retain: float = 0.95, holdout: float = 0.3) -> Rows:
    sets = {"forget": forget, "retain": retain, "holdout": holdout}
    return made(**{name: with_probability(torch.full((20,), p), classes=10) for name, p in sets.items()})


def named(*golds: float, original: float = 0.9, **rest: float) -> list[str]:
    rows = {f"gold {i}": knows(p, **rest) for i, p in enumerate(golds, start=1)}
    return [caution.about for caution in gold_that_saw(knows(original, **rest), rows)]


def test_one_gold_model_that_saw_the_forget_set_is_named() -> None:
    assert named(0.2, 0.88, 0.25) == ["gold 2"]
    assert named(0.88, 0.2) == ["gold 1"]
    assert named(0.88, 0.9, 0.2, holdout=0.94) == ["gold 1", "gold 2"]


def test_gold_models_that_all_saw_it_are_told_by_the_holdout() -> None:
    assert named(0.88, 0.9) == ["gold 1", "gold 2"]
    assert named(0.9) == ["gold 1"]


def test_sound_gold_models_are_left_alone() -> None:
    assert named(0.2, 0.35, 0.3) == []
    assert named(0.85, 0.86, original=0.9, holdout=0.88) == [], "a forget set that everybody can guess"
    assert named(0.88, 0.9, holdout=0.94) == [], "without a gap between retain and holdout nothing can be told"


def test_the_warning_says_how_it_was_found_out() -> None:
    (caution,) = gold_that_saw(knows(0.9), {"gold 1": knows(0.2), "gold 2": knows(0.88)})
    assert caution.invalidates
    assert "88 %, against 20 % in the other gold models and 90 % in the original" in caution.sentence


def test_weights_that_are_somebody_elses() -> None:
    found = weights_alike("u", "o", ["o", "g", "u", "g"])
    assert [(caution.about, caution.invalidates) for caution in found] == [
        ("gold 1", True), ("gold 3", False), ("gold 4", False)
    ]  # fmt: skip
    assert [caution.about for caution in weights_alike("o", "o", ["g"])] == ["unlearned"]


def images(prefix: str, values: list[float]) -> Examples:
    return Examples.of(prefix=prefix, input=torch.tensor(values).unsqueeze(1), label=torch.zeros(len(values)).long())


def test_the_same_content_under_other_names_is_found() -> None:
    task = Classification(classes=2)
    sets = {"forget": images("f", [1, 2]), "retain": images("r", [3, 4, 5]), "holdout": images("h", [6, 2, 7])}
    (found,) = overlaps(task, sets)
    assert found.about == "holdout"
    assert found.invalidates
    assert "1 of its 3 examples are in the forget set too (for one 'h1')" in found.sentence
    many = images("h", [2, *range(100, 150)])
    rare = overlaps(task, {"forget": images("f", [2, *range(200, 250)]), "holdout": many})
    assert [caution.invalidates for caution in rare] == [False]
    assert overlaps(task, {**sets, "holdout": images("h", [6, 7])}) == []


def test_texts_overlap_however_they_are_padded() -> None:
    problem = tiny_language_problem()
    retain = problem.kept
    copied = Examples(("again",), retain.take([2]).columns)
    wider = copied.with_column("tokens", torch.nn.functional.pad(copied.tensor("tokens"), (0, 3)))
    sets = {"forget": problem.forget, "retain": retain, "holdout": wider}
    assert [c.about for c in overlaps(problem.task, sets)] == ["holdout"]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def leaked(mislabelled: Problem) -> Problem:
    """The second gold model was trained on the forget set as well."""
    assert mislabelled.retrain is not None
    everything = concatenate(mislabelled.kept, mislabelled.forget)
    golds = (mislabelled.gold[0], mislabelled.retrain(everything, 7), mislabelled.gold[1])
    return dataclasses.replace(mislabelled, gold=golds)


def test_an_audit_beside_a_leaked_gold_model_concludes_nothing(leaked: Problem) -> None:
    evidence = QUICK(leaked, leaked.gold[0])
    assert evidence.verdict.outcome == "inconclusive"
    assert "gold 2 is no valid reference: it seems to have been trained on the forget set" in evidence.verdict.sentence


def test_gold_that_is_the_original_invalidates_an_audit(mislabelled: Problem) -> None:
    problem = dataclasses.replace(mislabelled, gold=(models.copied(mislabelled.model), *mislabelled.gold[:2]))
    evidence = QUICK(problem, mislabelled.gold[2])
    assert evidence.verdict.outcome == "inconclusive"
    assert "gold 1 is no valid reference: its weights are those of the original" in evidence.verdict.sentence


def test_a_sound_problem_of_images_or_texts_has_no_warnings(mislabelled: Problem) -> None:
    assert QUICK(mislabelled, mislabelled.gold[0]).warnings[0].about == "gold 1"
    others = dataclasses.replace(mislabelled, gold=mislabelled.gold[1:])
    assert QUICK(others, mislabelled.gold[0]).warnings == ()
    texts = tiny_language_problem()
    quick = dataclasses.replace(QUICK, metrics=(ForgetProbability(),))
    assert quick(dataclasses.replace(texts, gold=texts.gold[1:]), texts.gold[0]).warnings == ()


def test_a_model_that_is_built_otherwise_is_named_and_still_judged() -> None:
    """A gold model of another width is another architecture; an original with adapters is not."""
    original, wider = People.tiny().network(), People.tiny(width=32).network()
    adapted: Any = models.copied(original)
    adapted.add_adapter(LoraConfig(r=2, target_modules=["q_proj"]))
    (found,) = structures(original, {"unlearned": adapted, "gold 1": models.copied(original), "gold 2": wider})
    assert (found.about, found.invalidates) == ("gold 2", False)
    assert "'model.embed_tokens.weight' is 1024 x 64 there and 1024 x 32 here" in found.sentence


def test_a_gold_model_that_is_the_original_is_named_once(mislabelled: Problem) -> None:
    beside = dataclasses.replace(mislabelled, gold=(mislabelled.model, *mislabelled.gold))
    evidence = Audit(metrics=(ForgetLoss(),), attacks=(), resamples=0)(beside, mislabelled.gold[0])
    assert [one.about for one in evidence.warnings if one.invalidates] == ["gold 1"]
    assert evidence.verdict.sentence.count("gold 1") == 1
