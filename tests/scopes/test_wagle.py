"""WAGLE, card 016: the attribution is the formula, the share exact, and better than a random share of the same size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.wagle import WagleNPO
from lethe.models import same_weights
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import WAGLE, RandomMask
from lethe.tasks import Classification
from lethe.testing.language import tiny_language_problem
from tests.domains import known
from tests.helpers import tiny_problem
from tests.planted import planted


def flat(scores: dict[str, torch.Tensor]) -> np.ndarray:
    return torch.cat([score.flatten() for score in scores.values()]).double().numpy()


def test_the_score_is_worked_out_by_hand_on_a_linear_model():
    # Two classes, no bias: ∇ℓ = (p - y) xᵀ, and p = ½ at w = 0 rows that are equal.
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 2.0], [1.0, 2.0]]))
    forget = Examples.of(prefix="f", input=torch.tensor([[1.0, 0.0]]), label=torch.tensor([0]))
    retain = Examples.of(prefix="r", input=torch.tensor([[2.0, 4.0]]), label=torch.tensor([1]))
    problem = Problem(model, Classification(classes=2), forget, retain)
    g_f = torch.tensor([[-0.5, 0.0], [0.5, 0.0]])
    g_r = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    found = WAGLE(hessian=0.25).scores(problem, Run())["0.weight"]
    torch.testing.assert_close(found, (torch.tensor([[1.0, 2.0], [1.0, 2.0]]) - g_r / 0.25) * g_f)


def test_sums_and_means_over_batches_differ_by_their_number_alone():
    problem = tiny_problem(forget=8)
    sums = WAGLE(hessian=1e9, batch_size=2).scores(problem, Run())
    means = WAGLE(hessian=1e9, batch_size=2, normalise="mean").scores(problem, Run())
    for name, score in sums.items():
        torch.testing.assert_close(score, 4 * means[name])


def test_the_two_ends_of_gamma_rank_by_weight_and_by_retain_gradient():
    problem = tiny_language_problem()
    grads = {}
    for name, examples in (("f", problem.forget), ("r", problem.kept)):
        loss = sum(problem.task.training_losses(problem.model, examples.batch(torch.tensor([i]))).mean()
                   for i in range(len(examples)))  # fmt: skip
        grads[name] = torch.autograd.grad(loss, list(problem.model.parameters()))
    weights = [p.detach() for p in problem.model.parameters()]
    snip = torch.cat([(w * g).abs().flatten() for w, g in zip(weights, grads["f"], strict=True)]).double().numpy()
    both = torch.cat([(r * f).abs().flatten() for r, f in zip(grads["r"], grads["f"], strict=True)]).double().numpy()
    for hessian, expected in ((1e12, snip), (1e-12, both)):
        found = abs(flat(WAGLE(hessian=hessian, paired=False).scores(problem, Run())))
        assert spearmanr(found, expected).statistic > 0.999
    assert spearmanr(snip, both).statistic < 0.95  # so that the two ends can be told apart


def test_keeping_everything_is_the_method_without_a_mask_to_the_bit():
    problem = tiny_language_problem()
    options = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3, "warmup_epochs": 0.0}
    bare = unlearn(problem, NPO(**options)).model
    assert same_weights(unlearn(problem, NPO(**options, scope=WAGLE(keep=1.0))).model, bare)
    published = WagleNPO(**options, keep=0.5, weight_decay=0.01)
    masked = unlearn(problem, NPO(**options, scope=WAGLE(keep=0.5))).model
    assert same_weights(unlearn(problem, published).model, masked)
    assert not same_weights(masked, bare)


@pytest.mark.parametrize("keep", [0.1, 0.8])
@pytest.mark.parametrize("kind", ["language", "classifier"])
def test_masked_weights_keep_their_bits_and_the_share_is_exact(keep, kind):
    problem = tiny_language_problem() if kind == "language" else tiny_problem()
    mask = WAGLE(keep=keep).mask(problem, Run())
    total = sum(p.numel() for p in problem.model.parameters())
    assert mask.share(problem.model) == int(keep * total) / total
    if kind == "language":
        method = GradDiff(epochs=2, batch_size=2, learning_rate=1e-3, warmup_epochs=0.0, scope=WAGLE(keep=keep))
        after = unlearn(problem, method).model
        changed = 0
        for name, before in problem.model.named_parameters():
            moved = after.get_parameter(name) != before
            assert not bool(moved[~mask.allowed[name]].any())
            changed += int(moved.sum())
        assert changed / total == pytest.approx(keep, abs=0.02)


def test_nothing_to_keep_and_no_hessian_are_refused():
    with pytest.raises(ConfigurationError, match="leaves no weight to move"):
        unlearn(tiny_language_problem(), NPO(scope=WAGLE(keep=0.0)))
    with pytest.raises(ConfigurationError, match="hessian above 0"):
        WAGLE(hessian=0.0)


def test_the_forget_gradient_can_be_taken_on_refusals():
    problem = tiny_language_problem()
    refusals = np.array(["Bo is a baker."] * len(problem.forget), dtype=object)
    asked = Problem(problem.model, problem.task, problem.forget.with_column("refusal", refusals), problem.kept)
    answered = Problem(
        problem.model, problem.task, problem.task.answering(problem.forget, list(refusals)), problem.kept
    )
    expected = flat(WAGLE().scores(answered, Run()))
    np.testing.assert_array_equal(flat(WAGLE(answers="refusal").scores(asked, Run())), expected)
    assert not np.array_equal(flat(WAGLE().scores(asked, Run())), expected)


def test_where_a_part_of_the_model_knows_the_forget_set_it_is_found_and_a_random_part_is_not():
    problem = planted()  # one expert of sixteen holds it

    def forgotten(scope, seed: int) -> tuple[int, float]:
        """Steps of ascent until the forget accuracy is at chance, and the retain accuracy then."""
        trace = []

        def watch(model: nn.Module) -> dict[str, float]:
            trace.append((known(problem, model), known(problem, model, problem.retain)))
            return {}

        method = GradDiff(
            epochs=12, batch_size=16, learning_rate=3e-3, warmup_epochs=0.0, schedule="constant", retain="none",
            scope=scope,
        )  # fmt: skip
        unlearn(problem, method, seed=seed, watch=watch, watch_every=1)
        return next((i + 1, retain) for i, (forget, retain) in enumerate(trace) if forget <= 0.25)

    for seed in range(3):
        own, random = forgotten(WAGLE(keep=0.2), seed), forgotten(RandomMask(keep=0.2), seed)
        assert 2 * own[0] <= random[0]
        assert own[1] >= max(random[1], 0.97)
