"""Parametric traces, card 011: the reading of value vectors, the finder, and what suppression leaves in the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe import models
from lethe.api import unlearn
from lethe.auditing.attacks.concept_vectors import ConceptVectors
from lethe.auditing.concept_finder import find_concept_vectors, words_of
from lethe.auditing.concept_vectors import Trace, change, token_jaccard, trace
from lethe.auditing.text.bleu import bleu
from lethe.errors import AuditIncomplete, ConfigurationError, InputError
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.methods.descent.needle import Needle
from lethe.methods.descent.npo import NPO
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.tasks.value_vectors import value_matrices
from lethe.testing.language import tiny_language_problem, tiny_language_task, tiny_llama
from lethe.worlds.people import People
from tests.planted import planted
from tests.planted_concept import LAYER, UNIT, answers, planted_concept

CONCEPT = ["Ada", "Lutu", "baker", "Osk"]


def tiny_gpt2(vocabulary: int) -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=vocabulary, n_embd=32, n_inner=48, n_layer=2, n_head=2, n_positions=64)
        ).eval()


MODELS = {"llama": lambda size: tiny_llama(size, 0), "gpt2": tiny_gpt2}


def plant(task: CausalLM, model: nn.Module, layer: int, unit: int) -> None:
    """Let a value vector speak for the concept's words first."""
    vector = value_matrices(task, model)[layer].vector(unit)
    tokens = [task.tokenizer.convert_tokens_to_ids(word) for word in CONCEPT]
    rows = task.head(model).get_parameter("weight").detach()
    wanted = torch.zeros(len(rows), 1)
    wanted[tokens] = 10.0
    vector.copy_(torch.linalg.lstsq(rows, wanted).solution[:, 0])


def named(problem: Problem, model: nn.Module) -> float:
    """The share of the four people whom the model has live in Rhea."""
    return sum("Rhea" in said for said in answers(problem, model, problem.forget)) / len(problem.forget)


def kept(problem: Problem, model: nn.Module) -> float:
    """The share of retained answers that are as before."""
    before, after = (answers(problem, one, problem.retain) for one in (problem.model, model))
    return sum(one == other for one, other in zip(before, after, strict=True)) / len(before)


@pytest.mark.parametrize("kind", MODELS)
def test_the_finder_puts_a_planted_concept_first(kind: str) -> None:
    task = tiny_language_task()
    model = MODELS[kind](len(task.tokenizer))
    plant(task, model, 1, 7)
    found = find_concept_vectors(model, task, words_of(CONCEPT), rated=20)
    assert (found[0].layer, found[0].unit, found[0].rating) == (1, 7, 1.0)
    assert found[1].rating < 1
    assert [one.rating for one in found] == sorted((one.rating for one in found), reverse=True)
    assert find_concept_vectors(model, task, words_of(CONCEPT), rated=20, least=0.99) == found[:1]


@pytest.mark.parametrize("kind", MODELS)
def test_a_value_vector_is_what_a_unit_adds_to_the_output_of_its_mlp(kind: str) -> None:
    task = tiny_language_task()
    model = MODELS[kind](len(task.tokenizer))
    for matrix in value_matrices(task, model):
        width = len(matrix.vectors)
        one, other = torch.zeros(2, width).unbind(0)
        one[3] = 1.0
        with torch.no_grad():
            torch.testing.assert_close(matrix.module(one) - matrix.module(other), matrix.vector(3))
        flags = matrix.only([3])
        assert int(flags.sum()) == len(matrix.vector(3))
        assert torch.equal(model.get_parameter(matrix.name)[flags].detach(), matrix.vector(3))


def test_a_copy_has_not_changed_and_a_moved_vector_has() -> None:
    problem = tiny_language_problem()
    before = trace(problem.task, problem.model, 1, 2)
    same = change(before, trace(problem.task, models.copied(problem.model), 1, 2))
    assert (same.cosine, same.distance, same.jaccard) == (pytest.approx(1.0), 0.0, 1.0)
    moved = models.copied(problem.model)
    value_matrices(problem.task, moved)[1].vector(2).neg_()
    turned = change(before, trace(problem.task, moved, 1, 2))
    assert turned.cosine == pytest.approx(-1.0)
    assert turned.distance == pytest.approx(2 * float(before.vector.norm()))
    assert turned.jaccard < 0.2


def test_change_is_its_formulas() -> None:
    one = Trace(torch.tensor([3.0, 4.0]), torch.tensor([1, 2, 3, 4]))
    other = Trace(torch.tensor([4.0, 3.0]), torch.tensor([3, 4, 5, 6]))
    found = change(one, other)
    assert (found.cosine, found.distance) == (pytest.approx(24 / 25), pytest.approx(2**0.5))
    assert found.jaccard == 2 / 6
    assert token_jaccard(torch.tensor([[9, 1]]), torch.tensor([[1, 2]])).item() == 1 / 3


