"""Text from the command line becomes values, or one line that names what is wrong and the nearest that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lethe import catalogue, configure
from lethe.errors import ConfigurationError
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.descent.salun import SalUn
from lethe.scopes import LastLayers, Layers, Saliency
from lethe.steps import SAM
from lethe.weighting import LossReweighting


def test_settings_reach_the_method_and_its_parts():
    built = configure.build(
        "random_labels",
        {"epochs": "3", "order": "mixed", "exclude_true": "false", "scope.keep": "0.3", "step.rho": "0.1"},
        {"scope": "saliency", "step": "sam", "weighting": "loreun"},
    )
    assert built == RandomLabels(
        epochs=3, order="mixed", exclude_true=False, scope=Saliency(0.3), step=SAM(0.1), weighting=LossReweighting()
    )
    assert configure.build("salun", {"keep": "0.25"}) == SalUn(keep=0.25)
    assert configure.build("layers", {"names": "head.*, conv1.*"}, kind="scope") == Layers(("head.*", "conv1.*"))
    assert configure.build("finetune", {"scope.count": "2"}, {"scope": "last_layers"}).scope == LastLayers(2)


@pytest.mark.parametrize("kind", catalogue.KINDS)
def test_no_option_has_the_name_of_a_part_that_it_is_not(kind):
    """Or nobody could set it: `--set step=0.1` chooses a part."""
    kinds = {"scope": "Scope", "step": "Step", "weighting": "Weighting"}
    assert set(kinds) == set(configure.PARTS)
    for slug in catalogue.entries(kind):
        for option in configure.options(catalogue.find(kind, slug)):
            assert option.name not in kinds or option.type == kinds[option.name], (slug, option.name)


@pytest.mark.parametrize(
    ("slug", "settings", "parts", "message"),
    [
        ("salum", {}, {}, "unknown method 'salum'; did you mean 'salun'"),
        ("salun", {"keap": "1"}, {}, "salun has no option 'keap'; did you mean 'keep'"),
        ("salun", {"keep": "half"}, {}, "salun: option keep=half: expected a number"),
        ("salun", {"epochs": "2.5"}, {}, "option epochs=2.5: expected a whole number"),
        ("salun", {"order": "both"}, {}, "option order=both: expected one of separate, mixed"),
        ("salun", {"soft": "maybe"}, {}, "option soft=maybe: expected true or false"),
        ("salun", {"scope": "all"}, {}, "choose the scope with --scope all"),
        ("salun", {"step.rho": "1"}, {}, "needs the part it belongs to: choose it with --step"),
        ("salun", {}, {"step": "sma"}, "unknown step 'sma'; did you mean 'sam'"),
        ("salun", {"step.rhoo": "1"}, {"step": "sam"}, "sam has no option 'rhoo'; did you mean 'rho'"),
        ("salun", {}, {"step": "orthogonal"}, "SalUn cannot take the step Orthogonal"),
        ("finetune", {}, {"weighting": "loreun"}, "FineTune has no forget term for LossReweighting to weigh"),
        ("ssd", {}, {"step": "sam"}, "ssd takes no --step: it does not run on the descent loop"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(slug, settings, parts, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        configure.build(slug, settings, parts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", sorted(catalogue.KINDS))
def test_every_entry_loads_and_every_option_has_a_meaning(kind):
    for slug, entry in catalogue.entries(kind).items():
        for option in configure.options(entry.load()):
            assert option.meaning, f"{kind} {slug}: the docstring does not explain '{option.name}'"
            assert option.type


@pytest.mark.parametrize("slug", sorted(catalogue.entries("method")))
def test_every_method_is_described_whole_and_can_be_built_from_its_defaults(slug):
    facts = catalogue.describe("method", slug)
    assert facts["title"].endswith((".", "].")), slug
    assert facts["tasks"]
    assert {*facts["tasks"]} <= {"classification", "causal_lm", "regression"}
    assert facts["source"] or slug == "retrain", f"{slug}: no Source in the docstring"
    # Two have to be told who writes their texts.
    needed = {"generator": "template"} if slug in ("relearn", "unstar") else {}
    assert configure.build(slug, needed) == catalogue.find("method", slug)(**needed)


def test_every_row_of_the_catalogue_has_tests_of_its_own():
    """A published system is listed when it works: some test names its class, or its slug."""
    texts = [path.read_text("utf-8") for path in Path(__file__).parent.rglob("test_*.py")]
    for kind, entries in catalogue.KINDS.items():
        for entry in entries:
            name = entry.path.rpartition(":")[2]
            if entry.row is not None:
                named = re.compile(rf"\b({name}|{entry.slug})\b")
                assert any(named.search(text) for text in texts), f"{kind} {entry.slug}: no test names {name}"
