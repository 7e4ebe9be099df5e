"""Which hidden units can be exchanged, found by exchanging them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe import models
from lethe.auditing.units import hidden_units
from lethe.examples import Batch, Examples
from lethe.tasks import Classification
from lethe.testing import tiny_problem
from lethe.testing.language import tiny_language_problem
from lethe.worlds.digits import Digits


class Residual(nn.Module):
    """A skip connection around two layers of equal width: only the units inside it can be exchanged."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.outer, self.head = (nn.Linear(6, 6) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.head(x + self.outer(torch.relu(self.inner(x))))


def batch_of(examples: Examples) -> Batch:
    return examples.batch(torch.arange(2))


def pairs(model: nn.Module, task: Classification, batch: Batch) -> list[tuple[tuple[str, ...], str, int]]:
    return [
        (tuple(axis.layer for axis in units.made), units.read.layer, units.read.block)
        for units in hidden_units(model, task, batch)
    ]


def test_convolutions_and_linear_layers_in_a_row_with_batch_norm_and_flattening() -> None:
    problem = tiny_problem()
    found = pairs(problem.model, problem.task, batch_of(problem.forget))
    assert found == [(("conv",), "hidden", 16), (("hidden",), "head", 1)]


def test_the_gate_and_the_up_projection_of_a_llama_make_the_same_units() -> None:
    problem = tiny_language_problem()
    found = pairs(problem.model, problem.task, batch_of(problem.forget))
    assert found == [
        ((f"model.layers.{i}.mlp.gate_proj", f"model.layers.{i}.mlp.up_proj"), f"model.layers.{i}.mlp.down_proj", 1)
        for i in range(2)
    ]


def test_units_on_a_skip_connection_are_left_alone() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.arange(4), {"input": torch.randn(4, 6), "label": torch.arange(4)})
    assert pairs(Residual(), Classification(classes=6), batch) == [(("inner",), "outer", 1)]


@pytest.mark.parametrize("architecture", ["vit", "resnet"])
def test_of_networks_with_skip_connections_only_the_insides_are_found(architecture: str) -> None:
    world = Digits("mislabelled", architecture=architecture)
    torch.manual_seed(0)
    found = pairs(world.network(), world.task, batch_of(world.sets[0]))
    assert len(found) == 2
    assert all(made[0].rsplit(".", 2)[0] == read.rsplit(".", 2)[0] for made, read, _ in found)


def test_a_model_whose_outputs_do_not_depend_on_its_units_shows_none_and_is_left_as_it_was() -> None:
    problem = tiny_problem()
    before = models.fingerprint(problem.model)
    hidden_units(problem.model, problem.task, batch_of(problem.forget))
    assert models.fingerprint(problem.model) == before
    with torch.no_grad():
        problem.model.get_parameter("head.weight").zero_()
    assert hidden_units(problem.model, problem.task, batch_of(problem.forget)) == ()
