"""PDU: as flat on the forget set as the limit on the retain loss allows, and a multiplier that survives a kill."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.pdu import PDU
from lethe.run import Run
from lethe.steps import SAM
from lethe.testing.methods import check_resumable
from tests.methods.descent.well_known import draw_of, nll, shaken, well_known_problem

STEPS = {"epochs": 60, "batch_size": 4, "learning_rate": 3e-3, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


def flatness(problem, model):
    """Mean of (max z - mean z)² over the forget answers' tokens."""
    with torch.no_grad():
        logits = problem.task.outputs(model, problem.forget.batch(torch.arange(len(problem.forget))))
    return float((logits.amax(-1) - logits.mean(-1)).square().mean())


def test_the_forget_term_is_the_squared_margin_of_the_largest_logit_over_the_mean(problem):
    moved = shaken(problem.model)
    with torch.no_grad():
        found = PDU().objective(problem, Run())(moved, draw_of(problem, PDU()))["forget"].mean()
    assert float(found) == pytest.approx(flatness(problem, moved), rel=1e-5)


def test_it_flattens_the_forget_answers_and_keeps_the_retain_loss_at_its_limit(problem):
    method = PDU(tolerance=0.1, dual_warmup_epochs=0, **STEPS)
    model = unlearn(problem, method).model
    assert flatness(problem, model) < 0.1 * flatness(problem, problem.model)
    assert nll(problem, model, problem.forget) > nll(problem, problem.model, problem.forget) + 1
    assert nll(problem, model, problem.kept) < 0.3
    tuned = unlearn(problem, FineTune(epochs=12, batch_size=4, learning_rate=3e-3, optimizer="adamw")).model
    assert flatness(problem, tuned) > 0.5 * flatness(problem, problem.model)


def test_a_small_multiplier_grows_until_the_limit_is_kept(problem):
    options = {**STEPS, "multiplier": 0.1, "tolerance": 0.1}
    fixed = unlearn(problem, PDU(dual_rate=0.0, dual_warmup_epochs=0, **options)).model
    growing = unlearn(problem, PDU(dual_rate=5.0, dual_warmup_epochs=0, **options)).model
    waiting = unlearn(problem, PDU(dual_rate=5.0, dual_warmup_epochs=60, **options)).model
    assert nll(problem, fixed, problem.kept) > 1
    assert nll(problem, growing, problem.kept) < 0.1
    assert nll(problem, growing, problem.forget) > 2
    for name, weight in fixed.named_parameters():
        assert torch.equal(waiting.get_parameter(name), weight)


def test_a_kill_between_steps_forgets_nothing_of_the_multiplier():
    method = PDU(epochs=4, batch_size=2, learning_rate=1e-2, dual_rate=7.3, dual_warmup_epochs=1, warmup_epochs=0.0)
    check_resumable(method, well_known_problem())


def test_it_takes_no_other_step_and_needs_a_retain_loss():
    with pytest.raises(ConfigurationError, match="step of its own"):
        PDU(step=SAM()).check()
    with pytest.raises(ConfigurationError, match="retain"):
        PDU(retain="none").check()
