"""The card's checks of the benchmark, on a tiny model of fictitious people trained from scratch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from torch import nn

from lethe.api import unlearn
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Rows
from lethe.benchmarks.base import write_rows
from lethe.benchmarks.preparation import trained
from lethe.benchmarks.tofu import Tofu
from lethe.errors import ConfigurationError
from lethe.examples import Examples, concatenate
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.sources import Inputs, assemble
from lethe.tasks import CausalLM
from tests.benchmarks.conftest import TOFU, Place


@dataclasses.dataclass(frozen=True)
class Bench:
    """Everything of the protocol in memory: what starts it, target, gold, and a second model like gold."""

    problem: Problem
    sets: Mapping[str, Examples]
    target: nn.Module
    gold: nn.Module
    second: nn.Module

    def rows(self, model: nn.Module) -> Rows:
        assert isinstance(self.problem.task, CausalLM)
        return TOFU.measure(model, self.problem.task, self.sets, Run(), Measurements())

    def values(self, model: nn.Module) -> dict[str, float]:
        return TOFU.values(self.rows(model), self.rows(self.target), self.rows(self.gold))


@pytest.fixture(scope="module")
def bench(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    out, data = tmp_path_factory.mktemp("prepared"), TOFU.read(str(place.data))
    for name, rows in (("forget", data.forget), ("retain", data.retain)):
        write_rows(rows, name, out / f"{name}.jsonl")
    files = {name: str(out / f"{name}.jsonl") for name in ("forget", "retain")}
    problem = assemble(Inputs(model=str(place.base), **files))
    assert isinstance(problem.task, CausalLM)

    def learnt(examples: Examples, seed: int) -> nn.Module:
        folder = out / f"{len(examples)}-{seed}"
        return trained(problem.model, problem.task, examples, TOFU.recipe, Run(seed=seed), folder)

    target = learnt(concatenate(problem.kept, problem.forget), 0)
    return Bench(
        dataclasses.replace(problem, model=target), TOFU.tasks(data, problem.task), target,
        learnt(problem.kept, 1), learnt(problem.kept, 2),
    )  # fmt: skip


@pytest.fixture(scope="module")
def of_target(bench: Bench) -> dict[str, float]:
    return bench.values(bench.target)


def test_the_target_says_the_forget_answers_and_gold_does_not(bench: Bench, of_target: dict[str, float]) -> None:
    assert of_target["forget_rouge"] >= 0.9
    assert bench.values(bench.gold)["forget_rouge"] <= 0.5


def test_forget_quality_tells_the_target_from_gold_and_not_gold_from_gold(
    bench: Bench, of_target: dict[str, float]
) -> None:
    assert of_target["forget_quality"] < 0.01
    assert bench.values(bench.second)["forget_quality"] > 0.05
    assert bench.values(bench.gold)["forget_quality"] == 1.0


def test_membership_is_seen_in_the_target_alone(bench: Bench, of_target: dict[str, float]) -> None:
    assert of_target["mia_loss"] > 0.9
    gold, second = (bench.values(model)["mia_loss"] for model in (bench.gold, bench.second))
    assert abs(gold - second) < 0.2 < 0.4 < of_target["mia_loss"] - gold
    assert of_target["privacy_leakage"] < -0.5


def test_a_method_that_does_nothing_has_the_values_of_the_target(bench: Bench, of_target: dict[str, float]) -> None:
    assert bench.values(copied(bench.target)) == of_target


def test_long_ascent_destroys_the_model_and_is_no_forgetting(bench: Bench, of_target: dict[str, float]) -> None:
    method = GradientAscent(epochs=10, learning_rate=3e-3, optimizer="adamw", batch_size=9)
    values = bench.values(unlearn(bench.problem, method).model)
    assert values["forget_quality"] < 0.01
    assert values["model_utility"] < of_target["model_utility"] / 2
    assert values["forget_rouge"] < 0.2


def test_utility_counts_public_knowledge(of_target: dict[str, float]) -> None:
    parts = [of_target[f"{name}_{what}"] for name in ("retain", "real_authors", "world_facts")
             for what in ("probability", "rouge", "truth_ratio")]  # fmt: skip
    assert of_target["model_utility"] == pytest.approx(9 / sum(1 / part for part in parts))


def test_preparation_that_was_done_is_loaded(bench: Bench, tmp_path: Path) -> None:
    quick, task = dataclasses.replace(TOFU, epochs=1).recipe, bench.problem.task
    first = trained(bench.target, task, bench.problem.forget, quick, Run(seed=0), tmp_path)
    again = Run(seed=0)
    second = trained(bench.target, task, bench.problem.forget, quick, again, tmp_path)
    assert again.cost.steps == 0
    assert all(bool((a == b).all()) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="rows must be at least 1"):
        Tofu(rows=0)
    with pytest.raises(ConfigurationError, match="epochs must be at least 1"):
        Tofu(epochs=0)
