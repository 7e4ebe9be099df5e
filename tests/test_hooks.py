"""Hooks: what they read and replace is what the model computes, and they leave nothing behind."""

from __future__ import annotations

import pytest
import torch

from lethe import hooks
from lethe.errors import ConfigurationError
from lethe.measuring import evaluation
from lethe.models import recomputing
from tests.domains import Domains


@pytest.fixture(scope="module")
def problem():
    return Domains().problem(gold=())


def everything(problem, batch):
    """Hidden states after the embedding and after each block, as transformers gives them, the last one normed."""
    with evaluation(problem.model):
        return problem.model(input_ids=hooks.tokens(batch), output_hidden_states=True)["hidden_states"]


def test_what_a_block_puts_out_is_read_without_running_the_rest(problem):
    batch, runs = problem.forget.batch(torch.arange(4)), []
    handles = [
        module.register_forward_hook(lambda *_: runs.append("later"))
        for module in (problem.model.model.layers[2], problem.model.lm_head)
    ]
    with evaluation(problem.model):
        found = hooks.hidden_states(problem.model, problem.task, batch, 1)
    assert runs == []
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(found, everything(problem, batch)[2])
    assert len(problem.model.model.layers) == 3


def test_gradients_are_the_same_where_activations_are_recomputed(problem):
    batch, weight = problem.forget.batch(torch.arange(2)), problem.model.model.layers[0].mlp.down_proj.weight

    def gradient(recompute: bool) -> torch.Tensor:
        problem.model.train()
        with recomputing(problem.model, recompute):
            loss = hooks.hidden_states(problem.model, problem.task, batch, 1).square().sum()
            return torch.autograd.grad(loss, weight)[0]

    torch.testing.assert_close(gradient(True), gradient(False))
    problem.model.eval()


def test_a_failure_within_leaves_blocks_and_hooks_as_they_were(problem):
    block = problem.model.model.layers[1]
    other = block.register_forward_hook(lambda *_: None)
    before = list(block._forward_hooks)
    with (
        pytest.raises(RuntimeError, match="broken"),
        hooks.reading({"block": block}),
        hooks.replacing({block: lambda output: output}),
        hooks.first_blocks(problem.model.model.layers, 1),
    ):
        raise RuntimeError("broken")
    assert len(problem.model.model.layers) == 3
    assert other.id in before
    assert list(block._forward_hooks) == before  # those of others are still there
    other.remove()


def test_inputs_and_outputs_are_read_by_name(problem):
    batch, mlp = problem.forget.batch(torch.arange(2)), problem.model.model.layers[0].mlp
    with (
        evaluation(problem.model),
        hooks.reading({"mlp": mlp}, "input") as given,
        hooks.reading({"mlp": mlp}) as put_out,
    ):
        problem.model(input_ids=hooks.tokens(batch))
        torch.testing.assert_close(mlp(given["mlp"].clone()), put_out["mlp"])


def test_what_is_put_in_place_of_an_output_is_what_the_rest_sees(problem):
    batch = problem.forget.batch(torch.arange(2))
    donor = problem.retain.batch(torch.arange(2))
    with evaluation(problem.model):
        wanted = problem.model(input_ids=hooks.tokens(donor))["logits"]
        state = hooks.hidden_states(problem.model, problem.task, donor, 1)
        with hooks.replacing({problem.model.model.layers[1]: lambda _: state}):
            found = problem.model(input_ids=hooks.tokens(batch))["logits"]
    torch.testing.assert_close(found, wanted)


def test_padding_is_no_place_and_an_answer_begins_after_its_prompt(problem):
    task = problem.task
    examples = task.examples(["a", "b"], ["secret of key1", "key1"], ["red", "red blue green"])
    batch = examples.batch(torch.arange(2))
    # <bos> secret of key1 is | red <eos>, and <bos> key1 is | red blue green <eos>
    assert hooks.places(batch).sum(1).tolist() == [7, 7]
    assert hooks.places(batch, "answer").int().tolist() == [[0] * 5 + [1, 1], [0] * 3 + [1] * 4]
    short = task.examples(["a", "b"], ["key1", "key1 key1"], ["red", "red red"]).batch(torch.arange(2))
    assert hooks.places(short)[0].tolist() == [True] * 5 + [False] * 2
    hidden = torch.arange(14).view(2, 7, 1)
    values, rows = hooks.at(hidden, hooks.places(short, "answer"))
    assert values.flatten().tolist() == [3, 4, 11, 12, 13]
    assert rows.tolist() == [0, 0, 1, 1, 1]


def test_a_block_that_is_not_there_is_refused(problem):
    with pytest.raises(ConfigurationError, match="there is no block 3: the model has the blocks 0 to 2"):
        hooks.hidden_states(problem.model, problem.task, problem.forget.batch(torch.arange(1)), 3)