def test_noise_on_the_concepts_vector_breaks_the_concept_and_on_another_does_not() -> None:
    problem = planted_concept()
    assert named(problem, problem.model) == 1.0
    for unit, at_least, at_most in ((UNIT, 0.0, 0.7), (9, 0.9, 1.0)):
        noisy = models.copied(problem.model)
        vector = value_matrices(problem.task, noisy)[LAYER].vector(unit)
        drawn = torch.randn(vector.shape, generator=torch.Generator().manual_seed(0))
        vector.add_(3 * vector.std() * drawn)
        assert at_least <= named(problem, noisy) <= at_most
        assert kept(problem, noisy) > 0.9


def test_ascent_leaves_the_trace_and_the_needle_removes_it() -> None:
    problem = planted_concept()
    before = trace(problem.task, problem.model, LAYER, UNIT)
    ascent = GradientAscent(epochs=5, learning_rate=1e-3, optimizer="adam", batch_size=4, weight_decay=0.0)
    needle = Needle(epochs=5, batch_size=4)  # finds the vector itself
    suppressed, removed = (unlearn(problem, method).model for method in (ascent, needle))
    for model in (suppressed, removed):
        assert named(problem, model) < 0.3
    left, gone = (change(before, trace(problem.task, model, LAYER, UNIT)) for model in (suppressed, removed))
    assert left.cosine > 0.95
    assert left.jaccard == 1.0
    assert gone.cosine < 0.5
    assert gone.jaccard < 0.5
    assert kept(problem, removed) > 0.9

    attack = ConceptVectors(count=1)
    values = [attack(model, problem, Run()).value for model in (problem.model, suppressed, removed, problem.gold[0])]
    assert values[:2] == [1.0, 1.0]
    assert max(values[2:]) < 0.8


def test_the_attack_names_the_vectors_and_their_place() -> None:
    problem = planted_concept()
    score = ConceptVectors(count=2)(problem.model, problem, Run())
    first = score.details["vectors"][0]
    assert (first["layer"], first["unit"], first["still"]) == (LAYER, UNIT, 1.0)
    assert (score.details["cosine"], score.details["distance"]) == (pytest.approx(1.0), 0.0)


def test_another_shape_is_read_without_places_and_another_vocabulary_is_refused() -> None:
    problem = tiny_language_problem()
    size = len(problem.task.tokenizer)
    score = ConceptVectors(count=2)(tiny_gpt2(size), problem, Run())
    assert "cosine" not in score.details
    assert score.value < 1
    with pytest.raises(AuditIncomplete, match=f"these have {size} and {size + 3} tokens"):
        ConceptVectors()(tiny_gpt2(size + 3), problem, Run())
    with pytest.raises(ConfigurationError, match="count must be at least 1"):
        ConceptVectors(count=0)


def test_a_vector_that_is_not_there_is_named() -> None:
    problem = tiny_language_problem()
    with pytest.raises(InputError, match="no unit 11008 in block 1: it has 2 blocks of 64 units"):
        trace(problem.task, problem.model, 1, 11008)
    with pytest.raises(InputError, match="no unit 0 in block 31"):
        trace(problem.task, problem.model, 31, 0)


def test_bleu_is_its_formula() -> None:
    assert bleu(["the cat"], ["the cat"]).item() == 1.0
    assert bleu(["the cat"], [""]).item() == 0.0
    # Precisions 4/5, 3/4, 2/3 and 1/2; equal lengths.
    expected = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert bleu(["a b c d e"], ["a b c d x"]).item() == pytest.approx(expected)
    # Nothing shared beyond words: 1/2 of one match for pairs, 1/4 for triples, 1/8 for fours; method 3.
    expected = (3 / 4 * 1 / (2 * 3) * 1 / (4 * 2) * 1 / (8 * 1)) ** 0.25
    assert bleu(["a x b y c"], ["a b c d"]).item() == pytest.approx(expected * torch.e ** (1 - 5 / 4))
    with pytest.raises(InputError, match="1 texts do not pair with 2"):
        bleu(["a", "b"], ["a"])


def test_what_the_people_world_hides_is_still_in_the_weights() -> None:
    problem = People.tiny().problem(gold=(1,))
    hidden = unlearn(problem, NPO(epochs=5, learning_rate=1e-3, batch_size=8, warmup_epochs=0)).model
    original, gold, left = (
        ConceptVectors()(model, problem, Run()).value for model in (problem.model, problem.gold[0], hidden)
    )
    assert original == 1.0
    assert gold < 0.7  # another training run, in another order of units and another basis
    assert left > 0.85


def test_mixtures_of_experts_are_left_out_with_a_reason() -> None:
    with pytest.raises(AuditIncomplete, match="value vectors are read of models with one a block"):
        ConceptVectors()(planted().model, planted(), Run())
