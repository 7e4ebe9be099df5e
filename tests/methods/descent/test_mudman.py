"""MUDMAN: within the same retain budget, what is forgotten stays forgotten for longer under training."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.api import unlearn
from lethe.feeds import draw
from lethe.losses import correct_logit, negative_entropy
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.mudman import MUDMAN
from lethe.run import Run
from lethe.scopes import Layers
from lethe.steps import Disruption
from lethe.testing.language import tiny_language_problem
from tests.methods.descent.relearning import losses_of, relearned, within_budget

MLP = Layers(("*gate_proj*", "*up_proj*", "*down_proj*"))
COMMON = {"batch_size": 4, "warmup_epochs": 0.0, "schedule": "constant", "scope": MLP}
BUDGET = 0.05
FULL = Disruption(retain_rate=0.1, adversary_rate=0.05, fork=16)


@pytest.fixture
def problem():
    return dataclasses.replace(tiny_language_problem(), gold=())


def robust(problem, step, epochs, seed):
    method = MUDMAN(loss="ascent", epochs=epochs, learning_rate=2e-3, step=step, **COMMON)
    return within_budget(problem, method, BUDGET, seed)


def plain(problem, seed):
    method = GradDiff(epochs=60, learning_rate=1e-3, weight_decay=0.0, retain_weight=5.0, **COMMON)
    return within_budget(problem, method, BUDGET, seed)


def test_it_moves_the_gates_of_the_mlps_alone(problem):
    result = unlearn(problem, MUDMAN(epochs=2, learning_rate=1e-3)).model
    moved = {n for n, p in result.named_parameters() if not torch.equal(p, problem.model.get_parameter(n))}
    assert moved == {f"model.layers.{i}.mlp.gate_proj.weight" for i in range(2)}


def test_each_forget_loss_is_its_formula_over_the_answers_tokens(problem):
    drawn = draw(problem, (torch.arange(4), torch.arange(4)), 0, 0, torch.device("cpu"))
    task, model = problem.task, problem.model
    outputs, targets = task.outputs(model, drawn.forget), task.targets(drawn.forget)
    expected = {
        "ascent": outputs.log_softmax(-1).gather(1, targets[:, None]).mean(),
        "entropy": negative_entropy(outputs).mean(),
        "logit": correct_logit(outputs, targets, 0.5).mean(),
    }
    for loss, value in expected.items():
        term = MUDMAN(loss=loss, floor=0.5).forget_term(problem, task, Run())
        torch.testing.assert_close(term(model, drawn).mean(), value)


def test_relearning_brings_back_less_than_after_gradient_difference_or_without_the_mask(problem):
    """After four steps of AdamW at 10⁻³, with a retain loss that rose by 0.05 at most.

    Forget losses: 0.45 at first; 2.59 unlearned and 1.0 to 1.7 relearned, as masks of signs follow the last bit of a
    gradient; gradient difference 1.39 and 0.66; without the mask the budget is spent after a dozen steps, at 0.68, and
    0.50 is left. The card's margin, a fifth of the gap, is that of the average over seeds (below).
    """
    original, _ = losses_of(problem, problem.model)
    mine = robust(problem, FULL, 150, seed=0)
    after = losses_of(problem, relearned(problem, mine.model, 4, 1e-3))[0]
    gap = mine.forget - original
    assert gap > 1
    for other in (plain(problem, 0), robust(problem, dataclasses.replace(FULL, mask=False), 40, seed=0)):
        left = losses_of(problem, relearned(problem, other.model, 4, 1e-3))[0]
        assert after > left + 0.1 * gap


@pytest.mark.slow
def test_it_holds_on_average_of_three_seeds_and_each_part_helps(problem):
    """Forget losses after relearning for seeds 0, 1 and 2: 1.71, 0.80 and 0.87.

    Gradient difference leaves 0.66, 0.63 and 0.59, no mask 0.49 and no normalisation 0.37. Without the adversary it is
    0.75, 1.14 and 0.66: less on average, but not for each seed.
    """
    original, _ = losses_of(problem, problem.model)
    parts = {
        "adversary": (dataclasses.replace(FULL, adversary_rate=0.0), 150),
        "mask": (dataclasses.replace(FULL, mask=False), 40),
        "normalisation": (dataclasses.replace(FULL, normalise="none"), 40),
    }
    gaps, left = [], {name: [] for name in ("all", "gradient difference", *parts)}
    for seed in range(3):
        models = {"all": robust(problem, FULL, 150, seed), "gradient difference": plain(problem, seed)}
        models |= {name: robust(problem, step, epochs, seed) for name, (step, epochs) in parts.items()}
        gaps.append(models["all"].forget - original)
        for name, unlearned in models.items():
            left[name].append(losses_of(problem, relearned(problem, unlearned.model, 4, 1e-3))[0])
    mean = {name: sum(values) / 3 for name, values in left.items()}
    margin = 0.2 * sum(gaps) / 3
    assert mean["all"] > mean["adversary"]
    for name in ("gradient difference", "mask", "normalisation"):
        assert mean["all"] >= mean[name] + margin, name
