"""SSD forgets by dampening the right weights, and by nothing else."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError, StorageError
from lethe.examples import Examples, concatenate
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.edits.importances import Importances
from lethe.methods.edits.ssd import SSD, dampened
from lethe.models import same_weights
from lethe.run import Run
from lethe.scopes import LastLayers
from lethe.state_arithmetic import weights, with_weights
from tests.helpers import accuracies, gap_to_gold, tiny_problem

numbers = st.floats(0, 1e6, width=32)
triples = st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), numbers, numbers), min_size=1, max_size=20)


def changed(problem, model):
    """Boolean tensors of the weights that differ from the original's."""
    before = weights(problem.model)
    return {name: value != before[name] for name, value in weights(model).items()}


def count(flags):
    return sum(int(flag.sum()) for flag in flags.values())


@given(triples, st.floats(0, 100), st.floats(0, 100))
def test_dampening_only_ever_shrinks_and_never_turns_a_sign(rows, alpha, dampening):
    weight, forget, general = torch.tensor(rows, dtype=torch.float64).t()
    after = dampened(weight, forget, general, alpha, dampening)
    assert bool((after.abs() <= weight.abs()).all())
    assert bool((after * weight >= 0).all())
    unselected = ~(forget > alpha * general)
    assert torch.equal(after[unselected], weight[unselected])


def test_nothing_is_selected_by_an_infinite_alpha_or_when_everything_is_forgotten(mislabelled, tmp_path):
    assert same_weights(unlearn(mislabelled, SSD(alpha=float("inf"))).model, mislabelled.model)
    how = Importances()
    of_forget = how.measure(mislabelled.model, mislabelled.task, mislabelled.forget, Run())
    how.save(tmp_path / "all", mislabelled.model, of_forget)
    everything = SSD(alpha=1.0, importances=str(tmp_path / "all"))
    assert same_weights(unlearn(mislabelled, everything).model, mislabelled.model)


def test_the_selected_weights_become_zero_without_dampening_constant(mislabelled):
    model = unlearn(mislabelled, SSD(dampening=0.0)).model
    moved = changed(mislabelled, model)
    assert count(moved) > 0
    assert all(bool((value[moved[name]] == 0).all()) for name, value in weights(model).items())


def test_a_larger_alpha_selects_fewer_weights(mislabelled):
    counts = [count(changed(mislabelled, unlearn(mislabelled, SSD(alpha=a)).model)) for a in (1.0, 3.0, 10.0, 30.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 2 * counts[-1]


def test_a_class_is_forgotten_and_the_others_are_kept(whole_class):
    _, retain_before, test_before = accuracies(whole_class, whole_class.model)
    forget, retain, test = accuracies(whole_class, unlearn(whole_class, SSD(alpha=5.0, batch_size=8)).model)
    assert forget <= 0.1
    assert retain >= retain_before - 0.05
    assert test >= test_before - 0.05


def test_the_same_dampening_of_random_weights_does_not_forget(whole_class):
    model = unlearn(whole_class, SSD(alpha=5.0, batch_size=8)).model
    before, after = (torch.cat([v.flatten() for v in weights(m).values()]) for m in (whole_class.model, model))
    factors = torch.where(before == 0, 1.0, after / before)
    shuffled = before * factors[torch.randperm(len(factors), generator=torch.Generator().manual_seed(0))]
    parts = shuffled.split([v.numel() for v in weights(model).values()])
    values = {name: part.view_as(v) for (name, v), part in zip(weights(model).items(), parts, strict=True)}
    forget_before = accuracies(whole_class, whole_class.model)[0]
    assert forget_before - accuracies(whole_class, with_weights(whole_class.model, values))[0] < 0.5 * forget_before


def test_mislabelled_examples_end_closer_to_gold_than_by_fine_tuning(mislabelled):
    tuned = SSD(alpha=4.5, dampening=2.5, batch_size=16)
    dampened_gap = gap_to_gold(mislabelled, unlearn(mislabelled, tuned).model)
    assert dampened_gap < 0.75 * gap_to_gold(mislabelled, unlearn(mislabelled, FineTune()).model)


def test_it_takes_two_passes_and_no_step_and_one_pass_with_stored_importances(mislabelled, tmp_path):
    how, path = Importances(batch_size=32), tmp_path / "general"
    everything = concatenate(mislabelled.retain, mislabelled.forget)
    two, one = Run(), Run()
    direct = unlearn(mislabelled, SSD(batch_size=32), run=two).model
    assert two.cost.steps == 0
    assert two.cost.examples == len(everything) + len(mislabelled.forget)
    how.save(path, mislabelled.model, how.measure(mislabelled.model, mislabelled.task, everything, Run()))
    forget_only = dataclasses.replace(mislabelled, retain=None, retrain=None, gold=())
    stored = unlearn(forget_only, SSD(batch_size=32, importances=str(path)), run=one).model
    assert one.cost.examples == len(mislabelled.forget)
    assert same_weights(direct, stored)


def test_the_label_free_variant_reads_no_labels_and_forgets_the_class(whole_class):
    def unlabelled(examples: Examples) -> Examples:
        return Examples(examples.ids, {"image": examples["image"]})

    blind = dataclasses.replace(
        whole_class, forget=unlabelled(whole_class.forget), retain=unlabelled(whole_class.retain)
    )
    # Called directly: the problem's own check insists on labels.
    model = SSD(alpha=3.0, label_free=True).unlearn(blind, Run())
    forget, retain, _ = accuracies(whole_class, model)
    assert forget < 0.1
    assert retain > 0.9


def test_single_example_importances_do_not_depend_on_the_batch_size(mislabelled):
    first, second = (
        Importances(size, per_example=True).measure(mislabelled.model, mislabelled.task, mislabelled.forget, Run())
        for size in (7, 64)
    )
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-4, atol=1e-6)


def test_weights_outside_the_scope_keep_their_bits(mislabelled):
    whole, last = SSD(alpha=1.0), SSD(alpha=1.0, scope=LastLayers(1))
    moved = changed(mislabelled, unlearn(mislabelled, last).model)
    assert {name for name, flag in moved.items() if flag.any()} <= {"head.weight", "head.bias"}
    everywhere = weights(unlearn(mislabelled, whole).model)
    torch.testing.assert_close(weights(unlearn(mislabelled, last).model)["head.weight"], everywhere["head.weight"])


def test_importances_of_another_model_or_another_measure_are_refused(tmp_path):
    problem, other, path = tiny_problem(), tiny_problem(), tmp_path / "general"
    how = Importances(batch_size=8)
    how.save(path, problem.model, how.measure(problem.model, problem.task, problem.retain, Run()))
    with pytest.raises(InputError, match="batch_size"):
        unlearn(problem, SSD(batch_size=16, importances=str(path)))
    with torch.no_grad():
        other.model.head.bias.add_(1)
    with pytest.raises(InputError, match="differ in model"):
        unlearn(other, SSD(batch_size=8, importances=str(path)))
    with pytest.raises(StorageError, match="no such file"):
        unlearn(problem, SSD(importances=str(tmp_path / "missing")))


@pytest.mark.parametrize(
    "wrong", [{"alpha": -1.0}, {"dampening": -1.0}, {"batch_size": 0}, {"per_example": True, "label_free": True}]
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        unlearn(tiny_problem(), SSD(**wrong))
