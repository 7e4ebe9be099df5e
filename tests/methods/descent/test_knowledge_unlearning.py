"""Knowledge unlearning, card 098: large steps until text is no better known than unseen text, and no further."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.knowledge_unlearning import KnowledgeUnlearning
from lethe.models import same_weights
from lethe.run import Run
from lethe.scopes import LoRA
from lethe.testing.methods import check_resumable
from lethe.text import extraction_likelihoods, memorization_accuracies
from tests.methods.descent.sequences import sequences_problem
from tests.methods.descent.well_known import draw_of, nll, well_known_problem

METHOD = KnowledgeUnlearning(ngram=3, learning_rate=1e-3)


@pytest.fixture(scope="module")
def problem():
    return sequences_problem()


@pytest.fixture(scope="module")
def result(problem):
    return unlearn(problem, METHOD)


def known(problem, model, examples):
    """Mean EL_3 and MA."""
    return (
        float(extraction_likelihoods(model, problem.task, examples, 3, Run()).mean()),
        float(memorization_accuracies(model, problem.task, examples, Run()).mean()),
    )


def test_it_stops_by_itself_once_both_means_are_below_those_of_unseen_text(problem, result):
    before, unseen = known(problem, problem.model, problem.forget), known(problem, problem.model, problem.holdout)
    assert min(before) > 0.95
    after = known(problem, result.model, problem.forget)
    assert after[0] < unseen[0]
    assert after[1] < unseen[1]
    steps = result.record["cost"]["steps"]
    assert 1 < steps < METHOD.epochs
    # One step fewer was not enough.
    short = unlearn(problem, dataclasses.replace(METHOD, epochs=steps - 1)).model
    assert not METHOD.enough(problem, Run())(short)
    assert METHOD.enough(problem, Run())(result.model)


def test_neither_the_original_nor_as_many_steps_of_fine_tuning_satisfy_the_rule(problem, result):
    enough = METHOD.enough(problem, Run())
    assert not enough(problem.model)
    steps = result.record["cost"]["steps"]
    tuned = unlearn(problem, FineTune(epochs=steps, batch_size=64, learning_rate=1e-3, optimizer="adam")).model
    assert not enough(tuned)


def test_unseen_text_suffers_less_than_what_is_forgotten(problem, result):
    rises = [nll(problem, result.model, e) - nll(problem, problem.model, e) for e in (problem.forget, problem.holdout)]
    assert rises[0] > 2 * rises[1]


def test_the_thresholds_are_the_originals_means_on_unseen_text_and_those_given_replace_them(problem, result):
    assert METHOD.thresholds(problem, Run()) == known(problem, problem.model, problem.holdout)
    given = dataclasses.replace(METHOD, extraction_threshold=0.9, accuracy_threshold=0.9)
    assert given.requirements() == frozenset()
    assert METHOD.requirements() == frozenset({"holdout"})
    alone = dataclasses.replace(problem, retain=None, holdout=None)
    easy = unlearn(alone, given)
    assert easy.record["cost"]["steps"] < result.record["cost"]["steps"]
    first = dataclasses.replace(METHOD, extraction_threshold=1.1, accuracy_threshold=1.1)
    assert unlearn(alone, first).record["cost"]["steps"] == 1


@pytest.mark.parametrize("never", ["extraction_threshold", "accuracy_threshold"])
def test_one_mean_alone_does_not_end_it(problem, never):
    thresholds = {"extraction_threshold": 1.1, "accuracy_threshold": 1.1, never: 0.0}
    run = unlearn(problem, dataclasses.replace(METHOD, epochs=4, **thresholds))
    assert run.record["cost"]["steps"] == 4


def test_a_step_is_the_whole_forget_set_whatever_fits_in_memory(problem, result):
    assert [len(rows) for rows, _ in METHOD.plan(problem, Run(), 0)] == [len(problem.forget)]
    parted = unlearn(problem, dataclasses.replace(METHOD, micro_batch=10, epochs=2)).model
    whole = unlearn(problem, dataclasses.replace(METHOD, epochs=2)).model
    for name, weight in whole.named_parameters():
        torch.testing.assert_close(parted.get_parameter(name), weight, rtol=1e-3, atol=1e-5)


def test_the_loss_is_the_mean_log_likelihood_and_the_optimiser_adam_with_its_betas(problem):
    with torch.no_grad():
        terms = METHOD.objective(problem, Run())(problem.model, draw_of(problem, METHOD))
    assert set(terms) == {"forget"}
    assert float(terms["forget"].mean()) == pytest.approx(-nll(problem, problem.model, problem.forget), rel=1e-4)
    made = METHOD.make_optimizer(problem.model)
    assert type(made) is torch.optim.Adam
    assert made.defaults["betas"] == (0.9, 0.98)
    assert made.defaults["weight_decay"] == 0


def test_chunks_are_forgotten_one_after_the_other_by_the_same_thresholds(problem):
    method = dataclasses.replace(METHOD, chunk=16, learning_rate=3e-4)
    extraction, accuracy = METHOD.thresholds(problem, Run())
    each = dataclasses.replace(method, chunk=0, extraction_threshold=extraction, accuracy_threshold=accuracy)
    run, model = Run(), problem.model
    for i, rows in enumerate((range(16), range(16, 32))):
        left = dataclasses.replace(problem, model=model, forget=problem.forget.take(rows))
        model = each.unlearn(left, run.part(f"chunk {i}"))
    chunked = unlearn(problem, method)
    assert same_weights(chunked.model, model)
    assert chunked.record["cost"]["examples"] > 0
    assert not same_weights(chunked.model, unlearn(problem, dataclasses.replace(method, chunk=0)).model)


def test_chunks_resume_to_the_bit_wherever_they_are_stopped():
    check_resumable(KnowledgeUnlearning(ngram=3, learning_rate=1e-3, epochs=3, chunk=2), well_known_problem())


def test_dropout_is_off():
    problem = well_known_problem()
    problem.model.model.layers[0].add_module("drop", torch.nn.Dropout(0.5))
    model = METHOD.start(problem, Run())
    assert [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)] == [0.0]
    assert [m.p for m in problem.model.modules() if isinstance(m, torch.nn.Dropout)] == [0.5]


def test_what_cannot_work_is_refused_with_one_line():
    problem = well_known_problem()
    with pytest.raises(InputError, match="too few for n-grams of 10"):
        unlearn(problem, KnowledgeUnlearning())
    with pytest.raises(ConfigurationError, match=r"merge"):
        KnowledgeUnlearning(chunk=2, scope=LoRA()).check()
    with pytest.raises(ConfigurationError, match="ngram"):
        KnowledgeUnlearning(ngram=0).check()
