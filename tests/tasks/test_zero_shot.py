from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F

import lethe
from lethe import unlearn
from lethe.errors import InputError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.edits.slug import SLUG
from lethe.state_arithmetic import difference
from tests.clip import clip_problem, clip_task, tiny_clip
from tests.helpers import accuracies


def test_logits_are_those_of_the_model_itself():
    problem = clip_problem()
    batch = problem.holdout.batch(torch.arange(5))
    task = problem.task
    with torch.no_grad():
        own = problem.model(
            pixel_values=task.normalise(task.pixels(batch)), input_ids=task.texts, attention_mask=task.attention
        )
        torch.testing.assert_close(task.outputs(problem.model, batch), own.logits_per_image)


def test_the_two_losses_are_their_formulas():
    problem, model = clip_problem(), clip_problem().model
    batch = problem.retain.batch(torch.arange(6))
    with torch.no_grad():
        images, texts = problem.task.pairs(model, batch)
        scores = (model.logit_scale.exp() * images @ texts.T).double()
        losses, both = problem.task.pair_losses(model, batch), problem.task.contrastive_loss(model, batch)
    for i in range(6):
        angle = torch.dot(images[i], texts[i]) / images[i].norm() / texts[i].norm()
        assert float(losses[i]) == pytest.approx(1 - float(angle), abs=1e-5)
    by_hand = [
        math.log(sum(math.exp(float(row[j] - row[i])) for j in range(6)))
        for matrix in (scores, scores.T)
        for i, row in enumerate(matrix)
    ]
    assert float(both) == pytest.approx(sum(by_hand) / 12, rel=1e-5)


def test_an_examples_own_text_stands_for_that_of_its_class():
    problem, model = clip_problem(), clip_problem().model
    own = problem.retain.take(range(4))
    labels = own.tensor("label")
    tokens = problem.task.texts[labels]
    with_text = own.with_column("text", tokens).with_column("mask", torch.ones_like(tokens))
    task = dataclasses.replace(problem.task, caption="text", caption_attention="mask")
    with torch.no_grad():
        same = task.pair_losses(model, with_text.batch(torch.arange(4)))
        other = task.pair_losses(model, with_text.with_column("text", tokens.roll(1, 0)).batch(torch.arange(4)))
        torch.testing.assert_close(same, problem.task.pair_losses(model, own.batch(torch.arange(4))))
    assert not torch.allclose(same, other)
    with pytest.raises(InputError, match="no column of numbers named 'text'"):
        task.check(own, "retain set")


def test_slug_takes_a_digit_out_of_clip_by_one_layer_of_one_tower():
    problem = clip_problem()
    _, retain_before, test_before = accuracies(problem, problem.model)
    assert retain_before > 0.95
    model = unlearn(problem, SLUG()).model
    forget, retain, test = accuracies(problem, model)
    assert forget == 0
    assert retain > retain_before - 0.05
    assert test > test_before - 0.05
    moved = [name for name, value in difference(model, problem.model).items() if bool(value.any())]
    assert len(moved) == 1
    assert not any(part in moved[0] for part in ("bias", "embedding", "norm", "scale"))
    tuned = unlearn(problem, FineTune(epochs=1, learning_rate=1e-3)).model
    assert accuracies(problem, tuned)[0] > 0.5


def test_the_pair_loss_rises_along_slugs_step_and_not_against_it():
    problem = clip_problem()
    rows = problem.forget.batch(torch.arange(len(problem.forget)))

    def loss(model: torch.nn.Module) -> float:
        with torch.no_grad():
            return float(problem.task.pair_losses(model, rows).mean())

    before = loss(problem.model)
    model = unlearn(problem, SLUG(layers=("visual_projection.weight",), ratio=1e-3)).model
    assert loss(model) > before
    step = difference(model, problem.model)["visual_projection.weight"]
    with torch.no_grad():
        model.visual_projection.weight.sub_(2 * step)
    assert loss(model) < before


def test_metrics_of_classifiers_work_on_it():
    problem = clip_problem()
    small = dataclasses.replace(
        problem, forget=problem.forget.take(range(10)), retain=problem.retain.take(range(30)), holdout=None
    )
    features = problem.task.features(problem.model, small.forget.batch(torch.arange(3)))
    assert features.shape == (3, 32)
    result = lethe.unlearn(small, FineTune(epochs=1, learning_rate=1e-4))
    assert result.record["status"] == "done"


def test_texts_that_are_not_one_a_class_are_refused():
    task = clip_task()
    with pytest.raises(InputError, match=r"a row for all 9 classes"):
        dataclasses.replace(task, classes=9)
    with pytest.raises(InputError, match="has no 'visual_projection'; give a CLIP model"):
        task.head(torch.nn.Linear(2, 2))
    assert F.cosine_similarity(*task.pairs(tiny_clip(), clip_problem().forget.batch(torch.arange(2)))).shape == (2,)
