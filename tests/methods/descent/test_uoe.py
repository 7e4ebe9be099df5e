"""UOE, card 082: the expert that the forget set uses is found, it alone moves, and the router stays with it."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.uoe import UOE
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import OneExpert
from lethe.scopes.experts import Expert, affinities, gate_logits, mixtures, selection_overlap
from lethe.testing.language import tiny_language_problem
from tests.domains import known, loss
from tests.planted import BLOCK, EXPERT, planted

GA = {
    "retain": "none", "epochs": 12, "batch_size": 16, "learning_rate": 3e-3, "warmup_epochs": 0.0,
    "schedule": "constant",
}  # fmt: skip


def accuracies(problem: Problem, model: torch.nn.Module) -> tuple[float, float]:
    return known(problem, model), known(problem, model, problem.retain)


def test_affinities_are_shares_of_each_blocks_experts_averaged_text_by_text():
    problem = planted()
    found = affinities(problem.model, problem.task, problem.forget, Run())
    assert [round(float(row.sum()), 6) for row in found.values()] == [1.0, 1.0]
    one = problem.forget.take([5])
    scores, _ = gate_logits(problem.model, mixtures(problem.model, problem.task), one.batch(torch.arange(1)))
    alone = affinities(problem.model, problem.task, one, Run())
    torch.testing.assert_close(alone[0], scores[0].softmax(-1).double().mean(0), rtol=1e-5, atol=1e-6)
    each = [affinities(problem.model, problem.task, problem.forget.take([i]), Run())[1] for i in range(16)]
    torch.testing.assert_close(found[1], torch.stack(each).mean(0), rtol=1e-5, atol=1e-6)


def test_the_expert_that_gets_the_forget_texts_is_found_and_others_can_be_named():
    problem, run = planted(), Run()
    assert OneExpert().choose(problem, run) == Expert(BLOCK, EXPERT)
    assert OneExpert(rank=-1).choose(problem, run) != Expert(BLOCK, EXPERT)
    swapped = Problem(problem.model, problem.task, problem.kept)
    assert OneExpert().choose(swapped, run) != Expert(BLOCK, EXPERT)
    assert OneExpert(block=0, expert=5).choose(problem, run) == Expert(0, 5)
    with pytest.raises(ConfigurationError, match="block 0 has no expert 8; blocks with experts:"):
        OneExpert(block=0, expert=8).choose(problem, run)
    with pytest.raises(InputError, match="LlamaForCausalLM has no mixture of experts"):
        OneExpert().choose(tiny_language_problem(), run)


def test_one_expert_and_its_router_move_and_no_other_bit():
    problem = planted()
    method = UOE(retain="nll", epochs=2, batch_size=8, learning_rate=1e-2)
    after = unlearn(problem, method).model
    prefix = f"model.layers.{BLOCK}.mlp"
    moved = 0
    for name, before in problem.model.named_parameters():
        same = after.get_parameter(name) == before
        if name == f"{prefix}.gate.weight":
            assert not bool(same.any())
            moved += same.numel()
        elif name.startswith(f"{prefix}.experts"):
            assert bool(same[:EXPERT].all() & same[EXPERT + 1 :].all())
            assert float(same[EXPERT].float().mean()) < 0.05
            moved += same[EXPERT].numel()
        else:
            assert bool(same.all())
    # Width 32: three matrices of 32·32, and a router of 8·32.
    assert moved == 3 * 32 * 32 + 8 * 32
    share = method.reach().mask(problem, Run()).share(problem.model)
    assert share == moved / sum(p.numel() for p in problem.model.parameters())


def test_a_strong_anchor_holds_the_router_where_ascent_on_all_weights_lets_it_go():
    problem = planted()

    def gate(model: torch.nn.Module) -> float:
        return float(affinities(model, problem.task, problem.forget, Run())[BLOCK][EXPERT])

    held = unlearn(problem, UOE(**GA, anchor_weight=100.0)).model
    free = unlearn(problem, GradDiff(**GA)).model
    assert gate(held) > 0.995 > gate(problem.model) + 0.01
    assert gate(free) < gate(problem.model) - 0.03


def test_more_is_retained_than_by_as_many_steps_of_ascent_on_all_weights():
    problem = planted()
    one, every = unlearn(problem, UOE(**GA)).model, unlearn(problem, GradDiff(**GA)).model
    assert accuracies(problem, problem.model) == (1.0, 1.0)
    assert accuracies(problem, one)[0] == accuracies(problem, every)[0] == 0.0
    assert accuracies(problem, one)[1] >= accuracies(problem, every)[1] + 0.1
    routing = selection_overlap(one, problem.model, problem.task, problem.forget, Run())
    assert min(routing.values()) >= 0.9
    assert max(selection_overlap(every, problem.model, problem.task, problem.forget, Run()).values()) < 0.8


def test_the_least_used_expert_holds_nothing_to_forget():
    problem = planted()
    before = loss(problem, problem.model, problem.forget)
    assert loss(problem, unlearn(problem, UOE(**GA)).model, problem.forget) > before + 1.0
    assert loss(problem, unlearn(problem, UOE(**GA, rank=-1)).model, problem.forget) < before + 0.1


def test_it_stops_between_epochs_once_enough_is_forgotten():
    problem = planted()
    record = unlearn(problem, UOE(**GA | {"epochs": 40}, stop_accuracy=0.6)).record
    # The end of an answer stays right: with no first token right, half of the tokens are.
    assert 2 <= record["cost"]["steps"] <= 12


@pytest.mark.parametrize("forget", ["npo", "rmu"])
def test_other_losses_forget_in_the_expert_too(forget):
    problem = planted()
    method = UOE(forget=forget, epochs=40, batch_size=16, learning_rate=1e-2, length=60.0, retain="nll")
    after = unlearn(problem, method).model
    assert accuracies(problem, after)[0] <= 0.6
    assert accuracies(problem, after)[1] >= 0.9


def test_in_bfloat16_the_other_experts_keep_their_bits_too():
    problem = planted()
    method = UOE(**{**GA, "epochs": 1})
    after = unlearn(problem, method, run=Run(precision="bf16")).model
    stacked = f"model.layers.{BLOCK}.mlp.experts.down_proj"
    same = after.get_parameter(stacked) == problem.model.get_parameter(stacked).to(torch.bfloat16)
    assert bool(same[:EXPERT].all() & same[EXPERT + 1 :].all())
    assert not bool(same[EXPERT].all())
