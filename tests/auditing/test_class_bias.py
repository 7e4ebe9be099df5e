"""Class bias by the factors of the last layer, of a layer that is given."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe.auditing.class_bias import class_bias
from lethe.errors import InputError
from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import Classification


def test_class_bias_reads_the_factors_of_the_last_layer() -> None:
    class Given(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 3, bias=False)
            self.head.weight.data = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x)

    examples = Examples.of(input=torch.tensor([[3.0, 4.0], [0.0, 5.0]]), label=torch.tensor([1, 1]))
    found = class_bias(Given(), Classification(classes=3), examples, [0], Run())
    assert found.chosen.share == 0.5
    assert (found.chosen.length, found.others.length) == (2.0, 1.0)
    assert found.chosen.cosine == pytest.approx((0.6 + 0.0) / 2)
    assert found.chosen.logit == pytest.approx((6 + 0) / 2)
    assert found.others.cosine == pytest.approx(0.0, abs=1e-6)
    assert found.confusion.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_what_cannot_be_asked_is_refused() -> None:
    examples = Examples.of(input=torch.zeros(1, 2), label=torch.tensor([0]))
    for classes in ([], [0, 1, 2], [3], [-1]):
        with pytest.raises(InputError, match="ask about some of the classes 0 to 2"):
            class_bias(nn.Linear(2, 3), Classification(classes=3), examples, classes, Run())
    bare = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with pytest.raises(InputError, match="the head is a ReLU"):
        class_bias(bare, Classification(classes=3, head_name="1"), examples, [0], Run())
