"""The truth probe: hearing a true answer and a wrong one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lethe import hooks
from lethe.auditing.attacks.truth_probe import TruthProbe, _read, statements
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.run import Run
from tests.auditing.attacks.hiding import hidden, people, scored


def told_apart(examples: Examples, mark: str) -> Examples:
    """The examples with wrong answers that end otherwise than the true ones."""
    wrong = np.empty(len(examples), dtype=object)
    wrong[:] = [[answer.removesuffix(".") + mark] for answer in examples["answer"]]
    return examples.with_column("perturbed_answer", wrong).with_column("paraphrased_answer", examples["answer"])


def test_what_every_layer_tells_is_found_and_what_none_tells_is_guessed() -> None:
    problem = people()
    marked = dataclasses.replace(
        problem, forget=told_apart(problem.forget, "?"), retain=told_apart(problem.kept.take(range(60)), "?")
    )
    score = scored(TruthProbe(), problem.gold[0], marked)
    assert score.value > 0.85
    assert score.details["chance"] < 0.75
    same = dataclasses.replace(
        problem, forget=told_apart(problem.forget, "."), retain=told_apart(problem.kept.take(range(60)), ".")
    )
    assert scored(TruthProbe(), problem.gold[0], same).value == 0.5  # the same texts, one called true and one wrong


def test_before_is_what_the_model_tells_by_likelihood() -> None:
    before = {name: scored(TruthProbe(known=30), model).details["before"] for name, model in (
        ("original", people().model), ("hidden", hidden("")), ("gold", people().gold[0])
    )}  # fmt: skip
    assert before["original"] == 1
    assert max(before["hidden"], before["gold"]) < 0.5


def test_states_are_those_at_the_end_of_each_answer() -> None:
    problem = people()
    few = problem.forget.take([2, 0, 5])
    right, _ = _read(problem.model, problem.task, few, Run())
    true = problem.task.answering(few, statements(few, Run())[0])
    for row in range(3):
        batch = true.batch(torch.tensor([row]))
        with torch.no_grad():
            ends = [state[0, -1] for state in hooks.all_hidden_states(problem.model, problem.task, batch)]
        assert torch.allclose(right[row, :-1], torch.stack(ends), atol=1e-4)


def test_true_and_wrong_answers_are_worded_alike() -> None:
    true, wrong = statements(people().forget, Run())
    assert true[1] == people().forget["paraphrased_answer"][1]
    assert wrong[1] == people().forget["perturbed_answer"][1][0]
    plain = without_wording(people().forget)
    true, wrong = statements(plain, Run())
    assert true == list(plain["answer"])
    assert all(own != other and other in true for own, other in zip(true, wrong, strict=True))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="known must be at least 2"):
        TruthProbe(known=1)


def without_wording(examples: Examples) -> Examples:
    kept = {name: c for name, c in examples.columns.items() if name not in ("perturbed_answer", "paraphrased_answer")}
    return Examples(examples.ids, kept)
