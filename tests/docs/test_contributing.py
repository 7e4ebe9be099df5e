"""Whoever follows CONTRIBUTING.md word for word ends with a package that works."""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path

import pytest

import lethe
from lethe import catalogue, configure
from lethe.methods.base import settings
from lethe.scopes import Saliency
from lethe.steps import SAM
from lethe.testing import tiny_problem

ROOT = Path(__file__).parents[2]


def test_every_entry_point_is_found_listed_and_described(example_package):
    points = tomllib.loads((example_package / "pyproject.toml").read_text())["project"]["entry-points"]
    for group, slugs in points.items():
        kind = group.removeprefix("lethe.").removesuffix("s")
        for slug, path in slugs.items():
            assert f"{catalogue.find(kind, slug).__module__}:{catalogue.find(kind, slug).__name__}" == path
            facts = catalogue.describe(kind, slug)
            assert facts["package"] == "lethe-example"
            assert facts["title"]
    assert set(points) == {"lethe.methods", "lethe.scopes", "lethe.steps", "lethe.metrics"}


def test_the_tests_of_the_example_pass(example_package):
    ran = 0
    for path in sorted((example_package / "tests").glob("test_*.py")):
        for name, test in runpy.run_path(str(path)).items():
            if name.startswith("test_"):
                test()
                ran += 1
    assert ran == 3


def test_the_method_combines_as_the_text_says(example_package):
    text = {"retain_weight": "2", "epochs": "1"}
    method = configure.build("unsure", text, {"scope": "saliency", "step": "sam"})
    assert method.retain_weight == 2.0
    assert isinstance(method.scope, Saliency)
    assert isinstance(method.step, SAM)
    record = lethe.unlearn(tiny_problem(), method).record
    assert record["configuration"]["method"] == settings(method)
    assert configure.build("salun", {"epochs": "1"}, {"scope": "vectors", "step": "sign"}).scope is not None


def test_the_method_does_what_it_says(example_package):
    """The example is no dummy: forget predictions end less sure than fine-tuning leaves them."""
    problem = tiny_problem()
    metric, unsure = catalogue.find("metric", "forget_entropy"), catalogue.find("method", "unsure")

    def entropy(method) -> float:
        model = lethe.unlearn(problem, method).model
        evidence = lethe.Audit(metrics=(metric(),), attacks=(), resamples=0)(problem, model)
        return evidence.entry("forget_entropy").value

    assert entropy(unsure(epochs=20)) > entropy(catalogue.find("method", "finetune")(epochs=20)) + 0.3


@pytest.mark.parametrize("target", ["install", "test", "lint", "docs", "test-all"])
def test_the_make_targets_it_names_exist(target):
    assert f"make {target}" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")
