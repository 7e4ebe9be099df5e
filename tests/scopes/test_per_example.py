"""Squared gradients of single examples are what one backward pass an example gives, for every kind of layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.run import Run
from lethe.scopes.importance import mean_squared_gradient
from lethe.scopes.per_example import mean_squared_example_gradient
from lethe.tasks import Classification
from lethe.worlds.digits import Digits, load_digits, network
from tests.helpers import tiny_problem


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


class Awkward(nn.Module):
    """A shared layer, a grouped and strided convolution, a bare parameter, norms and activations that work in place."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2)
        self.first = nn.Conv2d(1, 4, 3, padding="same")
        self.batch_norm = nn.BatchNorm2d(4)
        self.norm = nn.LayerNorm(16)
        self.shared = nn.Linear(16, 16, bias=False)
        self.shift = nn.Parameter(torch.ones(16))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        """Return the logits."""
        x = torch.relu_(self.batch_norm(torch.tanh_(self.first(x))))
        x = torch.relu_(self.grouped(x)).flatten(2)  # [B, 8, 16]
        x = self.shared(torch.tanh(self.shared(self.norm(x))))
        return self.head(x.mean(1) + self.shift)


@pytest.mark.parametrize("make", [lambda: network("cnn"), lambda: network("vit"), lambda: network("resnet"), Awkward])
def test_squares_agree_with_one_backward_pass_an_example(make):
    model, task, examples = seeded(make).eval(), Digits().task, load_digits().take(range(12))
    expected = mean_squared_gradient(model, examples, lambda m, b: task.losses(m, b).mean(), 1, Run())
    found = mean_squared_example_gradient(model, examples, task.losses, 5, Run())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-8)


def test_the_model_is_left_in_its_mode_and_without_hooks():
    problem = tiny_problem()
    problem.model.train()
    problem.model.head.weight.requires_grad_(False)
    mean_squared_example_gradient(problem.model, problem.forget, problem.task.losses, 4, Run())
    assert problem.model.training
    assert not problem.model.head.weight.requires_grad
    assert not any(module._forward_hooks for module in problem.model.modules())


def test_text_cannot_be_vectorised_over():
    import numpy as np

    model, task = seeded(Awkward), Classification(classes=10, input="image")
    digits = load_digits().take(range(3))
    examples = Examples(digits.ids, {**digits.columns, "note": np.array(["a", "b", "c"], dtype=object)})
    with pytest.raises(ConfigurationError, match="note"):
        mean_squared_example_gradient(model, examples, task.losses, 2, Run())
