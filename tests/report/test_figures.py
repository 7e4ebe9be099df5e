"""Figures show the values of the evidence beside original and gold, and are left out where there is nothing to show."""

from __future__ import annotations

import pytest

from lethe.report import figures


def traces(figure):
    return {trace["name"]: trace for trace in figure.spec["data"]}


def test_accuracy_bars_hold_the_values_in_percent(evidence):
    (figure,) = figures.accuracies([evidence])
    shown = traces(figure)
    assert shown["salun"]["y"] == pytest.approx([25.0, 94.1])
    assert shown["original"]["y"] == pytest.approx([97.0, 93.1])
    assert shown["gold"]["y"] == pytest.approx([7.0, 96.5])
    assert shown["gold"]["error_y"]["array"] == pytest.approx([2**0.5, 0.5**0.5])
    assert "Forget accuracy: original 97.0 %, gold 7.0 %, salun 25.0 %" in figure.summary


def test_a_value_that_is_missing_is_a_missing_bar(evidence):
    evidence["metrics"][0]["value"] = None
    (figure,) = figures.accuracies([evidence])
    assert traces(figure)["salun"]["y"][0] is None
    assert "salun –" in figure.summary


def test_without_gold_no_gold_is_drawn(evidence):
    for entry in evidence["metrics"] + evidence["attacks"]:
        entry |= {"gold": [], "gold_mean": None, "gold_spread": None, "gold_details": []}
    evidence["average_gap"] = None
    drawn = figures.all_figures([evidence])
    assert [figure.name for figure in drawn] == [
        "accuracies",
        "curve-relearn",
        "membership-0",
        "membership-1",
        "layers-weight_distance",
    ]
    assert not any("gold" in traces(figure) for figure in drawn)


def test_membership_scores_are_drawn_of_original_gold_and_model_as_shares_of_each_set(evidence):
    drawn = figures.membership_scores([evidence])
    assert [figure.title.rpartition(": ")[2] for figure in drawn] == ["original", "gold", "salun"]
    forget = [traces(figure)["forget"] for figure in drawn]
    assert [max(trace["y"]) for trace in forget] == pytest.approx([90.0, 90.0, 40.0])
    assert forget[0]["y"].index(max(forget[0]["y"])) == 3
    assert forget[1]["y"].index(max(forget[1]["y"])) == 0
    assert set(traces(drawn[0])) == {"forget", "retain", "holdout"}


def test_layers_keep_their_order_and_gold_off_the_scale_is_left_out(evidence):
    (figure,) = figures.layer_distances([evidence])
    assert traces(figure)["salun"]["x"] == ["conv1", "conv2", "head"]
    assert traces(figure)["salun"]["y"] == [0.1, 0.3, 0.2]
    assert "salun most in conv2" in figure.summary
    assert "gold" in traces(figure)
    evidence["metrics"][4]["details"]["layers"] = {"conv1": 0.001, "conv2": 0.003, "head": 0.002}
    (figure,) = figures.layer_distances([evidence])
    assert "gold" not in traces(figure)


def test_cost_against_gap_needs_both(evidence):
    (figure,) = figures.cost_against_gap([evidence])
    assert traces(figure)["salun"]["x"] == pytest.approx([15.0])
    assert traces(figure)["salun"]["y"] == pytest.approx([8.0])
    assert [line["y0"] for line in figure.spec["layout"]["shapes"]] == pytest.approx([40.0, 1.5])
    assert figures.cost_against_gap([evidence | {"cost": None}]) == []
    assert figures.cost_against_gap([evidence | {"average_gap": None}]) == []
    assert figures.cost_against_gap([evidence | {"cost": evidence["cost"] | {"relative": None}}]) == []


def test_relearning_curves_are_drawn_as_measured(evidence):
    (figure,) = figures.curves([evidence])
    shown = traces(figure)
    assert shown["salun"]["x"] == [0, 4]
    assert shown["salun"]["y"] == pytest.approx([25.0, 90.0])
    assert shown["gold"]["y"] == pytest.approx([7.0, 92.0])
    assert shown["original"]["y"] == pytest.approx([97.0])


def test_models_are_told_apart_by_more_than_their_colour(evidence):
    other = evidence | {"subject": {"name": "scrub", "method": None}}
    (figure,) = figures.cost_against_gap([evidence, other])
    symbols = [trace["marker"]["symbol"] for trace in figure.spec["data"]]
    assert len(set(symbols)) == 2
    (figure,) = figures.curves([evidence])
    assert len({traces(figure)[name]["line"]["dash"] for name in ("original", "gold", "salun")}) == 3


def test_names_are_text_for_plotly_too(evidence):
    evidence["subject"]["name"] = "<b>x</b>"
    for figure in figures.all_figures([evidence]):
        assert "<b>" not in str(figure.spec)


def test_evidence_without_details_draws_nothing_of_them(evidence):
    evidence["metrics"] = [entry | {"details": {}} for entry in evidence["metrics"]]
    assert figures.membership_scores([evidence]) == []
    assert figures.layer_distances([evidence]) == []
    assert figures.curves([evidence | {"attacks": []}]) == []
    assert figures.brought_back([evidence]) == []
    assert figures.accuracies([evidence | {"metrics": []}]) == []


def test_what_attacks_brought_back_is_drawn_as_shares_even_below_gold(attacked):
    (figure,) = figures.brought_back([attacked])
    assert traces(figure)["salun"]["x"] == ["Rephrasing", "Quantisation"]
    assert traces(figure)["salun"]["y"] == pytest.approx([62.5, -10.0])
    low, high = figure.spec["layout"]["yaxis"]["range"]
    assert low < -10.0
    assert high > 100.0


def test_every_attack_with_a_budget_has_its_curve_over_what_it_spends(attacked):
    drawn = {figure.name: figure for figure in figures.curves([attacked])}
    assert set(drawn) == {"curve-relearn", "curve-quantize"}
    assert drawn["curve-quantize"].spec["layout"]["xaxis"]["title"]["text"] == "bits"
    assert drawn["curve-relearn"].spec["layout"]["xaxis"]["title"]["text"] == "steps"
    assert traces(drawn["curve-quantize"])["gold"]["y"] == pytest.approx([10.0, 11.0])
    assert sum(bool(figure.caption) for figure in drawn.values()) == 1
