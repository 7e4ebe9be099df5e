"""What is shown of language models: likelihoods and answers of the same prompts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lethe.run import Run
from lethe.tasks import causal_lm
from lethe.ui.comparison import Comparison
from lethe.ui.text_reading import features_and_layers
from lethe.worlds.people import People
from tests.ui.conftest import TEXT

NPO = "cells/people/npo/seed-0"


def test_the_forget_set_is_known_to_the_original_and_not_to_gold(people: Comparison) -> None:
    means = {model: people.model(TEXT, model)["means"] for model in ("original", "gold-1", NPO)}
    assert means["original"]["probability"]["forget"] > 0.9
    assert means["gold-1"]["probability"]["forget"] < 0.5
    assert means["gold-1"]["probability"]["retain"] > 0.8
    assert means["original"]["rouge"]["forget"] > means["gold-1"]["rouge"]["forget"]
    assert means["original"]["truth_ratio"]["forget"] < 1 < means["gold-1"]["truth_ratio"]["forget"]


def test_scores_of_a_row_fit_its_tokens(people: Comparison) -> None:
    view = people.model(TEXT, NPO)["columns"]
    rows = list(range(len(people.setting(TEXT)["ids"])))
    for row, said in zip(rows, people.predictions(TEXT, NPO, rows), strict=True):
        loss = -np.mean([token["log_prob"] for token in said["tokens"]])
        assert view["loss"][row] == pytest.approx(loss, rel=1e-3, abs=1e-5)
        assert view["probability"][row] == pytest.approx(math.exp(-loss), rel=1e-3)
        # Without the end-of-sequence token, the mean of the least likely fifth.
        words = sorted(token["log_prob"] for token in said["tokens"][:-1])
        assert view["min_k"][row] == pytest.approx(np.mean(words[: max(1, len(words) // 5)]), rel=1e-3, abs=1e-5)
    sure = view["probability"][0]
    assert view["confidence"][0] == pytest.approx(math.log(sure / (1 - sure)), abs=0.01)


def test_examples_hold_prompt_and_answer_and_the_tokens_spell_it(people: Comparison) -> None:
    (example,), (said,) = people.examples(TEXT, [0]), people.predictions(TEXT, "original", [0])
    assert example["prompt"]
    assert example["wrong"]
    spelled = "".join(token["text"] for token in said["tokens"][:-1])
    assert spelled.strip() == example["answer"].strip()
    assert said["generated"].strip() == example["answer"].strip()
    assert all(token["greedy"] for token in said["tokens"])


def test_blocks_are_compared_and_there_are_no_classes(people: Comparison) -> None:
    setting, original = people.setting(TEXT), people.model(TEXT, "original")
    assert setting["kind"] == "language model"
    assert (setting["classes"], setting["labels"], original["matrices"]) == ([], [], {})
    assert len(setting["layers"]) == 2
    for part in setting["sets"]:
        assert original["cka"]["original"][part] == pytest.approx([1, 1], abs=1e-3)
        assert people.model(TEXT, "gold-1")["cka"]["original"][part][-1] < 0.97


def test_gold_is_told_from_the_original_by_loss_and_less_from_another_gold(people: Comparison) -> None:
    scores = {model: people.model(TEXT, model)["attack"]["score"] for model in ("original", "gold-2")}
    assert scores["original"] < 0.2 < scores["gold-2"]
    guess = people.model(TEXT, "original")["membership"]["loss"]
    assert guess["auc"] > 0.95
    assert people.model(TEXT, "gold-1")["attack"] is None


def test_layers_are_read_alike_with_and_without_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = People.tiny().problem(gold=())
    sets = problem.forget
    features, layers = features_and_layers(problem.model, problem.task, sets, Run(), "packed")
    monkeypatch.setattr(causal_lm, "packable", lambda model: False)
    padded_features, padded = features_and_layers(problem.model, problem.task, sets, Run(), "padded")
    alone = [features_and_layers(problem.model, problem.task, sets.take([i]), Run(), "")[1] for i in range(3)]
    torch.testing.assert_close(features, padded_features, rtol=1e-4, atol=1e-5)
    for name, output in layers.items():
        torch.testing.assert_close(output, padded[name], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(output[:3], torch.cat([one[name] for one in alone]), rtol=1e-4, atol=1e-5)
