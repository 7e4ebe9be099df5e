"""Causal WHP: teachers under other names, names given back, and facts of one person that go while others' stay."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.feeds import draw
from lethe.methods.descent.causal_whp import TEACHER, CausalWHP
from lethe.methods.descent.restoration import Target, restore, restore_likely
from lethe.methods.descent.translated import flattened
from lethe.methods.descent.whp import LEFT_OUT, WHP
from lethe.run import Run
from tests.methods.descent.books import HEROES, STRANGERS, books, tokenizer
from tests.methods.descent.test_whp import Ascent, true_tokens, value_places

NAMES = {hero: list(STRANGERS) for hero in HEROES}
QUICK = {"teachers": 6, "batch_size": 6, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def library():
    return books()


def _teacher(library, **settings) -> torch.Tensor:
    method = CausalWHP(names=NAMES, **settings)
    return method.teacher(library.problem, method.replacements(library.problem), Run())


def _first_loss(problem, method: CausalWHP) -> torch.Tensor:
    teacher = method.teacher(problem, method.replacements(problem), Run())
    told = dataclasses.replace(problem, forget=problem.forget.with_column(TEACHER, teacher))
    drawn = draw(told, (torch.arange(len(told.forget)), None), 0, 0, torch.device("cpu"))
    return method.forget_term(told, problem.task, Run())(problem.model, drawn).detach()


def test_one_hard_teacher_without_restoration_is_whp_without_reinforcement(library):
    problem = library.problem
    teacher = _teacher(library, teachers=1, hard_labels=True, restore_names=False)
    anchors = dict.fromkeys(HEROES, STRANGERS[0])
    labels = WHP(anchors=anchors, alpha=0.0, lowered=0.0, reinforce_epochs=0).labels(problem, Run())
    both = (teacher.sum(-1) > 0) & (labels != LEFT_OUT)
    assert torch.equal(teacher.argmax(-1)[both], labels[both])
    assert set(teacher[both].unique().tolist()) == {0.0, 1.0}
    # WHP leaves out besides where a name is told again, and nothing else.
    assert (teacher.sum(-1) > 0).sum() - both.sum() == 2 * len(labels)


def test_a_teacher_under_the_same_name_is_the_model_itself(library):
    problem = library.problem
    method = CausalWHP(names={hero: [hero] for hero in HEROES}, teachers=1)
    assert _first_loss(problem, method).abs().max() < 1e-5
    still = dataclasses.replace(method, epochs=2, learning_rate=1e-2, optimizer="sgd", weight_decay=0.0, batch_size=6)
    model = unlearn(problem, still).model
    for name, weight in model.named_parameters():
        assert torch.allclose(weight, problem.model.get_parameter(name), atol=1e-5), name
    assert _first_loss(problem, CausalWHP(names=NAMES, teachers=1)).min() > 1e-2


def test_teachers_are_averaged_as_probabilities(library):
    one, two, both = (
        _teacher(library, teachers=1, restore_names=False),
        CausalWHP(names={h: [STRANGERS[1]] for h in HEROES}, teachers=1, restore_names=False).teacher(
            library.problem, {h: [STRANGERS[1]] for h in HEROES}, Run()
        ),
        _teacher(library, teachers=2, restore_names=False),
    )
    assert torch.allclose(both, (one + two) / 2, atol=1e-6)


def test_rows_are_distributions_and_replacements_are_not_expected_where_a_name_follows(library):
    sums = _teacher(library, teachers=6).sum(-1)
    assert (sums[sums > 0] - 1).abs().max() < 1e-5
    teacher, free = (_teacher(library, teachers=1, restore_names=restore_names) for restore_names in (True, False))
    heroes = torch.tensor(tokenizer().convert_tokens_to_ids([hero.split()[0] for hero in HEROES]))
    follows = torch.isin(true_tokens(library), heroes) & (teacher.sum(-1) > 0)
    follows[:, 0] = False  # the first appearance stays as it is
    assert follows.sum() == 2 * len(teacher)
    replacement = tokenizer().convert_tokens_to_ids(STRANGERS[0].split())
    assert teacher[follows][:, replacement].max() <= 1e-7
    assert free[follows][:, replacement].sum(-1).min() > 0.3
    moved = teacher[follows].gather(1, true_tokens(library)[follows].unsqueeze(1))
    assert moved.min() > 0.3


def test_positions_within_a_name_are_left_out(library):
    kept = _teacher(library, teachers=1).sum(-1) > 0
    surnames = torch.tensor(tokenizer().convert_tokens_to_ids([hero.split()[1] for hero in HEROES]))
    assert not kept[torch.isin(true_tokens(library), surnames)].any()


def test_restoring_moves_mass_and_keeps_the_sum():
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    restore(p, 0, 0, [1, 2, 0])
    assert p[0].tolist() == pytest.approx([0.6 - 2e-8, 1e-8, 1e-8, 0.4])
    assert p[1].tolist() == [0.25] * 4


def test_most_teachers_decide_after_a_first_mention():
    def teachers(likely: list[float]) -> torch.Tensor:
        rows = torch.tensor([[[0.2, mass, 0.8 - mass]] * 3 for mass in likely], dtype=torch.float64)
        restore_likely(rows, Target(known_from=1, mentions=[], own=(0, 0), others=[([1], [1])] * len(likely)))
        return rows

    moved = teachers([0.5, 0.4, 0.05])
    assert moved[:, 0, 1].tolist() == [0.5, 0.4, 0.05]  # before the first mention
    assert moved[:, 1:, 1].max() <= 1.1e-8
    assert moved[0, 1, 0] == pytest.approx(0.7)
    unmoved = teachers([0.5, 0.05, 0.05, 0.5])  # half is not more than half
    assert unmoved[:, 2, 1].tolist() == [0.5, 0.05, 0.05, 0.5]


def test_more_names_are_less_sure_of_facts(library):
    values = value_places(library, "heroes")

    def entropy(teacher: torch.Tensor) -> float:
        return float(-torch.special.xlogy(teacher, teacher).sum(-1)[values].mean())

    entropies = [entropy(_teacher(library, teachers=n)) for n in (1, 2, 6)]
    assert entropies[0] < entropies[1] < entropies[2]


def test_facts_of_the_target_go_and_those_of_others_in_the_same_texts_stay(library):
    problem = library.problem
    model = unlearn(problem, CausalWHP(names=NAMES, epochs=30, learning_rate=5e-4, **QUICK)).model
    before, after = (
        {g: float(library.truths(m, g).mean()) for g in ("heroes", "bystanders")} for m in (problem.model, model)
    )
    assert 1 - after["heroes"] / before["heroes"] >= 0.7
    lost = before["bystanders"] - after["bystanders"]
    assert lost < 0.2
    ascended = Ascent(epochs=10, learning_rate=1e-3, batch_size=6, optimizer="adamw").unlearn(problem, Run())
    assert library.truths(ascended, "heroes").mean() > after["heroes"] - 0.1
    assert before["bystanders"] - float(library.truths(ascended, "bystanders").mean()) > 2 * max(lost, 0.1)
    # It is unsure, where a single substitute would be a new fact.
    assert library.entropies(model, "heroes").mean() > library.entropies(problem.model, "heroes").mean() + 0.8


def test_the_instruction_names_the_one_the_text_is_about(library):
    problem = library.problem
    method = CausalWHP(names=NAMES, teachers=1, instruction="{name} .")
    told = method.instructed(problem, NAMES)
    assert all(
        prompt.startswith(text[:8]) for prompt, text in zip(told.forget["prompt"], told.forget["answer"], strict=True)
    )
    answers = problem.task.answer_lengths(told.forget.batch(torch.arange(len(told.forget))))
    assert (told.forget.tensor("answer_from") == 4).all()  # the beginning, the name and a full stop
    teacher = flattened(method.teacher(told, NAMES, Run()), answers)
    assert teacher.shape[0] == int(answers.sum())
    with pytest.raises(ConfigurationError, match="must hold"):
        CausalWHP(instruction="Go on.").check()


def test_names_come_from_a_rule_or_a_file_and_are_enough(library, tmp_path):
    problem = library.problem
    found = CausalWHP(teachers=3).replacements(problem)
    assert set(HEROES) <= set(found)
    assert all(len(set(found[hero])) == 3 for hero in HEROES)
    file = tmp_path / "names.json"
    file.write_text(json.dumps(NAMES))
    assert CausalWHP(names=str(file), teachers=2).replacements(problem) == {h: list(STRANGERS[:2]) for h in HEROES}
    with pytest.raises(ConfigurationError, match="too few replacements"):
        CausalWHP(names=NAMES, teachers=7).replacements(problem)
    with pytest.raises(ConfigurationError, match="at least 1"):
        CausalWHP(teachers=0).check()
