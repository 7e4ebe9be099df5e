"""Rounding, pruning and noise: attacks that need no data."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
import torch
from torch import nn

from lethe import models
from lethe.auditing.attacks.perturbing import matrices
from lethe.auditing.attacks.prune import Prune
from lethe.auditing.attacks.quantize import Quantize
from lethe.auditing.attacks.regained import performance, regained
from lethe.auditing.attacks.rounding import absmax, nf4, nf4_levels
from lethe.auditing.attacks.weight_noise import WeightNoise
from lethe.errors import ConfigurationError
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from tests.auditing.attacks.hiding import gained, hidden, most_from_gold, people, scored

ATTACKS = (Quantize(), Prune(), WeightNoise())
NOTHING = (Quantize(bits=(32,)), Prune(ratios=(0.0,)), WeightNoise(scales=(0.0,)))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group", [0, 5])
def test_rounding_errs_by_half_a_step_at_most_and_keeps_the_largest(bits: int, group: int) -> None:
    weight = torch.randn(6, 17, generator=torch.Generator().manual_seed(bits), dtype=torch.float64)
    weight[2] = 0
    rounded = absmax(weight, bits, group)
    for begin in range(0, 17, group or 17):
        part, of = rounded[:, begin : begin + (group or 17)], weight[:, begin : begin + (group or 17)]
        largest = of.abs().amax(1, keepdim=True)
        step = largest / (2 ** (bits - 1) - 1)
        assert bool(((part - of).abs() <= step / 2 + 1e-12).all())
        assert torch.allclose(part.abs().amax(1, keepdim=True), largest, atol=1e-12)
        # No more levels than the bits can name.
        assert all(len(row.unique()) <= 2**bits - 1 for row in part)
    assert torch.allclose(absmax(rounded, bits, group), rounded, atol=1e-12)


def test_nf4_takes_the_nearest_of_its_published_levels() -> None:
    published = [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
        -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634,
        0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ]  # fmt: skip
    levels = nf4_levels()
    assert torch.allclose(levels, torch.tensor(published, dtype=torch.float64), atol=1e-6)
    weight = torch.randn(3, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rounded = nf4(weight, block=64)
    for part, of in zip(rounded.split(64, dim=1), weight.split(64, dim=1), strict=True):
        grid = levels * of.abs().amax(1, keepdim=True).unsqueeze(-1)
        nearest = (of.unsqueeze(-1) - grid).abs().amin(-1)
        assert torch.allclose((part - of).abs(), nearest, atol=1e-12)


@cache
def nudged() -> tuple[Problem, nn.Module]:
    """The people with an original whose weights lie on the grid of 4 bits, and it nudged by less than half a step."""
    problem = people()
    original = copied(problem.model)
    grid = list(matrices(original, problem.task, "inside"))
    for weight in grid:
        weight.copy_(absmax(weight, 4))
    model = copied(original)
    moving, forget = list(matrices(model, problem.task, "inside")), problem.forget.batch(torch.arange(18))
    wanted = [weight for weight in model.parameters() if any(weight.data_ptr() == own.data_ptr() for own in moving)]
    optimizer = torch.optim.Adam(wanted, lr=2e-3)
    for _ in range(10):
        optimizer.zero_grad()
        (-problem.task.losses(model, forget).mean()).backward()
        optimizer.step()
        for weight, still in zip(moving, grid, strict=True):
            largest = still.abs().amax(1, keepdim=True)
            reach = torch.where(still.abs() == largest, 0.0, 0.45 * largest / 7)
            weight.copy_(still + (weight - still).clamp(-reach, reach))
    return dataclasses.replace(problem, model=original), model


def test_a_nudge_below_half_a_step_is_rounded_away() -> None:
    problem, model = nudged()
    score = scored(Quantize(), model, problem)
    known = float(regained(problem.model, problem.task, problem.forget, Run()).mean())
    assert score.details["before"] < known - 0.3
    assert score.details["bits"] == 4
    assert score.value == pytest.approx(known, abs=1e-4)
    # At 8 bits the nudge is larger than the rounding.
    assert score.details["curve"][0] == [8, pytest.approx(score.details["before"], abs=0.05)]
    assert most_from_gold(Quantize(), problem) < 0.05


def test_what_lies_in_small_weights_alone_is_pruned_away() -> None:
    problem = people()
    original = copied(problem.model)
    Prune().perturb(list(matrices(original, problem.task, "inside")), 0.3, Run())
    model = copied(original)
    draws = torch.Generator().manual_seed(0)
    for weight in matrices(model, problem.task, "inside"):
        small = weight[weight != 0].abs().min()
        weight[weight == 0] = 0.9 * small * torch.randn(weight.shape, generator=draws)[weight == 0].sign()
    own = float(regained(original, problem.task, problem.forget, Run()).mean())
    score = scored(Prune(ratios=(0.3,)), model)
    assert score.value == own != score.details["before"]


@pytest.mark.parametrize("across", ["layer", "model"])
@pytest.mark.parametrize("criterion", ["magnitude", "random"])
def test_exactly_the_share_is_pruned(across, criterion) -> None:
    draws = torch.Generator().manual_seed(0)
    weights = [torch.randn(7, 9, generator=draws) + 10, torch.randn(11, 3, generator=draws)]
    before = [weight.clone() for weight in weights]
    Prune(criterion=criterion, across=across).perturb(weights, 0.3, Run())
    gone = [weight == 0 for weight in weights]
    if across == "layer":
        assert [int(part.sum()) for part in gone] == [19, 10]  # of 63 and 33
    else:
        assert sum(int(part.sum()) for part in gone) == 29  # of 96
    for weight, old, zero in zip(weights, before, gone, strict=True):
        assert torch.equal(weight[~zero], old[~zero])
        if criterion == "magnitude" and across == "layer":
            assert old[zero].abs().max() <= old[~zero].abs().min()
    if criterion == "magnitude" and across == "model":
        assert not bool(gone[0].any())  # the other matrix is smaller by far


def test_noise_is_as_large_as_the_scale_says() -> None:
    weight = torch.randn(200, 100, generator=torch.Generator().manual_seed(0)) * 3
    noisy = weight.clone()
    WeightNoise().perturb([noisy], 0.1, Run())
    assert float((noisy - weight).square().mean().sqrt()) == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("attack", NOTHING, ids=lambda attack: attack.title)
def test_no_change_gives_what_the_model_gives(attack) -> None:
    score = scored(attack, hidden(""))
    task, forget = people().task, people().forget
    assert score.details["looked_at"] == len(forget)
    assert scored(dataclasses.replace(attack, examples=4), hidden("")).details["looked_at"] == 4
    assert score.value == score.details["before"] == performance(hidden(""), task, forget, Run())["probability"]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.title)
def test_gold_gains_nothing_and_models_are_left(attack) -> None:
    before = models.fingerprint(people().gold[0])
    assert most_from_gold(attack) < 0.03
    assert models.fingerprint(people().gold[0]) == before


def test_head_and_embeddings_move_only_when_asked_for() -> None:
    for part, moves in (("inside", False), ("everything", True)):
        model = copied(people().model)
        with torch.no_grad():
            for weight in matrices(model, people().task, part):
                weight.zero_()
        assert bool((model.lm_head.weight == 0).all()) is moves
        assert bool((model.get_input_embeddings().weight == 0).all()) is moves
        assert bool((model.model.layers[0].mlp.up_proj.weight == 0).all())
        assert not bool((model.model.norm.weight == 0).any())


def test_a_channel_of_gpt2_is_a_column() -> None:
    from transformers.pytorch_utils import Conv1D

    class Task:
        def head(self, model):
            return None

        def layers(self, model):
            return {"inner": model}

    layer = Conv1D(5, 3)  # three inputs, five outputs
    layer.weight.data[:, 2] = torch.tensor([100.0, 1.0, 2.0])
    (weight,) = matrices(layer, Task(), "inside")
    assert weight.shape == (5, 3)
    weight.copy_(absmax(weight, 4))
    assert layer.weight[:, 2].tolist() == [100.0, 0.0, 0.0]
    assert bool((layer.weight[:, 0] != 0).any())


def test_convolutions_are_changed_also_where_their_memory_is_laid_out_otherwise() -> None:
    layer = nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last)

    class Task:
        def head(self, model):
            return None

        def layers(self, model):
            return {"inner": model}

    for weight in matrices(layer, Task(), "inside"):
        assert weight.shape == (4, 12)
        weight.zero_()
    assert bool((layer.weight == 0).all())


def test_classifiers_are_attacked_alike(whole_class: Problem) -> None:
    for attack in ATTACKS:
        score = scored(attack, whole_class.model, whole_class)
        assert score.value > 0.9
        assert gained(attack, whole_class.gold[0], whole_class) < 0.05


@pytest.mark.parametrize(
    ("attack", "settings", "message"),
    [
        (Quantize, {"bits": (1,)}, "bits must lie between 2 and 16"),
        (Quantize, {"bits": ()}, "names no number of bits"),
        (Quantize, {"scheme": "nf4"}, "NF4 has 4 bits, not 8"),
        (Quantize, {"group": -1}, "group must not be negative"),
        (Prune, {"ratios": (1.0,)}, "from 0 to below 1"),
        (WeightNoise, {"scales": (-0.1,)}, "numbers from 0"),
    ],
)
def test_impossible_settings_are_refused(attack, settings, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        attack(**settings)


def test_nf4_is_another_rounding() -> None:
    score = scored(Quantize(scheme="nf4", bits=(4,)), people().model)
    assert score.value > 0.9
    assert score.value != scored(Quantize(bits=(4,)), people().model).value
