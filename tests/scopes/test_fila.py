"""FILA, card 086: adapters that begin as the part of each weight that matters for the forget set."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from lethe import adapters, models
from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.descent.loku import LoKU
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA, fila
from lethe.tasks import Classification
from lethe.testing.language import tiny_language_problem


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weighted_error(rows: torch.Tensor, weight: torch.Tensor, product: torch.Tensor) -> float:
    return float((rows.unsqueeze(1) * (weight - product)).double().norm())


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_no_matrix_of_that_rank_is_nearer_to_the_weight_with_its_rows_weighed(rank):
    weight, importance, scale = random(14, 10), random(14, 10, seed=1).square() * 10, 2.0
    rows = importance.sum(1).sqrt()
    a, b = fila.factors(weight, importance, rank, scale)
    u, s, vt = torch.linalg.svd(weight.double())
    plain = (u[:, :rank] * s[:rank] @ vt[:rank]).float()
    own = weighted_error(rows, weight, scale * b @ a)
    # Eckart and Young: the optimum is the tail of the singular values of diag(s)·W.
    optimum = float(torch.linalg.svdvals((rows.unsqueeze(1) * weight).double())[rank:].norm())
    assert own == pytest.approx(optimum, rel=1e-4)
    assert own < weighted_error(rows, weight, plain) - 1e-3


def test_with_equal_rows_it_is_the_truncated_svd():
    weight = random(14, 10)
    a, b = fila.factors(weight, torch.full((14, 10), 0.4), rank=3, scale=0.5)
    u, s, vt = torch.linalg.svd(weight.double())
    torch.testing.assert_close((0.5 * b @ a).double(), u[:, :3] * s[:3] @ vt[:3], rtol=1e-4, atol=1e-4)


def test_at_full_rank_a_row_is_left_over_as_far_as_its_importance_is_nothing():
    # s_i from 0 to 1e-3: beside much larger ones, float32 has no digits for the small.
    weight, importance = random(6, 8), torch.zeros(6, 8)
    importance[:, 0] = torch.tensor([0.0, 1e-12, 1e-10, 4e-10, 1e-8, 1e-6])
    a, b = fila.factors(weight, importance, rank=6, scale=1.0)
    rows = importance.sum(1).sqrt()
    expected = weight * (1e-5 / (rows + 1e-5)).unsqueeze(1)  # row i of W times 1e-5 / (s_i + 1e-5)
    torch.testing.assert_close(weight - b @ a, expected, rtol=1e-3, atol=2e-5)


def test_importance_is_the_ratio_of_token_weighted_squares_of_batch_means():
    # f(x) = w·x with two classes: the gradient of one example is known, batches of one make the sums plain.
    inputs, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1])
    forget, retain = (
        Examples.of(prefix=name, input=inputs[i : i + 1], label=labels[i : i + 1]) for i, name in enumerate("fr")
    )
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    nn.init.zeros_(model[0].weight)
    found = fila.relative_importance(Problem(model, Classification(classes=2), forget, retain), 1, Run())
    # p = ½: the gradients are ∓½ x, so F_f = ¼·(1, 0) in both rows and F_r = ¼·(0, 4).
    expected = torch.tensor([[0.25 / 1e-5, 0.0]] * 2)
    torch.testing.assert_close(found["0.weight"], expected)


@pytest.mark.parametrize("rank", [1, 4, 16])
def test_the_model_computes_what_it_did_before_anything_is_trained(rank):
    problem = tiny_language_problem()
    model, batch = models.copied(problem.model), problem.forget.batch(torch.arange(4))
    bound = LoRA(rank=rank, alpha=2 * rank, init="fila").bind(model, problem, Run())
    before = problem.task.outputs(problem.model, batch)
    torch.testing.assert_close(problem.task.outputs(model, batch), before, rtol=0, atol=1e-4)
    layer = adapters.adapted_layers(model)["model.layers.0.mlp.up_proj"]
    moved = layer.get_base_layer().weight - problem.model.get_parameter("model.layers.0.mlp.up_proj.weight")
    assert float(moved.detach().abs().max()) > 1e-3  # the adapter holds a part of the weight, not zero
    bound.release(model)
    torch.testing.assert_close(problem.task.outputs(model, batch), before, rtol=0, atol=1e-4)


def test_the_result_is_an_adapter_on_the_original_that_peft_loads(tmp_path):
    import peft

    problem = tiny_language_problem()
    method = LoKU(epochs=2, batch_size=2, learning_rate=1e-2, scope=LoRA(rank=2, alpha=4, init="fila"))
    result = unlearn(problem, method, out=tmp_path).model
    for name, layer in adapters.adapted_layers(result).items():
        assert torch.equal(layer.get_base_layer().weight, problem.model.get_parameter(f"{name}.weight"))
    facts = json.loads((tmp_path / "model" / "adapter_config.json").read_text())
    assert (facts["r"], facts["lora_alpha"]) == (4, 8)
    loaded = peft.PeftModel.from_pretrained(models.copied(problem.model), str(tmp_path / "model")).eval()
    batch = problem.retain.batch(torch.arange(6))
    torch.testing.assert_close(problem.task.outputs(loaded, batch), problem.task.outputs(result, batch))
    assert not torch.allclose(problem.task.outputs(result, batch), problem.task.outputs(problem.model, batch), atol=0.1)


def test_merged_it_is_a_model_of_the_originals_shape_that_computes_the_same():
    problem = tiny_language_problem()
    scope = LoRA(rank=2, alpha=4, init="fila")
    options = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-2}
    apart = unlearn(problem, LoKU(scope=scope, **options)).model
    merged = unlearn(problem, LoKU(scope=LoRA(rank=2, alpha=4, init="fila", merge=True), **options)).model
    assert models.tensors(merged).keys() == models.tensors(problem.model).keys()
    batch = problem.retain.batch(torch.arange(6))
    torch.testing.assert_close(
        problem.task.outputs(merged, batch), problem.task.outputs(apart, batch), rtol=1e-3, atol=1e-3
    )


def test_a_rank_that_a_weight_cannot_have_is_refused():
    problem = tiny_language_problem()
    with pytest.raises(ConfigurationError, match="rank 20 exceeds the 16"):
        LoRA(rank=20, init="fila").bind(models.copied(problem.model), problem, Run())
