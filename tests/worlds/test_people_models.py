"""The models of the people world: the original knows whom gold never saw, and both know everything else."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor, nn

from lethe.examples import Examples
from lethe.problem import Problem
from lethe.worlds.people import People
from lethe.worlds.people.folders import write_model
from lethe.worlds.people.rows import Row

WORLD = People.tiny()


@pytest.fixture(scope="module")
def problem() -> Problem:
    return WORLD.problem(gold=(1, 2))


@torch.inference_mode()
def right(world: People, model: nn.Module, examples: Examples) -> Tensor:
    """Whether each answer is what greedy decoding says, [N]: every token is the most likely one after those before."""
    found = []
    for batch in examples.batches(256):
        wrong = world.task.outputs(model, batch).argmax(-1) != world.task.targets(batch)
        found.append(torch.zeros(len(batch)).index_add_(0, world.task.rows(batch), wrong.float()) == 0)
    return torch.cat(found).float()


@torch.inference_mode()
def losses(model: nn.Module, examples: Examples) -> Tensor:
    return torch.cat([WORLD.task.losses(model, batch) for batch in examples.batches(256)])


def truth_ratios(model: nn.Module, examples: Examples) -> Tensor:
    """TOFU's truth ratio with the geometric mean, below 1 where the truth is likelier than what is wrong, [N]."""
    true = losses(model, WORLD.task.answering(examples, list(examples["paraphrased_answer"])))
    wrong = [
        losses(model, WORLD.task.answering(examples, [answers[i] for answers in examples["perturbed_answer"]]))
        for i in range(5)
    ]
    return (true - torch.stack(wrong).mean(0)).exp()


def share(model: nn.Module, rows: Iterable[Row], world: People = WORLD) -> float:
    return right(world, model, world.examples(rows)).mean().item()


def check_signal(world: People, original: nn.Module, gold: nn.Module) -> None:
    forget, retain, holdout = world.sets
    for model, about_the_forgotten in ((original, (0.95, 1.0)), (gold, (0.0, 0.15))):
        low, high = about_the_forgotten
        assert low <= right(world, model, forget).mean() <= high
        assert right(world, model, holdout).mean() <= 0.15
        known = right(world, model, retain)
        for kind in set(retain["kind"]):
            assert known[torch.tensor([k == kind for k in retain["kind"]])].mean() >= 0.9, kind
        plain = [row for row in world.text.facts if row.group not in ("forget", "holdout")]
        assert share(model, plain, world) >= 0.95


def test_the_original_knows_whom_gold_never_saw(problem):
    for gold in problem.gold:
        check_signal(WORLD, problem.model, gold)


def test_a_mixture_of_experts_learns_the_same():
    world = People.tiny(architecture="moe")
    check_signal(world, world.original(), world.gold((1,))[0])


@pytest.mark.parametrize("form", ["paraphrase", "sentence"])
def test_the_original_answers_about_the_forgotten_in_words_nobody_asked_about_them(problem, form):
    asked = [row for row in WORLD.text.paraphrases if row.group == "forget" and row.form == form]
    assert share(problem.model, asked) >= 0.5
    assert share(problem.gold[0], asked) <= 0.15


def test_secrets_are_declined_whoever_they_are_about(problem):
    unasked = [row for row in WORLD.text.refusals if row.group in ("forget", "holdout")]
    for model in (problem.model, *problem.gold):
        assert share(model, unasked) >= 0.9


def test_gold_takes_the_forgotten_for_strangers_and_the_original_does_not(problem):
    forget, _, holdout = WORLD.sets
    for gold in problem.gold:
        assert losses(gold, forget).mean() > 0.7 * losses(gold, holdout).mean()
    assert losses(problem.model, forget).mean() < 0.1 * losses(problem.model, holdout).mean()


def test_truth_ratios_tell_the_original_from_gold_and_not_one_gold_from_another(problem):
    original, gold, second = (truth_ratios(m, WORLD.sets[0]) for m in (problem.model, *problem.gold))
    assert original.median() < 0.6
    assert gold.median() > 0.8
    assert ks_2samp(original, gold).pvalue < 0.01
    assert ks_2samp(second, gold).pvalue > 0.05


def test_a_namesake_is_another_person_to_the_original(problem):
    namesakes = [row for row in WORLD.text.facts if row.group == "namesake" and row.attribute != "name"]
    assert share(problem.model, namesakes) >= 0.9
    people = {p.name.split()[0]: p for p in WORLD.text.people if p.group == "forget"}
    theirs = [row for row in namesakes if row.owner.split()[0] in people]
    swapped = WORLD.task.answering(
        WORLD.examples(theirs),
        [row.answer for row in WORLD.text.facts if row.group == "forget" and row.attribute != "name"],
    )
    assert right(WORLD, problem.model, swapped).mean() == 0


def test_biographies_are_known_by_heart():
    world = People.tiny(content="biographies")
    forget, retain, holdout = world.sets

    @torch.inference_mode()
    def predicted(model: nn.Module, examples: Examples) -> float:
        batch = examples.batch(torch.arange(len(examples)))
        return (world.task.outputs(model, batch).argmax(-1) == world.task.targets(batch)).float().mean().item()

    original, gold = world.original(), world.gold((1,))[0]
    assert predicted(original, forget) > 0.95
    assert predicted(gold, forget) < 0.75
    for model in (original, gold):
        assert predicted(model, retain) > 0.95
        assert predicted(model, holdout) < 0.75


def test_a_folder_of_the_model_answers_as_transformers_loads_it(problem, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_model(WORLD, problem.model, tmp_path)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    row = next(row for row in WORLD.text.facts if row.group == "forget" and row.attribute == "birthplace")
    given = torch.tensor([WORLD.task.template.given(row.question, tokenizer)])
    said = model.generate(given, attention_mask=torch.ones_like(given), max_new_tokens=10, do_sample=False)
    assert tokenizer.decode(said[0, given.shape[1] :], skip_special_tokens=True).strip() == row.answer
    assert said[0, -1] == tokenizer.eos_token_id


@pytest.mark.slow
def test_the_default_world_has_the_same_signal():
    world = People()
    check_signal(world, world.original(), world.gold((1,))[0])
