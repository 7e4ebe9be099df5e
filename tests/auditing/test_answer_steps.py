"""What a model says, and the ranks of the true answer at the steps of saying it."""

from __future__ import annotations

import pytest
import torch

from lethe.auditing.answer_steps import measure_steps
from lethe.auditing.measure import Measurements
from lethe.models import copied
from lethe.run import Run
from lethe.testing.language import tiny_language_problem, tiny_language_task, tiny_llama
from lethe.worlds.base import Training, fit


@pytest.fixture(scope="module")
def problem():
    return tiny_language_problem()


def test_a_memorised_answer_ranks_first_at_every_step(problem):
    model = fit(copied(problem.model), problem.task, problem.forget, Training(30, 4, 1e-2), seed=0).eval()
    steps = measure_steps(model, problem.task, {"forget": problem.forget}, Run(), 20)["forget"]
    assert [text.replace(" .", ".") for text in steps.generated] == list(steps.answers)
    assert steps.mean_reciprocal_rank().tolist() == [1.0] * len(problem.forget)
    assert steps.top_hit_ratio(1).tolist() == [1.0] * len(problem.forget)


def test_ranks_are_those_at_the_steps_of_what_was_said(problem):
    """Step by step, with a full forward pass for each token said."""
    task = tiny_language_task()
    model = tiny_llama(len(task.tokenizer), seed=5)
    new_tokens = 3
    steps = measure_steps(model, task, {"forget": problem.forget}, Run(), new_tokens)["forget"]
    expected = []
    for i in range(len(problem.forget)):
        start, end = int(problem.forget.tensor("answer_from")[i]), int(problem.forget.tensor("length")[i])
        tokens = problem.forget.tensor("tokens")[i].tolist()
        prompt, answer = tokens[:start], tokens[start : end - 1]
        for j, token in enumerate(answer):
            if j >= new_tokens or (prompt[start:] and prompt[-1] == task.tokenizer.eos_token_id):
                expected.append(1 / len(task.tokenizer))
                continue
            with torch.no_grad():
                logits = model(torch.tensor([prompt])).logits[0, -1]
            expected.append(1 / (1 + int((logits > logits[token]).sum())))
            prompt = [*prompt, int(logits.argmax())]
    assert steps.ranks.reciprocal().tolist() == pytest.approx(expected)
    assert min(expected) < 0.2


def test_what_is_known_is_not_measured_again(problem):
    known = Measurements()
    first = measure_steps(problem.model, problem.task, {"forget": problem.forget}, Run(), 20, known)["forget"]

    def refuse(*_: object) -> None:
        raise AssertionError("a model was forwarded")

    handle = torch.nn.modules.module.register_module_forward_pre_hook(refuse)
    try:
        again = measure_steps(problem.model, problem.task, {"forget": problem.forget}, Run(), 20, known)["forget"]
    finally:
        handle.remove()
    assert again.generated == first.generated
    assert torch.equal(again.ranks.above, first.ranks.above)
