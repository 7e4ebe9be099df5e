from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lethe.auditing.measure import Measurements, measure
from lethe.auditing.metric import Rows
from lethe.errors import InputError
from lethe.examples import Examples
from lethe.measuring import EVALUATION_BATCH
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.digits import DigitsCNN
from tests.helpers import Tiny, tiny_problem


def sets_of(problem: Problem) -> dict[str, Examples]:
    named = {"forget": problem.forget, "retain": problem.retain, "holdout": problem.holdout}
    return {name: examples for name, examples in named.items() if examples is not None}


class Forwards:
    """Counts how often a model is called."""

    def __init__(self, model: nn.Module) -> None:
        self.count = 0
        self.handle = model.register_forward_hook(self._seen)

    def _seen(self, *_: object) -> None:
        self.count += 1


def read(problem: Problem, **options: object) -> Rows:
    return measure(problem.model, problem.task, sets_of(problem), Run(), **options)


def test_each_example_is_forwarded_once(mislabelled: Problem) -> None:
    forwards = Forwards(mislabelled.model)
    run = Run()
    measure(mislabelled.model, mislabelled.task, sets_of(mislabelled), run, activations=True)
    forwards.handle.remove()
    assert forwards.count == sum(math.ceil(len(e) / EVALUATION_BATCH) for e in sets_of(mislabelled).values())
    assert run.cost.examples == sum(len(e) for e in sets_of(mislabelled).values())


def test_what_is_known_is_not_forwarded_again(tmp_path: Path) -> None:
    problem = tiny_problem()
    first = read(problem, activations=True, known=Measurements(tmp_path))
    forwards = Forwards(problem.model)
    again = read(problem, activations=True, known=Measurements(tmp_path))
    assert forwards.count == 0, "a later process forwards what an earlier one kept"
    assert torch.equal(first["holdout"].logits, again["holdout"].logits)
    assert again["forget"].ids == problem.forget.ids
    assert first["forget"].activations.keys() == again["forget"].activations.keys()


def test_other_weights_are_measured_anew() -> None:
    problem, known = tiny_problem(), Measurements()
    before = read(problem, known=known)
    with torch.no_grad():
        problem.model.get_parameter("head.weight").add_(1.0)
    assert not torch.equal(before["forget"].logits, read(problem, known=known)["forget"].logits)


def test_measuring_leaves_the_model_as_it_was() -> None:
    problem = tiny_problem()
    problem.model.train()
    problem.model.get_submodule("norm").eval()
    statistics = problem.model.get_buffer("norm.running_mean").clone()
    read(problem, activations=True)
    assert problem.model.training
    assert not problem.model.get_submodule("norm").training
    assert torch.equal(problem.model.get_buffer("norm.running_mean"), statistics)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in problem.model.modules())


def test_features_are_what_the_head_reads() -> None:
    problem = tiny_problem()
    rows = read(problem)
    weight, bias = rows.head
    assert bias is not None
    torch.testing.assert_close(rows["retain"].features @ weight.T + bias, rows["retain"].logits)


def test_activations_are_layer_outputs_averaged_over_positions(mislabelled: Problem) -> None:
    model = mislabelled.model
    assert isinstance(model, DigitsCNN)
    rows = read(mislabelled, activations=True)["forget"]
    whole = mislabelled.forget.batch(torch.arange(len(mislabelled.forget)))
    with torch.no_grad():
        first = model.conv1(mislabelled.task.normalise(mislabelled.task.pixels(whole))).mean((2, 3))
    torch.testing.assert_close(rows.activations["conv1"], first)
    torch.testing.assert_close(rows.activations["head"], rows.logits)


def test_only_the_forget_set_keeps_activations() -> None:
    rows = read(tiny_problem(), activations=True)
    assert list(rows["forget"].activations) == ["first", "head"]
    assert not rows["retain"].activations


def test_outputs_that_are_not_finite_are_refused_with_the_example() -> None:
    problem = tiny_problem()
    with torch.no_grad():
        problem.model.get_parameter("head.weight").fill_(3e38)
    with pytest.raises(InputError, match=f"'{problem.forget.ids[0]}' is not finite"):
        read(problem)


def test_a_head_that_is_not_linear_is_refused() -> None:
    problem = tiny_problem()
    task = Classification(classes=3, head_name="norm")
    with pytest.raises(InputError, match="head is a BatchNorm1d; name the last linear layer"):
        measure(problem.model, task, sets_of(problem), Run())


def test_a_layer_without_a_row_for_each_example_is_left_out() -> None:
    class Positioned(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Embedding(1, 4)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + self.position(torch.zeros(1, dtype=torch.long)))

    problem = tiny_problem()
    rows = measure(Positioned(), problem.task, sets_of(problem), Run(), activations=True)
    assert list(rows["forget"].activations) == ["first", "head"]
    assert "position" in rows.weights
