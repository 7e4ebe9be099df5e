"""The facts a recommendation rests on are those that were measured: the tables agree with where they come from."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from lethe import catalogue
from lethe.errors import ConfigurationError
from lethe.methods.descent.npo import NPO
from lethe.recommend import EVALUATIONS, facts, seconds_of
from lethe.run import Run
from lethe.testing import tiny_problem

RESULTS = Path(__file__).parents[2] / "benchmarks" / "RESULTS.md"


def test_every_method_of_lethe_says_whether_it_aims_at_removal_or_suppression():
    aims = {entry.slug: catalogue.describe("method", entry.slug)["aims"] for entry in catalogue.METHODS}
    assert set(aims.values()) == {"removal", "suppression"}, aims


@pytest.mark.parametrize(
    ("slug", "aims"),
    [
        ("retrain", "removal"),
        ("gradient_ascent", "removal"),
        ("npo", "removal"),
        ("soul", "removal"),
        ("ssd", "removal"),
        ("negmerge", "removal"),
        ("rmu", "suppression"),
        ("idk", "suppression"),
        ("dpo", "suppression"),
        ("whp", "suppression"),
        ("random_labels", "suppression"),
    ],
)
def test_aims_are_those_of_the_taxonomy(slug, aims):
    """Ascent, edits, second order and merging take back; refusals, other labels and steered features cover over."""
    assert catalogue.describe("method", slug)["aims"] == aims


def test_the_measured_figures_are_those_of_the_results():
    text = RESULTS.read_text("utf-8").split("## Fidelity")[1].split("## Real data")[0]
    published = set(re.findall(r"^\| (\w+) \| [^|]+ \| ([\d.]+) ± ([\d.]+) \|", text, flags=re.MULTILINE))
    table = json.loads((files("lethe.recommend") / "measured.json").read_text("utf-8"))
    ours = [one for one in table if one["task"] == "classification"]
    claimed = {(one["method"], *re.findall(r"([\d.]+) ± ([\d.]+)", one["words"])[0]) for one in ours}
    assert claimed == published
    for one in ours:
        gap = float(re.findall(r"([\d.]+) ±", one["words"])[0])
        assert one["distance"] == pytest.approx(gap / 49, abs=1e-4)


def test_counted_passes_are_those_of_a_run():
    """Fine-tuning sees the retain set once an epoch and nothing else."""
    kind = catalogue.find("method", "finetune")
    counted, problem, run = facts.passes("finetune"), tiny_problem(), Run()
    kind(epochs=2).unlearn(problem, run)
    assert run.cost.examples == 2 * len(problem.kept)
    assert counted == facts.Passes(forget=0.0, retain=float(kind().epochs))
    ascent = catalogue.find("method", "gradient_ascent")()
    assert facts.passes("gradient_ascent") == facts.Passes(forget=float(ascent.epochs), retain=0.0)
    assert facts.passes("no such method") is None


def test_an_open_goal_takes_the_worse_result():
    assert facts.measured("ssd", "classification", "class").distance == pytest.approx(0.41 / 49, abs=1e-4)
    assert facts.measured("ssd", "classification", "").distance == pytest.approx(13.43 / 49, abs=1e-4)
    assert facts.measured("ssd", "causal_lm", "") is None


def test_approach_follows_what_a_method_works_with():
    class Guarded(NPO):
        acts_on = "prompt"

    assert facts.approach(NPO) == "parameter optimisation"
    assert facts.approach(catalogue.find("method", "task_arithmetic")) == "parameter merging"
    assert facts.approach(catalogue.find("method", "ssd")) == "parameter editing"
    assert facts.approach(Guarded) == "control at inference"
    assert facts.approach(catalogue.find("method", "sisa")) == "deletion by construction"
    assert facts.approach(catalogue.find("method", "unstar")) == "several stages"


@pytest.mark.parametrize("motive", sorted(EVALUATIONS))
def test_every_motive_names_measurements_that_exist_for_every_task(motive):
    evaluation = EVALUATIONS[motive]
    assert set(evaluation.metrics) <= catalogue.entries("metric").keys()
    assert set(evaluation.attacks) <= catalogue.entries("attack").keys()
    assert evaluation.of_task("causal_lm")
    assert not set(evaluation.of_task("classification")) & {"exact_memorization", "prefix_extraction"}


@pytest.mark.parametrize("text", ["", "0", "an hour", "1h30x", "-5m", "1:30", "m"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigurationError, match="expected a duration"):
        seconds_of(text)
