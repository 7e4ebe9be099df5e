"""A mask holds to the bit, whatever the optimiser does, and says exactly how many weights it lets move."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.models import copied
from lethe.run import Run
from lethe.scopes import All, LastLayers, Layers, Magnitude, Mask, NonZero, RandomMask, Saliency
from lethe.scopes.importance import top_share
from lethe.steps import SAM, Clip
from tests.helpers import tiny_problem


@pytest.mark.parametrize("scope", [RandomMask(0.3), Magnitude(0.5), Saliency(0.4), LastLayers(1), Layers(("norm.*",))])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("step", [Clip(1.0), SAM(0.1)])
def test_masked_out_weights_keep_their_bits_through_momentum_and_weight_decay(scope, optimizer, step):
    problem = tiny_problem()
    method = RandomLabels(scope=scope, optimizer=optimizer, step=step, epochs=3, batch_size=8, weight_decay=0.1)
    mask = scope.mask(problem, Run())
    after = dict(unlearn(problem, method).model.named_parameters())
    moved = kept = 0
    for name, before in problem.model.named_parameters():
        flag = mask.allowed.get(name, False)
        allowed = flag if isinstance(flag, torch.Tensor) else torch.full(before.shape, flag)
        assert torch.equal(before[~allowed], after[name][~allowed])
        kept += int((~allowed).sum())
        moved += int((before[allowed] != after[name][allowed]).sum())
    assert kept > 0
    assert moved > 0


def test_frozen_batch_norms_keep_their_statistics_and_free_ones_do_not():
    problem = tiny_problem()
    frozen = unlearn(problem, RandomLabels(scope=LastLayers(1), epochs=1)).model
    free = unlearn(problem, RandomLabels(epochs=1)).model
    asked = unlearn(problem, RandomLabels(epochs=1, batch_norm="freeze")).model
    mean = problem.model.norm.running_mean
    assert torch.equal(frozen.norm.running_mean, mean)
    assert torch.equal(asked.norm.running_mean, mean)
    assert not torch.equal(free.norm.running_mean, mean)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.37, 1.0])
@pytest.mark.parametrize("kind", [Saliency, Magnitude, RandomMask])
def test_shares_are_exact(kind, keep):
    problem = tiny_problem()
    total = sum(p.numel() for p in problem.model.parameters())
    assert kind(keep).mask(problem, Run()).share(problem.model) == int(keep * total) / total


def test_ties_do_not_change_the_count():
    chosen = top_share({"a": torch.zeros(3, 3), "b": torch.zeros(5)}, 0.5)
    assert sum(int(m.sum()) for m in chosen.values()) == 7


def test_saliency_sums_signed_gradients_before_the_absolute_value():
    problem = tiny_problem()
    model = copied(problem.model).eval()
    loss = sum(problem.task.losses(model, b).mean() for b in problem.forget.batches(5))
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    flat = torch.cat([g.abs().flatten() for g in gradients])
    mask = Saliency(0.25, batch_size=5).mask(problem, Run())
    chosen = torch.cat([mask.allowed[name].flatten() for name, _ in model.named_parameters()])
    assert flat[chosen].min() >= flat[~chosen].max()


def test_masks_combine_by_and():
    a, b = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    both = Mask({"x": a, "y": True, "z": False, "only": True}) & Mask({"x": b, "y": b, "z": True})
    assert both.allowed["x"].tolist() == [True, False, False]
    assert both.allowed["y"] is b
    assert both.allowed["z"] is False
    assert "only" not in both.allowed


def test_last_layers_take_the_norms_between_and_after():
    allowed = LastLayers(2).mask(tiny_problem(), Run()).allowed
    assert all(allowed.values())
    allowed = LastLayers(1).mask(tiny_problem(), Run()).allowed
    assert [name for name, flag in allowed.items() if flag] == ["head.weight", "head.bias"]


def test_non_zero_holds_the_zeros_of_a_pruned_model():
    problem = tiny_problem()
    with torch.no_grad():
        problem.model.first.weight[:, :2] = 0
    after = unlearn(problem, RandomLabels(scope=NonZero(), epochs=2)).model
    assert bool((after.first.weight[:, :2] == 0).all())
    assert bool((after.first.weight[:, 2:] != problem.model.first.weight[:, 2:]).any())


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (Layers(("haed.weight",)), "no parameter of the model matches 'haed.weight'; did you mean 'head.weight'"),
        (LastLayers(7), "the model has 2 layers; the last 7 cannot be chosen"),
        (RandomMask(0.0), "leaves no weight to move"),
    ],
)
def test_scopes_that_cannot_be_are_refused_with_the_reason(scope, message):
    with pytest.raises(ConfigurationError, match=message):
        unlearn(tiny_problem(), RandomLabels(scope=scope))


def test_the_models_own_frozen_weights_stay_frozen_and_flags_come_back():
    problem = tiny_problem()
    problem.model.first.weight.requires_grad_(False)
    after = unlearn(problem, RandomLabels(scope=All(), epochs=1)).model
    assert torch.equal(after.first.weight, problem.model.first.weight)
    assert [p.requires_grad for p in after.parameters()] == [p.requires_grad for p in problem.model.parameters()]
