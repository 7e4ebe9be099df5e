"""How much of each example a language model says by itself: memorization accuracy and extraction likelihood."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lethe.errors import InputError
from lethe.examples import Batch, Examples
from lethe.generation import greedy
from lethe.measuring import over_examples
from lethe.run import Run
from lethe.segments import mean_by_row
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS
from lethe.text.extraction_likelihood import extraction_likelihood


def memorization_accuracies(model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> Tensor:
    """Return MA(x) of each example, the share of its answer's tokens that the model would say next, [N] in [0, 1].

    One forward pass: what is said after the true tokens x_<t is the argmax, generated or not. For text without a
    prompt it is (1/(T-1)) Σ_i 1[argmax p(· | x_≤i) = x_{i+1}].

    Source: Jang et al. 2022, arXiv:2210.01504; Tirumala et al. 2022, arXiv:2205.10770.
    """

    def right(model: nn.Module, batch: Batch) -> Tensor:
        said = task.outputs(model, batch).argmax(-1) == task.targets(batch)
        return mean_by_row(said.float(), task.rows(batch), len(batch))

    return over_examples(model, task, examples, run, right, "memorization")


def extraction_likelihoods(model: nn.Module, task: CausalLM, examples: Examples, n: int, run: Run) -> Tensor:
    """Return EL_n(x) of each example, [N] in [0, 1]: how much of it the model continues from prefixes of all lengths.

    A prompt is given whole; prefixes end in the answer. Continuations are greedy and of full length, also beyond an
    end-of-sequence token, so that they do not depend on what is generated beside them. It is the dear one of the two:
    one generation a prefix.

    Args:
        model: the language model.
        task: how it is fed.
        examples: N examples whose answers have more than n tokens (with a token before them, n will do).
        n: length of the n-grams.
        run: says where the model is.

    Raises:
        InputError: an answer is too short for n-grams.

    Source: Jang et al. 2022, arXiv:2210.01504, equation 3.
    """
    require_length(examples, n)
    sequences = [_given_and_said(examples, i) for i in range(len(examples))]
    prefixes, lengths = [], []
    for before, sequence in sequences:
        for i in range(1, len(sequence) - n + 1):
            prefixes.append(before + sequence[:i])
            lengths.append(len(sequence) - i)
    said = iter(greedy(model, prefixes, lengths, None, device=run.device))
    found = [
        extraction_likelihood(sequence, [next(said) for _ in range(len(sequence) - n)], n) for _, sequence in sequences
    ]
    return torch.tensor(found)


def require_length(examples: Examples, n: int) -> None:
    """Raise InputError where an answer is too short for n-grams."""
    room = examples.tensor(LENGTH) - examples.tensor(ANSWER_FROM).clamp_min(1)
    short = (room < n).nonzero().flatten()
    if len(short):
        first = int(short[0])
        raise InputError(
            f"the answer of '{examples.ids[first]}' has {int(room[first])} tokens, too few for n-grams of {n}; "
            "choose a smaller n or leave it out"
        )


def _given_and_said(examples: Examples, row: int) -> tuple[list[int], list[int]]:
    """Return the prompt but its last token, and that token with the answer: its prefix of one is the whole prompt."""
    tokens = examples.tensor(TOKENS)[row, : int(examples.tensor(LENGTH)[row])].tolist()
    first = max(int(examples.tensor(ANSWER_FROM)[row]), 1) - 1
    return tokens[:first], tokens[first:]
