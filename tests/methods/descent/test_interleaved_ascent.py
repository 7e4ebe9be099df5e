"""Interleaved ascent and descent, card 065: signs, order and means, and a wider window than ascent alone has."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from sklearn.metrics import roc_auc_score

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.methods.descent.interleaved_ascent import InterleavedAscent
from lethe.models import same_weights
from lethe.run import Run
from lethe.text import memorization_accuracies
from tests.methods.descent.sequences import sequences_problem
from tests.methods.descent.well_known import draw_of, gradient, shaken, well_known_problem

STEPS = {"batch_size": 64, "weight_decay": 0.0, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


@pytest.fixture(scope="module")
def sequences():
    return sequences_problem()


def retaining_what_it_forgets(problem):
    again = Examples(tuple(f"{name} again" for name in problem.forget.ids), problem.forget.columns)
    return dataclasses.replace(problem, retain=again)


@pytest.mark.parametrize("batch_size", [4, 8])
def test_ascent_and_descent_on_the_same_text_cancel_to_the_bit(problem, batch_size):
    same = retaining_what_it_forgets(problem)
    method = InterleavedAscent(**STEPS | {"batch_size": batch_size}, epochs=3, learning_rate=0.01)
    assert same_weights(unlearn(same, method).model, problem.model)
    assert not same_weights(unlearn(problem, method).model, problem.model)


def test_sequences_alternate_in_the_order_of_the_data(problem):
    def steps(**options):
        plan = InterleavedAscent(**options).plan(problem, Run(), 0)
        return [[rows.tolist() if rows is not None else None for rows in pair] for pair in plan]

    assert steps(batch_size=4) == [[[0, 1], [0, 1]], [[2, 3], [2, 3]]]
    one_by_one = [step for i in range(4) for step in ([[i], None], [None, [i]])]
    assert steps(batch_size=1) == one_by_one
    assert steps(batch_size=3, retain="none") == [[[0, 1, 2], None], [[3], None]]
    with pytest.raises(ConfigurationError, match="odd"):
        InterleavedAscent(batch_size=3).check()


def test_a_step_is_the_mean_over_its_sequences_of_factor_times_mean_loss(problem):
    moved, task = shaken(problem.model), problem.task
    answers = ["Ada lives in Marn.", "Bo.", "Bo is a smith. Bo is a smith.", "Ada."]
    uneven = task.answering(problem.forget, answers)
    problem = dataclasses.replace(problem, forget=uneven)
    method = InterleavedAscent()
    draw = draw_of(problem, method)
    with torch.no_grad():
        terms = method.objective(problem, Run())(moved, draw)
        # As many of either in a step: half of the mean over each.
        torch.testing.assert_close(terms["forget"], -task.losses(moved, draw.forget) / 2)
        torch.testing.assert_close(terms["retain"], task.losses(moved, draw.retain) / 2)
        without = dataclasses.replace(draw, retain=None)
        alone = InterleavedAscent(retain="none").objective(problem, Run())(moved, without)
        torch.testing.assert_close(alone["forget"], -task.training_losses(moved, draw.forget))


def test_the_kl_form_has_no_gradient_at_the_original_and_that_of_the_kl_elsewhere():
    problem = well_known_problem()
    problem.model.double()
    method = InterleavedAscent(retain="kl")
    draw = draw_of(problem, method)
    objective = method.objective(problem, Run())
    assert float(gradient(problem.model, objective(problem.model, draw)["retain"].mean()).abs().max()) < 1e-9
    moved = shaken(problem.model)
    assert float(gradient(moved, objective(moved, draw)["retain"].mean()).norm()) > 1e-3


def test_the_retain_group_chooses_the_source_to_keep(sequences):
    options = {"epochs": 12, "learning_rate": 1e-3, **STEPS}

    def kept(group):
        model = unlearn(sequences, InterleavedAscent(retain_group=group, **options)).model
        found = memorization_accuracies(model, sequences.task, sequences.kept, Run())
        return float(found[:32].mean()), float(found[32:].mean())

    assert kept("own")[0] > kept("own")[1]
    assert kept("general")[1] > kept("general")[0]
    with pytest.raises(InputError, match="did you mean 'general'"):
        unlearn(sequences, InterleavedAscent(retain_group="generel", **options))
    with pytest.raises(ConfigurationError, match="retain_group"):
        InterleavedAscent(retain="none", retain_group="own").check()


def run_until_unknown(problem, method):
    """Return accuracy on forget, own and unseen text, and Min-40% AUC, after the first step that forgot enough."""
    found = []

    def accuracy(model, examples):
        return float(memorization_accuracies(model, problem.task, examples, Run()).mean())

    unseen = accuracy(problem.model, problem.holdout)

    def watch(model):
        if not found and accuracy(model, problem.forget) <= unseen + 0.02:
            own = accuracy(model, problem.kept.take(range(32)))
            found.append((accuracy(model, problem.forget), own, min_k_auc(problem, model)))
        return {}

    unlearn(problem, method, watch=watch, watch_every=1)
    return found[0] if found else None


def min_k_auc(problem, model):
    """AUC of the mean of the 40 % least likely tokens, of forgotten against unseen text: above a half it is known."""
    scores = []
    for examples in (problem.forget, problem.holdout):
        batch = examples.batch(torch.arange(len(examples)))
        with torch.no_grad():
            outputs = problem.task.outputs(model.eval(), batch)
            tokens = -problem.task.token_losses_from(outputs, batch).reshape(len(batch), -1)
        scores.append(tokens.sort(dim=1).values[:, : max(1, int(0.4 * tokens.shape[1]))].mean(1))
    return roc_auc_score([1] * len(scores[0]) + [0] * len(scores[1]), torch.cat(scores).numpy())


def test_text_is_forgotten_to_the_level_of_unseen_text_while_its_own_source_is_kept(sequences):
    assert min_k_auc(sequences, sequences.model) > 0.9
    options = {"epochs": 40, "learning_rate": 1e-3}
    _, own, auc = run_until_unknown(sequences, InterleavedAscent(retain_group="own", **options, **STEPS))
    assert own > 0.8
    assert auc < 0.6
    alone = InterleavedAscent(retain="none", **options, **STEPS | {"batch_size": 32})
    assert run_until_unknown(sequences, alone)[1] < 0.5


@pytest.mark.slow
def test_more_learning_rates_forget_and_keep_than_with_ascent_alone(sequences):
    good = {"nll": 0, "none": 0}
    for retain in good:
        for rate in (2e-4, 5e-4, 1e-3, 2e-3, 5e-3):
            size = 64 if retain == "nll" else 32
            group = "own" if retain == "nll" else ""
            method = InterleavedAscent(
                retain=retain, retain_group=group, epochs=60, learning_rate=rate, **STEPS | {"batch_size": size}
            )
            found = run_until_unknown(sequences, method)
            good[retain] += found is not None and found[1] > 0.7
    assert good["nll"] >= good["none"] + 2
