"""A problem that would make a run meaningless is refused in one line, before any work."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.methods.baselines.finetune import FineTune
from lethe.models import copied
from lethe.tasks import Classification
from tests.helpers import tiny_problem


def broken(what: str):
    problem = tiny_problem()
    match what:
        case "empty forget set":
            return replace(problem, forget=problem.forget.take([]))
        case "empty retain set":
            return replace(problem, retain=problem.kept.take([]))
        case "overlap":
            return replace(problem, retain=problem.forget)
        case "label":
            return replace(problem, forget=problem.forget.with_column("label", torch.full((12,), 3)))
        case "nan input":
            inputs = problem.kept.tensor("input").clone()
            inputs[7, 1] = float("nan")
            return replace(problem, retain=problem.kept.with_column("input", inputs))
        case _:
            model = copied(problem.model)
            with torch.no_grad():
                model.head.weight[0, 0] = float("inf")
            return replace(problem, model=model)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("empty forget set", "the forget set is empty"),
        ("empty retain set", "the retain set is empty"),
        ("overlap", r"12 examples are in the forget set and in the retain set \(for one 'e0'\)"),
        ("label", "forget set: example 'e0' has label 3, but the model knows classes 0 to 2"),
        ("nan input", "retain set: example 'e19' has a NaN"),
        ("infinite weight", "original model: the weights 'head.weight' hold a NaN or an infinity"),
    ],
)
def test_a_broken_problem_is_refused_with_its_culprit(what, message):
    with pytest.raises(InputError, match=message):
        unlearn(broken(what), FineTune(epochs=1))


def test_a_missing_part_is_named_with_the_way_to_give_it():
    with pytest.raises(ConfigurationError, match=r"FineTune needs retain.*give Problem\(retain=...\)"):
        unlearn(replace(tiny_problem(), retain=None), FineTune())


def test_a_method_for_another_kind_of_model_is_refused():
    class Forecasting(Classification):
        pass

    class ForForecasts(FineTune):
        tasks = (Forecasting,)

    with pytest.raises(ConfigurationError, match="works on Forecasting, and the problem's task is Classification"):
        unlearn(tiny_problem(), ForForecasts())
