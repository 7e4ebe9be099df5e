"""Stochastic teacher, card 059: what is erased in one pass, what the second brings back, and its identities."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe import losses
from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.measuring import example_outputs
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.stochastic_teacher import StochasticTeacher
from lethe.models import same_weights
from lethe.run import Run
from lethe.scopes import LastLayers, LoRA, RandomMask
from lethe.weighting import LossReweighting
from tests.helpers import accuracies, gap_to_gold, tiny_problem

ONE_EPOCH = {"batch_size": 16}
PLAIN = {"epochs": 1, "batch_size": 16, "weight_decay": 0.0}


def divergence(problem, method, model, run=None):
    """Mean KL(p_stoch ‖ p) on the forget set."""
    outputs = example_outputs(model, problem.task, problem.forget, Run())
    return float(losses.kl_divergence(method.teacher(problem, run or Run()), outputs).mean())


def test_without_the_original_reconstruction_is_fine_tuning_of_the_erased_model_to_the_bit(whole_class):
    method, tuning = StochasticTeacher(alpha=0.0, **ONE_EPOCH), FineTune(**PLAIN)
    erased = method.erased(whole_class, Run(seed=3))
    assert not same_weights(erased, whole_class.model)
    again = unlearn(dataclasses.replace(whole_class, model=erased), tuning, seed=3).model
    assert same_weights(unlearn(whole_class, method, seed=3).model, again)
    nothing = dataclasses.replace(method, erase_epochs=0)
    assert same_weights(unlearn(whole_class, nothing, seed=3).model, unlearn(whole_class, tuning, seed=3).model)
    with_original = dataclasses.replace(method, alpha=1.0)
    assert not same_weights(unlearn(whole_class, with_original, seed=3).model, again)


@pytest.mark.parametrize("target", ["network", "dirichlet", "uniform"])
def test_one_pass_erases_a_class_where_fine_tuning_keeps_it(whole_class, target):
    method = StochasticTeacher(target=target, **ONE_EPOCH)
    erased = method.erased(whole_class, Run())
    assert accuracies(whole_class, erased)[0] <= 0.2  # 1.5 / K + 5 points
    assert divergence(whole_class, method, erased) < 0.2 * divergence(whole_class, method, whole_class.model)
    assert accuracies(whole_class, unlearn(whole_class, FineTune(**PLAIN)).model)[0] > 0.5


@pytest.mark.parametrize("drop_forgotten", [False, True])
def test_one_more_pass_brings_the_rest_back_to_the_retrained_model(whole_class, drop_forgotten):
    method = StochasticTeacher(drop_forgotten=drop_forgotten, **ONE_EPOCH)
    erased = accuracies(whole_class, method.erased(whole_class, Run()))
    after = accuracies(whole_class, unlearn(whole_class, method).model)
    golds = accuracies(whole_class, whole_class.gold[0])
    assert erased[2] < golds[2] - 0.1  # there is something to bring back
    assert after[1] > golds[1] - 0.03
    assert after[2] > golds[2] - 0.03
    assert after[0] <= golds[0] + 0.1


def test_it_forgets_wrong_labels_as_well(mislabelled):
    after = unlearn(mislabelled, StochasticTeacher(epochs=5, erase_batch_size=8, **ONE_EPOCH)).model
    assert gap_to_gold(mislabelled, after) < 0.03
    assert gap_to_gold(mislabelled, unlearn(mislabelled, FineTune(**PLAIN)).model) > 0.25


def test_two_stochastic_teachers_differ_in_what_is_predicted_and_not_in_accuracy(whole_class):
    method = StochasticTeacher(**ONE_EPOCH)
    found = [method.erased(whole_class, Run(seed=seed)) for seed in (1, 2)]
    one, other = (
        example_outputs(model, whole_class.task, whole_class.forget, Run()).softmax(1).mean(0) for model in found
    )
    assert (one - other).abs().max() > 0.02
    rates = [accuracies(whole_class, unlearn(whole_class, method, seed=seed).model)[0] for seed in (1, 2)]
    assert abs(rates[0] - rates[1]) <= 0.05


def test_a_large_gain_makes_the_teacher_sure_of_what_it_says(whole_class):
    entropies = [
        float(losses.entropy(StochasticTeacher(init_gain=gain).teacher(whole_class, Run())).mean())
        for gain in (1.0, 10.0)
    ]
    assert entropies[0] > 0.95 * torch.tensor(10.0).log()
    assert entropies[1] < 0.5 * entropies[0]


def test_dropping_a_forgotten_class_leaves_the_others_their_shares(whole_class):
    kept, dropped = (
        StochasticTeacher(drop_forgotten=drop).original(whole_class, Run()).double().softmax(1)
        for drop in (False, True)
    )
    gone = int(whole_class.forget.tensor("label")[0])
    rest = [label for label in range(10) if label != gone]
    assert float(dropped[:, gone].max()) == 0.0
    expected = kept[:, rest] / kept[:, rest].sum(1, keepdim=True)
    torch.testing.assert_close(dropped[:, rest], expected, atol=1e-6, rtol=0)


def test_no_label_of_the_forget_set_is_read_in_erasure():
    problem = tiny_problem()
    labels = problem.forget.tensor("label")
    other = dataclasses.replace(problem, forget=problem.forget.with_column("label", (labels + 1) % 3))
    method = StochasticTeacher(batch_size=4)
    assert same_weights(method.erased(problem, Run()), method.erased(other, Run()))


def test_both_phases_keep_to_the_same_weights_and_weigh_the_forget_set():
    problem = tiny_problem()
    method = StochasticTeacher(batch_size=4, scope=RandomMask(keep=0.5))
    allowed = RandomMask(keep=0.5).mask(problem, Run()).allowed
    erased = method.erased(problem, Run())
    for name, before in problem.model.named_parameters():
        flag = torch.as_tensor(allowed[name]).expand(before.shape)
        assert torch.equal(erased.get_parameter(name)[~flag], before[~flag])
    last = StochasticTeacher(batch_size=4, scope=LastLayers(count=1))
    assert not same_weights(unlearn(problem, last).model, problem.model)
    weighed = StochasticTeacher(batch_size=4, weighting=LossReweighting(temperature=0.1))
    assert not same_weights(weighed.erased(problem, Run()), StochasticTeacher(batch_size=4).erased(problem, Run()))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alpha": -1.0}, "alpha must not be negative"),
        ({"temperature": 0.0}, "temperature and init_gain must be positive"),
        ({"scope": LoRA()}, "leave out the scope lora"),
    ],
)
def test_options_out_of_range_are_refused_in_one_line(options, said):
    with pytest.raises(ConfigurationError, match=said):
        unlearn(tiny_problem(), StochasticTeacher(**options))
