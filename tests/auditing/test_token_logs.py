from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe.auditing.token_logs import Pair, token_logs
from lethe.run import Run
from lethe.testing.language import tiny_language_task, tiny_llama

PAIRS: list[Pair] = [
    ((1, 7, 8), (9, 10, 2)),
    ((1, 7, 8), (11, 2)),
    ((1, 5), (9, 10, 2)),
    ((1, 7, 8), (9, 10, 2)),  # the first once more
    ((1, 4, 6, 3, 9, 12), (13, 14, 15, 16, 2)),
]


@pytest.fixture
def model() -> nn.Module:
    return tiny_llama(len(tiny_language_task().tokenizer), 0)


def by_hand(model: nn.Module, pair: Pair) -> list[float]:
    """log p of each token of the answer from one whole forward pass."""
    given, said = pair
    tokens = torch.tensor([given + said])
    with torch.no_grad():
        log_p = model(input_ids=tokens)["logits"].double().log_softmax(-1)[0]
    first = max(len(given), 1)
    return [float(log_p[t - 1, tokens[0, t]]) for t in range(first, tokens.shape[1])]


def test_logs_are_those_of_each_pair_alone_in_the_order_given(model: nn.Module) -> None:
    log = token_logs(model, tiny_language_task(), PAIRS, Run())
    assert log.lengths.tolist() == [3, 2, 3, 3, 5]
    expected = [value for pair in PAIRS for value in by_hand(model, pair)]
    torch.testing.assert_close(log.log_probs, torch.tensor(expected).double(), rtol=0, atol=1e-5)


def test_each_prompt_and_each_different_answer_is_forwarded_once(model: nn.Module) -> None:
    tokens: list[int] = []
    handle = model.register_forward_pre_hook(
        lambda *args: tokens.extend(args[2]["input_ids"].flatten().tolist()), with_kwargs=True
    )
    run = Run()
    token_logs(model, tiny_language_task(), PAIRS, run)
    handle.remove()
    assert run.cost.examples == len(set(PAIRS)) == 4
    prompts = {given for given, _ in PAIRS}
    # The last token of an answer predicts nothing.
    assert len(tokens) == sum(map(len, prompts)) + sum(len(said) - 1 for _, said in set(PAIRS))


def test_the_head_maps_positions_of_answers_alone(model: nn.Module) -> None:
    task, mapped = tiny_language_task(), list[int]()
    handle = task.head(model).register_forward_hook(lambda _, inputs, output: mapped.append(len(output)))
    token_logs(model, task, PAIRS, Run())
    handle.remove()
    assert sum(mapped) == sum(len(said) for _, said in set(PAIRS))


def test_without_a_prompt_the_first_token_is_given(model: nn.Module) -> None:
    pair: Pair = ((), (5, 6, 7))
    log = token_logs(model, tiny_language_task(), [pair], Run())
    torch.testing.assert_close(log.log_probs, torch.tensor(by_hand(model, pair)).double(), rtol=0, atol=1e-5)
    assert len(log.log_probs) == 2


def test_moments_are_measured_only_where_they_are_asked_for(model: nn.Module) -> None:
    task = tiny_language_task()
    assert token_logs(model, task, PAIRS, Run()).mean is None
    log = token_logs(model, task, PAIRS, Run(), moments=True)
    assert log.mean is not None
    assert bool((log.mean < 0).all())
