"""MemFlex, card 047: weighed ascent and descent in the region, and more of the same persons' public facts is kept."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.feeds import draw as drawn
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.memflex import MemFlex
from lethe.problem import Problem
from lethe.run import Run
from lethe.testing.language import tiny_language_problem
from tests.domains import Domains, known

EVERYTHING = {"similarity": 1.01, "magnitude": 0.0}


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Private and public facts of the same persons."""
    return Domains(shared=True).problem(gold=())


def test_a_step_is_the_mean_over_its_examples_of_factor_times_loss():
    problem = tiny_language_problem()
    method, task = MemFlex(**EVERYTHING, batch_size=5), problem.task
    objective: Objective = method.objective(problem, Run())
    plan = method.plan(problem, Run(), 0)
    for step, (forget, retain) in enumerate(plan):
        with torch.no_grad():
            named = objective(problem.model, drawn(problem, (forget, retain), 0, step, torch.device("cpu")))
            forgets = [] if forget is None else task.losses(problem.model, problem.forget.batch(forget)).tolist()
            retains = [] if retain is None else task.losses(problem.model, problem.kept.batch(retain)).tolist()
        expected = (-0.4 * sum(forgets) + 2.0 * sum(retains)) / (len(forgets) + len(retains))
        assert float(sum(value.mean() for value in named.values())) == pytest.approx(expected, rel=1e-4)


def test_the_list_holds_every_forget_example_and_as_many_others_in_one_order():
    problem = tiny_language_problem()
    method = MemFlex(**EVERYTHING, batch_size=3)
    first, second = (method.plan(problem, Run(), epoch) for epoch in (0, 1))
    forget = torch.cat([rows for rows, _ in first if rows is not None])
    assert sorted(forget.tolist()) == list(range(len(problem.forget)))
    assert sum(len(rows) for _, rows in first if rows is not None) == len(problem.forget)
    assert [str(batch) for batch in first] == [str(batch) for batch in second]


def test_tensors_outside_the_region_keep_their_bits(problem):
    method = MemFlex(similarity=0.5, magnitude=0.0, quantiles=True, epochs=1, learning_rate=1e-2, weight_decay=0.1)
    region = method.reach().mask(problem, Run()).allowed
    after = unlearn(problem, method).model
    for name, before in problem.model.named_parameters():
        assert torch.equal(before, after.get_parameter(name)) == (region[name] is not True)


def test_a_divergence_in_the_place_of_the_retain_loss_is_refused(problem):
    with pytest.raises(ConfigurationError, match="set retain to nll or none"):
        unlearn(problem, MemFlex(retain="kl"))


OPTIONS = {"epochs": 15, "batch_size": 16, "learning_rate": 3e-3, "schedule": "constant", "warmup_epochs": 0.0}


def public_accuracy(problem: Problem, method) -> float:
    """Accuracy on the public facts when that on the private ones is first 40 % or less."""
    trace = []

    def watch(model: torch.nn.Module) -> dict[str, float]:
        trace.append((known(problem, model), known(problem, model, problem.retain)))
        return {}

    unlearn(problem, method, watch=watch, watch_every=1)
    return next(public for private, public in trace if private <= 0.4)


def test_at_equal_forgetting_public_facts_of_the_same_persons_fall_at_most_half_as_far_as_by_ascent(problem):
    assert known(problem, problem.model) == known(problem, problem.model, problem.retain) == 1.0
    method = MemFlex(**OPTIONS, similarity=0.5, magnitude=0.0, quantiles=True)
    ascent = GradDiff(**OPTIONS, retain="none")
    fallen = [1.0 - public_accuracy(problem, one) for one in (method, ascent)]
    assert fallen[0] <= 0.5 * fallen[1]
    assert fallen[1] >= 0.3
