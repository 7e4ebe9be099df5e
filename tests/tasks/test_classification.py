"""Classifiers are fed in pixel space and read at their head, whoever wrote them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe.errors import InputError
from lethe.examples import Examples
from lethe.tasks import Classification
from lethe.worlds.digits import Digits, network
from tests.helpers import tiny_problem


@pytest.mark.parametrize("architecture", ["cnn", "vit", "resnet"])
def test_features_are_what_enters_the_head(architecture):
    task = Digits().task
    model = network(architecture).eval()
    batch = Examples.of(image=torch.randint(0, 17, (5, 1, 8, 8)), label=torch.arange(5)).batch(torch.arange(5))
    with torch.no_grad():
        outputs, features = task.outputs_and_features(model, batch)
        assert torch.equal(outputs, task.outputs(model, batch))
        torch.testing.assert_close(task.head(model)(features), outputs)
    assert outputs.shape == (5, 10)
    assert features.dim() == 2
    assert not task.head(model)._forward_pre_hooks


@pytest.mark.parametrize(("architecture", "first"), [("cnn", "conv1"), ("resnet", "resnet.embedder")])
def test_layers_run_from_input_to_output(architecture, first):
    names = list(Digits().task.layers(network(architecture)))
    assert names[0].startswith(first)
    assert names[-1].split(".")[0] in ("head", "classifier")


def test_pixels_are_scaled_before_the_mean_and_spread_of_each_channel():
    task = Classification(classes=2, input="x", scale=1 / 255, mean=(0.5, 0.0), std=(0.25, 1.0))
    batch = Examples.of(x=torch.tensor([[[[255]], [[51]]]], dtype=torch.uint8), label=torch.zeros(1)).batch(
        torch.tensor([0])
    )
    assert task.pixels(batch).flatten().tolist() == pytest.approx([1.0, 0.2])
    assert task.normalise(task.pixels(batch)).flatten().tolist() == pytest.approx([2.0, 0.2])


def test_losses_are_cross_entropies_one_an_example():
    problem = tiny_problem()
    batch = problem.forget.batch(torch.arange(12))
    outputs = problem.task.outputs(problem.model, batch).detach()
    expected = -torch.log_softmax(outputs.double(), 1)[torch.arange(12), batch["label"]]
    torch.testing.assert_close(problem.task.losses(problem.model, batch).detach().double(), expected, atol=1e-6, rtol=0)


def test_a_head_that_is_not_there_is_named():
    with pytest.raises(InputError, match="no module named 'classifier'"):
        Classification(classes=2, head_name="classifier").head(nn.Linear(2, 2))
    with pytest.raises(InputError, match="has no linear layer"):
        Classification(classes=2).head(nn.Conv2d(1, 1, 1))


def test_models_drawn_anew_have_the_architecture_and_other_weights():
    task = Digits().task
    for architecture in ("cnn", "vit", "resnet"):
        model = network(architecture)
        fresh, again = task.fresh(model, 1), task.fresh(model, 1)
        for (name, old), new, same in zip(
            model.named_parameters(), fresh.parameters(), again.parameters(), strict=True
        ):
            assert torch.equal(new, same)
            if old.dim() >= 2 and bool(old.any()):
                assert not torch.equal(old, new), name
