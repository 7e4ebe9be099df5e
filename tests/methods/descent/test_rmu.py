"""RMU, card 000: hidden states of forget texts go to one vector, all others stay, and the right tensors move."""

from __future__ import annotations

import pytest
import torch

from lethe import hooks
from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.measuring import evaluation
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.rmu import RMU
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LastLayers
from tests.domains import Domains, known

LAYER = 2
WORKING = {
    "layer": LAYER, "length": 60.0, "retain_weight": 2.0, "learning_rate": 1e-2, "epochs": 80, "batch_size": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Domains(width=64).problem(gold=())


@pytest.fixture(scope="module")
def unlearned(problem) -> torch.nn.Module:
    return unlearn(problem, RMU(**WORKING)).model


def activations(problem: Problem, model: torch.nn.Module, examples) -> torch.Tensor:
    """Hidden states of all tokens but the first, which both domains share."""
    batch = examples.batch(torch.arange(len(examples)))
    where = hooks.places(batch)
    where[:, 0] = False
    with evaluation(model):
        return hooks.at(hooks.hidden_states(model, problem.task, batch, LAYER), where)[0]


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.cosine_similarity(one, other, dim=-1).mean())


def test_three_down_projections_move_and_no_other_bit(problem, unlearned):
    moved = {n for n, p in problem.model.named_parameters() if not torch.equal(p, unlearned.get_parameter(n))}
    assert moved == {f"model.layers.{layer}.mlp.down_proj.weight" for layer in (0, 1, 2)}
    two = unlearn(problem, RMU(**{**WORKING, "epochs": 1}, trained_blocks=2)).model
    moved = {n for n, p in problem.model.named_parameters() if not torch.equal(p, two.get_parameter(n))}
    assert moved == {f"model.layers.{layer}.mlp.down_proj.weight" for layer in (1, 2)}


def test_without_the_forget_term_nothing_moves(problem):
    after = unlearn(problem, RMU(**{**WORKING, "epochs": 2}, forget_weight=0.0, weight_decay=0.0)).model
    for name, before in problem.model.named_parameters():
        assert torch.equal(before, after.get_parameter(name))


def test_forget_activations_turn_to_the_control_vector_and_retain_activations_stay(problem, unlearned):
    control = RMU(**WORKING).control(problem, Run(seed=0))
    assert float(control.norm()) == pytest.approx(60.0, rel=1e-5)
    assert bool((control >= 0).all())
    before, after = (activations(problem, model, problem.forget) for model in (problem.model, unlearned))
    assert cosine(after, control) >= cosine(before, control) + 0.4
    usual, now = float(before.norm(dim=-1).mean()), float(after.norm(dim=-1).mean())
    assert usual < 25
    assert abs(now - 60) < 0.5 * abs(usual - 60)
    kept = [activations(problem, model, problem.retain) for model in (problem.model, unlearned)]
    assert cosine(*kept) >= 0.95


def test_the_vector_is_the_same_in_every_run_of_a_seed_and_another_in_others(problem):
    method = RMU(**WORKING)
    assert torch.equal(method.control(problem, Run(seed=3)), method.control(problem, Run(seed=3)))
    assert not torch.equal(method.control(problem, Run(seed=3)), method.control(problem, Run(seed=4)))


@pytest.mark.parametrize("seed", [0, 1])
def test_it_forgets_to_chance_and_retains(problem, seed):
    # So small a model has little room in three matrices: attention and the rest of the MLPs move as well.
    method = RMU(**{**WORKING, "length": 100.0, "retain_weight": 4.0}, modules=("mlp", "self_attn"))
    after = unlearn(problem, method, seed=seed).model
    assert known(problem, problem.model) == 1.0
    assert known(problem, after) <= 0.25 + 0.08
    assert known(problem, after, problem.retain) >= 0.97


def test_as_many_steps_of_fine_tuning_forget_nothing(problem):
    steps = FineTune(epochs=40, batch_size=8, learning_rate=1e-2, optimizer="adamw")
    assert known(problem, unlearn(problem, steps).model) >= 0.9


def test_a_vector_shorter_than_the_activations_is_refused_because_it_barely_forgets(problem):
    short = {**WORKING, "length": 2.0, "retain_weight": 64.0, "epochs": 40}
    with pytest.raises(ConfigurationError, match="does not exceed the usual norm"):
        unlearn(problem, RMU(**short))
    assert known(problem, unlearn(problem, RMU(**short, allow_short=True)).model) >= 0.9


def test_the_adaptive_length_is_a_multiple_of_each_texts_own_norm(problem):
    method = RMU(**{**WORKING, "retain_weight": 0.0}, adaptive=True, scale=3.0)
    run, batch = Run(), problem.forget.batch(torch.arange(2))
    unit = method.control(problem, run)
    assert float(unit.norm()) == pytest.approx(1.0, rel=1e-5)
    with evaluation(problem.model):
        hidden = hooks.hidden_states(problem.model, problem.task, batch, LAYER)
        term = method.forget_term(problem, problem.task, run)(problem.model, _draw(batch))
    aim = 3.0 * hidden.norm(dim=-1).median(dim=1).values
    expected = (hidden - aim[:, None, None] * unit).square().mean(dim=(1, 2))
    torch.testing.assert_close(term, expected)


def test_answer_positions_leave_out_the_prompt(problem):
    method, batch = RMU(**WORKING, positions="answer", allow_short=True), problem.forget.batch(torch.arange(3))
    with evaluation(problem.model):
        hidden = hooks.hidden_states(problem.model, problem.task, batch, LAYER)
        term = method.forget_term(problem, problem.task, Run())(problem.model, _draw(batch))
    # <bos> relation of key is | value <eos>
    expected = (hidden[:, 5:7] - method.control(problem, Run())).square().mean(dim=(1, 2))
    torch.testing.assert_close(term, expected)


def test_the_limit_on_steps_ends_the_run_within_an_epoch(problem):
    method = RMU(layer=LAYER, length=60.0, epochs=5, batch_size=4, most_steps=6)
    assert unlearn(problem, method).record["cost"]["steps"] == 6


def test_a_scope_behind_the_block_is_refused(problem):
    with pytest.raises(ConfigurationError, match="no weight to move up to block 2"):
        unlearn(problem, RMU(**WORKING, trained_blocks=0, scope=LastLayers(1)))
    with pytest.raises(ConfigurationError, match="there is no block 5: the model has the blocks 0 to 2"):
        unlearn(problem, RMU())


def _draw(batch):
    from lethe.feeds import Draw

    return Draw(forget=batch, retain=None, epoch=0, step=0)
