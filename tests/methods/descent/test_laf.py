"""LAF, card 021: no label is read, both losses are needed, and the alignment's value at the start is known."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from lethe import losses
from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.feeds import Draw
from lethe.measuring import over_examples
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.laf import LAF
from lethe.models import same_weights
from lethe.run import Run
from lethe.scopes import LastLayers
from lethe.steps import Alternating, Terms
from tests.helpers import accuracies, gap_to_gold, tiny_problem

SETTINGS = {"learning_rate": 2e-3, "batch_size": 64, "vae_epochs": 20, "vae_rate": 3e-3}


class OnlyExplained(LAF):
    """LAF without the alignment."""

    def objective(self, problem, run):
        whole = super().objective(problem, run)
        return lambda model, draw: {n: v for n, v in whole(model, draw).items() if n != "retain_alignment"}


class OnlyAligned(LAF):
    """LAF without the VAEs."""

    def objective(self, problem, run):
        whole = super().objective(problem, run)
        return lambda model, draw: {"retain_alignment": whole(model, draw)["retain_alignment"]}


@pytest.fixture(scope="module")
def unlearned(whole_class):
    return unlearn(whole_class, LAF(**SETTINGS)).model


def test_it_forgets_a_class_and_keeps_the_rest_where_fine_tuning_does_not_forget(whole_class, unlearned):
    original, after = accuracies(whole_class, whole_class.model), accuracies(whole_class, unlearned)
    assert original[0] - after[0] > 0.8
    assert original[2] - after[2] < 0.05
    assert gap_to_gold(whole_class, unlearned) < 0.02
    assert accuracies(whole_class, unlearn(whole_class, FineTune()).model)[0] > 0.9


def errors(problem, model, method):
    """Mean m_p on the retain set and m_q on the forget set."""
    sets = (problem.forget, problem.kept)
    explains = method.explanations(*(method._features(problem, examples, Run()) for examples in sets), Run())
    read = problem.task.features
    on_forget, on_retain = (over_examples(model, problem.task, examples, Run(), read, "") for examples in sets)
    return [float(found.mean()) for found in explains(on_retain, on_forget, 0)]


def test_forget_features_become_badly_explained_and_the_others_do_not(whole_class, unlearned):
    method = LAF(**SETTINGS)
    kept, forgotten = errors(whole_class, whole_class.model, method)
    kept_after, forgotten_after = errors(whole_class, unlearned, method)
    assert forgotten_after > 2 * forgotten
    assert kept / 1.5 < kept_after < 1.5 * kept


def test_without_alignment_the_rest_is_lost_and_without_the_vaes_less_is_forgotten(whole_class, unlearned):
    whole, half = accuracies(whole_class, unlearned), {**SETTINGS, "epochs": 10}
    assert accuracies(whole_class, unlearn(whole_class, OnlyExplained(**half)).model)[2] < whole[2] - 0.1
    assert accuracies(whole_class, unlearn(whole_class, OnlyAligned(**half)).model)[0] > whole[0] + 0.3


def test_no_label_is_read_of_either_set():
    problem, method = tiny_problem(), LAF(epochs=2, batch_size=8, vae_epochs=2)
    labelled = method.unlearn(problem, Run())
    assert not same_weights(labelled, problem.model)
    shuffled = dataclasses.replace(
        problem,
        forget=problem.forget.with_column("label", problem.forget.tensor("label").flip(0)),
        retain=problem.kept.with_column("label", problem.kept.tensor("label").flip(0)),
    )
    assert same_weights(unlearn(shuffled, method).model, labelled)
    forget, retain = (Examples(part.ids, {"input": part["input"]}) for part in (problem.forget, problem.kept))
    unlabelled = dataclasses.replace(problem, forget=forget, retain=retain, holdout=None)
    assert same_weights(method.unlearn(unlabelled, Run()), labelled)
    repaired = LAF(epochs=2, batch_size=8, vae_epochs=2, repair_epochs=1)
    assert not same_weights(unlearn(shuffled, repaired).model, unlearn(problem, repaired).model)


def test_at_the_original_the_alignment_is_minus_the_logarithm_of_the_forget_batch():
    problem = tiny_problem()
    terms = LAF(vae_epochs=1).objective(problem, Run())
    draw = Draw(problem.forget.batch(torch.arange(5)), problem.kept.batch(torch.arange(7)), 0, 0)
    value = terms(problem.model, draw)["retain_alignment"]  # in eval mode, as the original's features are
    assert float(value.detach()) == pytest.approx(-7 * math.log(5), abs=1e-4)


def test_the_alignment_pulls_kept_and_pushes_forgotten_features_less_with_a_large_temperature():
    kept, forgotten = torch.tensor([0.3, 0.1], requires_grad=True), torch.tensor([0.2, 0.5], requires_grad=True)
    pushes = []
    for temperature in (1.0, 20.0):
        losses.contrastive_alignment(kept, forgotten, temperature).sum().backward()
        assert (kept.grad == 1).all()
        pushes.append(forgotten.grad.clone())
        kept.grad = forgotten.grad = None
    # -B_r softmax(c_f / τ) / τ
    torch.testing.assert_close(pushes[0], -2 * torch.tensor([0.2, 0.5]).softmax(0))
    assert (pushes[1].abs() < 0.1 * pushes[0].abs()).all()


def test_the_bounded_transform_never_reaches_e_and_its_gradient_fades():
    values = torch.tensor([0.0, 1.0, 1e6], requires_grad=True)
    found = losses.bounded_exponential(values)
    found.sum().backward()
    assert float(found.detach().max()) <= math.e
    # F(m) / (m + 1)²
    torch.testing.assert_close(values.grad[:2], torch.tensor([1.0, math.exp(0.5) / 4]))
    assert float(values.grad[2]) < 1e-11


def test_repair_moves_the_last_layer_alone_by_few_labelled_examples(mislabelled):
    method = LAF(epochs=1, vae_epochs=1)
    before = unlearn(mislabelled, method).model
    after = unlearn(mislabelled, dataclasses.replace(method, repair_epochs=2, repair_examples=50)).model
    moved = {name for name, value in after.named_parameters() if not torch.equal(value, before.get_parameter(name))}
    assert moved == {"head.weight", "head.bias"}


def test_an_epoch_ends_with_the_shorter_set():
    method = LAF(batch_size=4)
    assert len(method.plan(tiny_problem(forget=12, retain=40), Run(), 0)) == 3
    assert len(method.plan(tiny_problem(forget=40, retain=8), Run(), 0)) == 2


def test_with_own_moments_the_two_updates_are_those_of_two_optimisers():
    """Against two Adams of torch that take turns on a quadratic."""
    start = torch.tensor([1.0, -2.0])
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    one, first, second = (torch.optim.Adam([w], lr=lr) for w, lr in ((ours, 0.1), (theirs, 0.1), (theirs, 0.3)))

    def values(weight):
        return {"forget": (weight**2).sum(), "retain": ((weight - 3) ** 4).sum()}

    step = Alternating(apart=True, rate=3.0)
    for _ in range(4):
        step(torch.nn.Module(), Terms([lambda: values(ours)]), one)
        for optimizer, name in ((first, "forget"), (second, "retain")):
            optimizer.zero_grad()
            values(theirs)[name].backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    shared = torch.nn.Parameter(start.clone())
    other = torch.optim.Adam([shared], lr=0.1)
    for _ in range(4):
        Alternating(rate=3.0)(torch.nn.Module(), Terms([lambda: values(shared)]), other)
    assert not torch.equal(shared, theirs)


def test_options_and_scopes_that_make_no_sense_are_refused_in_one_line():
    problem = tiny_problem()
    with pytest.raises(ConfigurationError, match="latent and vae_epochs must be at least 1"):
        unlearn(problem, LAF(latent=0))
    with pytest.raises(ConfigurationError, match="the scope leaves no weight there"):
        unlearn(problem, LAF(epochs=1, vae_epochs=1, scope=LastLayers(count=1)))
