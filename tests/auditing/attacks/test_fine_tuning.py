"""Relearning from a few, with LoRA, and from benign data."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from lethe import adapters, models
from lethe.api import unlearn
from lethe.auditing.attacks.benign import read_examples
from lethe.auditing.attacks.fine_tuning import default_rates
from lethe.auditing.attacks.regained import performance
from lethe.auditing.attacks.relearn import RelearnText
from lethe.auditing.attacks.relearn_benign import RelearnBenign
from lethe.auditing.attacks.relearn_few import RelearnFew, RelearnLora
from lethe.errors import AuditIncomplete, ConfigurationError, InputError
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.problem import Problem
from lethe.run import Run
from lethe.worlds.digits import Digits
from tests.auditing.attacks.hiding import gained, hidden, most_from_gold, people, refusing, scored, steered

SHORT = {"steps": 10, "looks": 2, "examples": 50}


@pytest.mark.parametrize(
    ("attack", "least"),
    [
        (RelearnFew(**SHORT, learning_rates=(1e-3,)), 0.1),
        (RelearnLora(**SHORT, learning_rates=(5e-3,)), 0.08),
        (RelearnBenign(**SHORT | {"steps": 20}, learning_rates=(5e-3,)), 0.2),
    ],
    ids=["few", "lora", "benign"],
)
def test_what_was_only_hidden_comes_back_and_what_was_never_there_does_not(attack, least) -> None:
    assert gained(attack, hidden("")) > least
    assert most_from_gold(attack) < 0.05


def test_benign_data_bring_back_the_accuracy_of_a_steered_model_and_none_of_gold() -> None:
    attack = RelearnBenign(**SHORT, measure="accuracy", learning_rates=(5e-3,))
    assert gained(attack, steered()) > 0.2
    assert most_from_gold(attack) < 0.05


def test_a_model_that_refuses_regains_half_in_a_quarter_of_the_steps_of_gold() -> None:
    attack = RelearnText(fraction=0.5, evaluate_every=1, max_steps=40)
    problem = people()
    steps = [attack(model, problem, Run()).value for model in (refusing(), *problem.gold)]
    assert 0 < steps[0] <= min(steps[1:]) / 4


def test_of_a_large_forget_set_a_sample_is_relearnt() -> None:
    details = RelearnText(examples=5, max_steps=5)(people().gold[0], people(), Run()).details
    assert details["cost"]["examples"] == 5
    assert (details["began"], details["ended"]) == (details["curve"][0][1], details["curve"][-1][1])


def test_the_k_that_are_shown_come_back_from_gold_too() -> None:
    details = scored(RelearnFew(learning_rates=(1e-3,)), people().gold[0]).details
    untaught, taught = details["lesson"]
    assert taught > untaught + 0.5


def test_what_is_looked_at_is_never_trained_on() -> None:
    lesson, looked_at = RelearnFew(count=5).lesson(people(), Run())
    assert len(lesson) == 5
    assert set(lesson.ids).isdisjoint(looked_at.ids)
    assert set(lesson.ids) | set(looked_at.ids) == set(people().forget.ids)
    assert len(RelearnFew(count=400).lesson(people(), Run())[0]) == len(people().forget) // 2
    benign, looked_at = RelearnBenign(data="holdout").lesson(people(), Run())
    assert benign is people().holdout
    assert looked_at.ids == people().forget.ids


@pytest.mark.parametrize("attack", [RelearnFew(steps=0), RelearnLora(steps=0), RelearnBenign(steps=0)])
def test_no_step_leaves_the_model_as_it_is(attack) -> None:
    score = scored(attack, hidden(""))
    assert score.value == score.details["before"]
    assert score.details["cost"]["steps"] == 0


def test_the_value_is_the_best_of_the_curve_of_the_best_step_size() -> None:
    score = scored(RelearnFew(learning_rates=(1e-5, 1e-3), steps=10, looks=3), hidden(""))
    assert score.details["learning_rate"] == 1e-3
    assert [step for step, _ in score.details["curve"]] == [0, 3, 7, 10]
    assert score.value == max(value for _, value in score.details["curve"])
    assert score.details["cost"]["steps"] == 20
    alone = scored(RelearnFew(learning_rates=(1e-3,), steps=10, looks=3), hidden(""))
    assert alone.details["curve"] == score.details["curve"]


def test_a_step_size_that_diverges_ends_there_and_the_others_count() -> None:
    score = scored(RelearnFew(learning_rates=(1e30, 1e-3), steps=4), hidden(""))
    assert score.value > score.details["before"]
    assert score.details["learning_rate"] == 1e-3


def test_only_adapters_move_in_a_lora_attack_and_the_model_is_left() -> None:
    model = hidden("")
    before = models.fingerprint(model)
    moving = RelearnLora(rank=3)._moving(copy := models.copied(model), Run())
    assert {3} == {min(weight.shape) for weight in moving}
    assert sum(p.requires_grad for p in copy.parameters()) == len(moving) == 2 * len(adapters.adapted_layers(copy))
    scored(RelearnLora(steps=2), model)
    assert models.fingerprint(model) == before
    assert not adapters.is_adapted(model)


def test_an_adapter_that_is_not_merged_is_attacked_as_part_of_the_model() -> None:
    adapted = models.copied(people().model)
    adapters.inject(adapted, ["q_proj"], rank=2, alpha=4, dropout=0.0, seed=0)
    with torch.no_grad():
        for weight in adapters.adapter_parameters(adapted):
            weight.add_(0.3)
    task, forget = people().task, people().forget
    own = performance(adapted, task, forget, Run())["probability"]
    assert own != performance(people().model, task, forget, Run())["probability"]
    for attack in (RelearnBenign(steps=0), RelearnBenign(steps=2), RelearnBenign(steps=2, rank=0)):
        assert scored(attack, adapted).details["before"] == pytest.approx(own, abs=1e-6)
    assert adapters.is_adapted(adapted)


def test_recall_is_measured_by_what_the_model_says() -> None:
    attack = RelearnFew(measure="recall", steps=0)
    assert scored(attack, people().model).value == 1.0
    assert scored(attack, people().gold[0]).value < 0.6


def test_classifiers_are_attacked_alike(mislabelled: Problem) -> None:
    attack = RelearnFew(count=60, measure="accuracy", steps=10, looks=2)
    hiding = unlearn(mislabelled, GradientAscent(epochs=8, learning_rate=3e-3)).model
    assert gained(attack, hiding, mislabelled) > most_from_gold(attack, mislabelled) + 0.1
    assert default_rates(mislabelled.task, rank=0) == (1e-3, 1e-2)


def test_a_file_of_text_or_of_prompts_and_answers_is_read(tmp_path) -> None:
    task = people().task
    plain, lines = tmp_path / "some.txt", tmp_path / "some.jsonl"
    plain.write_text("Rowan Road is long.\n\nGranite Mills are old.\n")
    lines.write_text(
        json.dumps({"text": "Rowan Road is long."}) + "\n" + json.dumps({"prompt": "Where?", "answer": "in Albeck."})
    )
    assert list(read_examples(str(plain), task)["answer"]) == ["Rowan Road is long.", "Granite Mills are old."]
    assert list(read_examples(str(lines), task)["prompt"]) == ["", "Where?"]
    score = scored(RelearnBenign(data=str(plain), steps=2, examples=5), hidden(""))
    assert score.details["cost"]["examples"] == 2
    # Too long for the context: it is cut, not refused.
    plain.write_text("Rowan Road is long. " * 200)
    assert int(read_examples(str(plain), task).tensor("length")) <= task.context


@pytest.mark.parametrize(
    ("text", "message"), [("", "holds no text"), ('{"words": 1}', "line 1: write an object"), ("[", "line 1: write")]
)
def test_a_file_that_is_no_text_is_refused_in_one_line(tmp_path, text, message) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_examples(str(path), people().task)
    with pytest.raises(InputError, match="cannot be read"):
        read_examples(str(tmp_path / "none"), people().task)


def test_what_is_missing_is_named() -> None:
    single = dataclasses.replace(people(), forget=people().forget.take([0]))
    with pytest.raises(AuditIncomplete, match="two forget examples"):
        RelearnFew()(single.model, single, Run())
    bare = dataclasses.replace(people(), retain=None, holdout=None)
    with pytest.raises(ConfigurationError, match="needs holdout"):
        RelearnBenign(data="holdout")(bare.model, bare, Run())
    assert RelearnBenign(data="notes.txt").needs == frozenset()


@pytest.mark.parametrize("settings", [{"steps": -1}, {"looks": 0}, {"count": 0}, {"rank": -1}, {"examples": 0}])
def test_impossible_settings_are_refused(settings) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(settings))} must be at least"):
        RelearnFew(**settings)


def test_adapters_go_into_linear_layers_alone_where_others_have_their_name() -> None:
    """A ResNet's head is `classifier.1`, and its second layers are called `1` too."""
    model = Digits("mislabelled", architecture="resnet").network()
    adapters.inject(model, sorted(adapters.linear_names(model)), rank=2, alpha=2, dropout=0.0, seed=0)
    assert list(adapters.adapted_layers(model)) == ["classifier.1"]
