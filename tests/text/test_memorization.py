"""Memorization accuracy and extraction likelihood of a model, against generation one sequence at a time."""

from __future__ import annotations

import pytest
import torch

from lethe.errors import InputError
from lethe.run import Run
from lethe.text import extraction_likelihood, extraction_likelihoods, memorization_accuracies
from tests.methods.descent.well_known import shaken, well_known_problem


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


def greedy(model, tokens, count):
    """Return the likeliest tokens after these, each from a pass over everything before it."""
    said = list(tokens)
    for _ in range(count):
        with torch.no_grad():
            said.append(int(model(input_ids=torch.tensor([said]))["logits"][0, -1].argmax()))
    return said[len(tokens) :]


def sequences(examples):
    for tokens, length, first in zip(examples["tokens"], examples["length"], examples["answer_from"], strict=True):
        yield tokens[: int(length)].tolist(), int(first)


def test_one_forward_pass_gives_the_accuracy_of_one_token_generations(problem):
    model = shaken(problem.model, 0.06)
    found = memorization_accuracies(model, problem.task, problem.kept, Run())
    expected = []
    for tokens, first in sequences(problem.kept):
        right = [greedy(model, tokens[:i], 1) == [tokens[i]] for i in range(first, len(tokens))]
        expected.append(sum(right) / len(right))
    assert 0 < sum(expected) < len(expected)
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_prefixes_end_in_the_answer_and_continuations_have_full_length(problem, n):
    model = shaken(problem.model, 0.06)
    found = extraction_likelihoods(model, problem.task, problem.forget, n, Run())
    expected = []
    for tokens, first in sequences(problem.forget):
        # From the whole prompt on: as if its last token were the first of the sequence.
        own = tokens[first - 1 :]
        said = [greedy(model, tokens[: first - 1 + i], len(own) - i) for i in range(1, len(own) - n + 1)]
        expected.append(extraction_likelihood(own, said, n))
    torch.testing.assert_close(found, torch.tensor(expected))


def test_what_is_known_by_heart_has_one_and_what_was_never_seen_has_less(problem):
    assert memorization_accuracies(problem.model, problem.task, problem.forget, Run()).tolist() == [1.0] * 4
    assert extraction_likelihoods(problem.model, problem.task, problem.forget, 2, Run()).tolist() == [1.0] * 4
    unseen = extraction_likelihoods(problem.model, problem.task, problem.holdout, 2, Run())
    assert float(unseen.mean()) < 0.9


def test_an_answer_too_short_for_n_grams_is_named(problem):
    with pytest.raises(InputError, match="'Ada-town' has 6 tokens, too few for n-grams of 7"):
        extraction_likelihoods(problem.model, problem.task, problem.forget, 7, Run())
