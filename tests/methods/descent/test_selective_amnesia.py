"""Selective amnesia, card 079: the traced MLPs alone move, and the retain loss stays under plain GradDiff's."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.selective_amnesia import SelectiveAmnesia
from lethe.problem import Problem
from lethe.scopes import TracedLayers
from lethe.steps import SAM
from tests.domains import Domains, known, loss

OPTIONS = {"batch_size": 8, "learning_rate": 3e-3, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Domains().problem(gold=())


def test_the_mlps_of_the_listed_or_traced_layers_move_and_no_other_bit(problem):
    for method, layers in (
        (SelectiveAmnesia(**OPTIONS, epochs=2, layers=(0, 1)), (0, 1)),
        (SelectiveAmnesia(**OPTIONS, epochs=2, count=1), (0,)),
    ):
        after = unlearn(problem, method).model
        moved = {n for n, p in problem.model.named_parameters() if not torch.equal(p, after.get_parameter(n))}
        assert moved == {
            f"model.layers.{layer}.mlp.{part}_proj.weight" for layer in layers for part in ("gate", "up", "down")
        }


def test_the_retain_loss_stays_under_that_of_a_fixed_weight_at_equal_forgetting(problem):
    def trace(method) -> list[tuple[float, float]]:
        found = []

        def watch(model: torch.nn.Module) -> dict[str, float]:
            found.append((loss(problem, model, problem.forget), loss(problem, model, problem.retain)))
            return {}

        unlearn(problem, method, watch=watch, watch_every=1)
        return found

    adaptive = trace(SelectiveAmnesia(**OPTIONS, epochs=30, layers=(0,)))
    fixed = trace(GradDiff(**OPTIONS, epochs=30, warmup_epochs=0.0, scope=TracedLayers(layers=(0,))))
    worse = 0
    for level in (1.0, 2.0, 3.0):
        own, other = (next(retain for forget, retain in found if forget >= level) for found in (adaptive, fixed))
        assert own <= other + 1e-6
        worse += own < 0.9 * other
    assert worse


def test_it_forgets_in_the_traced_layer(problem):
    after = unlearn(problem, SelectiveAmnesia(**OPTIONS, epochs=40, count=1)).model
    assert known(problem, after) <= 0.1
    assert known(problem, after, problem.retain) >= 0.7


def test_the_releases_mean_is_another_run(problem):
    # With this c the weight leaves its floor as soon as the loss lies above the mean.
    options = {**OPTIONS, "epochs": 3, "layers": (0,), "offset": 1.0}
    paper, release = (
        unlearn(problem, SelectiveAmnesia(**options, first_mean=kind)).model for kind in ("paper", "release")
    )
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(paper.get_parameter(name), release.get_parameter(name))


def test_another_step_or_weight_is_refused(problem):
    with pytest.raises(ConfigurationError, match="leaves no place for SAM"):
        unlearn(problem, SelectiveAmnesia(step=SAM()))
    with pytest.raises(ConfigurationError, match="weighs the retain term itself"):
        unlearn(problem, SelectiveAmnesia(retain_weight=2.0))
