"""Advice follows the facts of the catalogue: who lacks data, a guarantee or time is told so, and why."""

from __future__ import annotations

import pytest

from lethe import catalogue, configure
from lethe.errors import ConfigurationError
from lethe.recommend import Request, recommend
from lethe.recommend.facts import Passes
from lethe.recommend.timing import Pace


def by_slug(request: Request, pace: Pace | None = None):
    return {one.slug: one for one in recommend(request, pace)}


def test_every_method_is_judged_once_and_those_that_fit_stand_first():
    advice = recommend(Request(task="classification"))
    assert sorted(one.slug for one in advice) == sorted(catalogue.entries("method"))
    fits = [one.fits for one in advice]
    assert fits == sorted(fits, reverse=True)
    assert all(one.reasons for one in advice)


@pytest.mark.parametrize("task", ["classification", "causal_lm"])
@pytest.mark.parametrize("retain", [True, False])
@pytest.mark.parametrize("holdout", [True, False])
def test_a_method_that_fits_reads_nothing_that_is_not_at_hand(task, retain, holdout):
    request = Request(task=task, retain=retain, holdout=holdout)
    fitting = [one for one in recommend(request) if one.fits]
    assert fitting
    for one in fitting:
        kind = catalogue.find("method", one.slug)
        assert kind(**one.settings).requirements() <= request.parts
        assert task in one.facts["tasks"]


def test_what_lacks_data_is_named():
    advice = by_slug(Request(task="causal_lm", retain=False))
    assert not advice["finetune"].fits
    assert advice["finetune"].reasons == ("reads retain, which you do not have",)
    assert advice["npo"].settings == {"retain": "none"}
    assert advice["flat"].settings == {}
    assert not advice["knowledge_unlearning"].fits
    assert by_slug(Request(task="causal_lm", retain=False, holdout=True))["knowledge_unlearning"].fits


def test_a_result_measured_with_retain_data_is_not_claimed_without_them():
    assert by_slug(Request(task="causal_lm"))["npo"].measured is not None
    assert by_slug(Request(task="causal_lm", retain=False))["npo"].measured is None


def test_methods_published_without_retain_data_stand_before_those_that_lose_a_term():
    order = [one.slug for one in recommend(Request(task="causal_lm", retain=False)) if one.fits]
    assert order.index("flat") < order.index("npo")
    assert order.index("gradient_ascent") < order.index("flat"), "removal stands before suppression"


def test_a_guarantee_leaves_only_what_gives_it():
    exact = [one for one in recommend(Request(task="classification", guarantee="exact")) if one.fits]
    assert "retrain" in {one.slug for one in exact}
    assert {one.facts["exactness"] for one in exact} == {"exact"}
    refused = by_slug(Request(task="classification", guarantee="certified"))["salun"]
    assert refused.reasons == ("its result is approximate, not certified",)


def test_goals_and_aims():
    assert not by_slug(Request(task="classification", goal="examples"))["boundary_shrink"].fits
    assert by_slug(Request(task="classification", goal="class"))["boundary_shrink"].fits
    assert by_slug(Request(task="classification", goal="class"))["scrub"].fits, "a class is examples too"
    removal = by_slug(Request(task="classification", aims="removal"))
    assert removal["scrub"].fits
    assert removal["salun"].reasons == ("aims at suppression, not removal",)


def test_measured_results_order_methods_and_a_poor_one_falls_behind_what_was_not_measured():
    order = [one.slug for one in recommend(Request(task="classification", goal="examples")) if one.fits]
    assert order[0] == "scrub"
    assert order.index("l1_sparse") < order.index("salun") < order.index("ssd")
    assert order.index("fisher_forgetting") < order.index("gradient_ascent") == len(order) - 1


def test_the_budget_rules_out_what_would_take_longer():
    request = Request(task="causal_lm", budget=100.0)
    advice = by_slug(request, Pace(seconds_per_example=0.1, forget=60, retain=1000))
    assert advice["wrong_tokens"].fits
    assert advice["wrong_tokens"].seconds == pytest.approx(6.0)
    assert not advice["finetune"].fits
    assert any("over the budget of 1.7 min" in reason for reason in advice["finetune"].reasons)
    unknown = by_slug(request, Pace(seconds_per_example=0.1, forget=60, retain=None))
    assert unknown["finetune"].seconds is None
    assert unknown["finetune"].fits, "what cannot be told rules nothing out"


def test_time_is_passes_times_examples():
    assert Passes(forget=3.0, retain=10.0).examples(100, 1000) == pytest.approx(10_300)
    assert Passes(forget=3.0, retain=0.0).examples(100, None) == pytest.approx(300)
    assert Passes(forget=3.0, retain=10.0).examples(100, None) is None


def test_one_request_is_answered_by_every_class_of_methods():
    """Optimisation, merging and editing are judged by the same record and stand in one table."""
    fitting = [one for one in recommend(Request(task="classification")) if one.fits]
    assert {"parameter optimisation", "parameter merging", "parameter editing"} <= {one.approach for one in fitting}


def test_settings_can_be_given_as_they_are():
    for one in recommend(Request(task="causal_lm", retain=False)):
        if one.fits:
            configure.build(one.slug, one.settings)


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'causal_lm'"):
        recommend(Request(task="causal_ml"))
