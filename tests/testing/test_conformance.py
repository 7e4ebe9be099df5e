"""Everything in the catalogue keeps its promises."""

from __future__ import annotations

import dataclasses

import pytest

from lethe import catalogue, testing
from lethe.problem import Problem

SETTINGS = {("scope", "layers"): {"names": ("head.*",)}}
"""What parts need to be told before they can be made; everything else has defaults."""


def made(kind: str, slug: str):
    return catalogue.find(kind, slug)(**SETTINGS.get((kind, slug), {}))


@pytest.fixture
def problem() -> Problem:
    return testing.tiny_problem()


@pytest.mark.parametrize("slug", catalogue.entries("method"))
def test_methods_conform(slug, problem):
    testing.check_method(made("method", slug), problem)


def test_retraining_conforms_also_where_the_problem_has_no_recipe(problem):
    testing.check_method(made("method", "retrain"), dataclasses.replace(problem, retrain=None))


@pytest.mark.parametrize("slug", catalogue.entries("scope"))
def test_scopes_conform(slug, problem):
    testing.check_scope(made("scope", slug), problem)


@pytest.mark.parametrize("slug", catalogue.entries("step"))
def test_steps_conform(slug, problem):
    testing.check_step(made("step", slug), problem)


@pytest.mark.parametrize("slug", catalogue.entries("weighting"))
def test_weightings_conform(slug, problem):
    testing.check_weighting(made("weighting", slug), problem)


@pytest.mark.parametrize("slug", catalogue.entries("metric"))
def test_metrics_conform(slug, problem):
    testing.check_metric(made("metric", slug), problem)
