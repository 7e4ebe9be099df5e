"""Attacks stay in their ball and cross boundaries; neighbours are other classes."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.errors import InputError
from lethe.run import Run
from lethe.targets import Attack, adversarial_outputs, nearest_classes


@pytest.mark.parametrize("attack", [Attack(), Attack("pgd")], ids=["fgsm", "pgd"])
def test_an_attack_stays_in_the_ball_and_in_the_image_and_raises_the_loss(whole_class, attack):
    model, task, batch = whole_class.model, whole_class.task, whole_class.forget.batch(torch.arange(64))
    clean, attacked = task.pixels(batch), attack(model, task, batch)
    assert float((attacked - clean).abs().max()) <= 0.1 + 0.5 / 255 + 1e-6
    assert float(attacked.min()) >= 0
    assert float(attacked.max()) <= 1
    torch.testing.assert_close(attacked * 255, (attacked * 255).round())
    with torch.no_grad():
        before, after = (
            torch.nn.functional.cross_entropy(task.logits(model, task.normalise(x)), task.labels(batch))
            for x in (clean, attacked)
        )
    assert after > 10 * before


def test_small_steps_reach_further_than_one_large_one(whole_class):
    labels = whole_class.forget.tensor("label")
    losses = [
        torch.nn.functional.cross_entropy(
            adversarial_outputs(whole_class.model, whole_class.task, whole_class.forget, Attack(kind), Run()), labels
        )
        for kind in ("fgsm", "pgd")
    ]
    assert losses[1] > losses[0]


def test_the_true_class_is_never_its_own_neighbour_unless_asked_for(whole_class):
    labels = whole_class.forget.tensor("label")
    clean = adversarial_outputs(whole_class.model, whole_class.task, whole_class.forget, Attack(epsilon=0.0), Run())
    assert bool((nearest_classes(clean, labels, exclude_true=True) != labels).all())
    assert float((nearest_classes(clean, labels, exclude_true=False) == labels).float().mean()) > 0.99


def test_inputs_that_are_no_pixels_are_refused(whole_class):
    bytes_unscaled = dataclasses.replace(whole_class.task, scale=1.0)
    with pytest.raises(InputError, match="scale"):
        adversarial_outputs(whole_class.model, bytes_unscaled, whole_class.forget, Attack(), Run())
