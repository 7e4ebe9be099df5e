"""The region of MemFlex, card 047: whole tensors, by cosine and size of gradients on scrambled answers."""

from __future__ import annotations

import pytest
import torch

from lethe import adapters, models
from lethe.errors import ConfigurationError
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import MemFlexRegion
from lethe.scopes.memflex import scrambled
from lethe.testing.language import tiny_language_problem


def test_half_as_many_answer_tokens_as_there_are_may_change_and_nothing_else():
    problem = tiny_language_problem()
    task, generator = problem.task, torch.Generator().manual_seed(0)
    changed = scrambled(task, problem.forget, 50, generator)
    assert len(changed) == 50 * len(problem.forget)
    before = problem.forget.tensor("tokens").repeat(50, 1)
    differs = changed.tensor("tokens") != before
    starts, ends = changed.tensor("answer_from"), changed.tensor("length")
    position = torch.arange(before.shape[1])
    answers = (position >= starts.unsqueeze(1)) & (position < ends.unsqueeze(1) - 1)
    assert not bool(differs[~answers].any())  # neither prompt nor padding nor the end
    most = (ends - starts) // 2
    assert bool((differs.sum(1) <= most).all())
    assert bool((differs.sum(1) == most).any())
    assert not torch.isin(changed.tensor("tokens")[differs], torch.tensor(task.tokenizer.all_special_ids)).any()


def test_a_tensor_is_measured_by_its_mean_gradients_on_scrambled_answers():
    problem, scope, run = tiny_language_problem(), MemFlexRegion(), Run()
    found = scope.measure(problem, run)
    assert found.keys() == {name for name, _ in problem.model.named_parameters() if name.endswith("_proj.weight")}
    name = "model.layers.1.mlp.up_proj.weight"
    gradients = []
    for examples, what in ((problem.forget, "forget"), (problem.kept, "retain")):
        changed = scrambled(problem.task, examples, 3, run.generator("scrambled", what))
        loss = problem.task.losses(problem.model, changed.batch(torch.arange(len(changed)))).mean()
        gradients.append(torch.autograd.grad(loss, problem.model.get_parameter(name))[0].flatten().double())
    forget, retain = gradients
    cosine = float(forget @ retain / forget.norm() / retain.norm())
    assert found[name].similarity == pytest.approx(cosine, rel=1e-3)
    assert found[name].magnitude == pytest.approx(float(forget.abs().mean()), rel=1e-3)


def test_both_thresholds_are_strict_and_choose_whole_tensors():
    problem, run = tiny_language_problem(), Run()
    measured = MemFlexRegion().measure(problem, run)
    most = sorted(found.similarity for found in measured.values())[4]
    least = sorted(found.magnitude for found in measured.values())[2]
    mask = MemFlexRegion(similarity=most, magnitude=least).mask(problem, run)
    region = {name for name, flag in mask.allowed.items() if flag is True}
    assert region == {n for n, f in measured.items() if f.similarity < most and f.magnitude > least}
    assert 0 < len(region) <= 4
    everything = MemFlexRegion(similarity=1.01, magnitude=0.0).mask(problem, run)
    assert {n for n, flag in everything.allowed.items() if flag} == measured.keys()


def test_a_set_against_itself_has_cosine_one_and_no_region():
    problem = tiny_language_problem()
    same = Problem(problem.model, problem.task, problem.forget, problem.forget)
    run = Run()
    run.generator = lambda *names: torch.Generator().manual_seed(0)  # the same noise for both sets
    measured = MemFlexRegion().measure(same, run)
    assert all(found.similarity == pytest.approx(1.0, abs=1e-5) for found in measured.values())
    with pytest.raises(ConfigurationError, match=r"no tensor has a cosine under 0\.99"):
        MemFlexRegion(similarity=0.99, magnitude=0.0).mask(same, run)


def test_shares_stand_for_thresholds():
    problem, run = tiny_language_problem(), Run()
    mask = MemFlexRegion(similarity=0.3, magnitude=0.0, quantiles=True).mask(problem, run)
    chosen = {name for name, flag in mask.allowed.items() if flag}
    measured = MemFlexRegion().measure(problem, run)
    smallest = min(measured, key=lambda name: measured[name].magnitude)  # its gradient is not over the smallest
    rest = measured.keys() - chosen - {smallest}
    assert len(chosen) == pytest.approx(0.3 * len(measured), abs=1.5)
    assert max(measured[n].similarity for n in chosen) < min(measured[n].similarity for n in rest)


def test_a_model_with_adapters_offers_these_alone():
    problem = tiny_language_problem()
    model = models.copied(problem.model)
    adapters.inject(model, ("up_proj", "down_proj"), 2, 4.0, 0.0, seed=0)
    with torch.no_grad():
        for parameter in adapters.adapter_parameters(model):  # B begins at zero, where A has no gradient
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    adapted = Problem(model.eval(), problem.task, problem.forget, problem.retain)
    mask = MemFlexRegion(similarity=1.01, magnitude=0.0).mask(adapted, Run())
    chosen = {name for name, flag in mask.allowed.items() if flag}
    assert len(chosen) == 2 * 2 * 2
    assert all("lora_" in name for name in chosen)
    named = MemFlexRegion(similarity=1.01, magnitude=0.0, candidates=("*layers.0*lora_A*",)).mask(adapted, Run())
    assert sum(1 for flag in named.allowed.values() if flag) == 2
