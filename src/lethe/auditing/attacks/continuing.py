"""Continuing: what a language model says greedily after given tokens, decoded to text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.answers import Answers
from lethe.auditing.text.rouge import rouge
from lethe.errors import AuditIncomplete
from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS


def given_and_said(examples: Examples) -> list[tuple[list[int], list[int]]]:
    """Return the tokens of each prompt and of each answer, its end included."""
    tokens, lengths, starts = (examples.tensor(name).tolist() for name in (TOKENS, LENGTH, ANSWER_FROM))
    return [(row[:start], row[start:length]) for row, length, start in zip(tokens, lengths, starts, strict=True)]


def continued(answers: Answers, task: CausalLM, given: Sequence[Sequence[int]], limits: Sequence[int]) -> list[str]:
    """Return what a model says after each row of tokens, as text.

    Args:
        answers: those of the model, which are asked for what was not asked before.
        task: its tokenizer and context.
        given: what stands before, in tokens.
        limits: most tokens to say to each; fewer where the context ends.

    Raises:
        AuditIncomplete: a prompt has no token to begin with.
    """
    if not all(given):
        raise AuditIncomplete(
            "nothing can be said to a prompt without a token; give prompts, or a tokenizer with a start"
        )
    room = [max(min(limit, task.context - len(row)), 0) for row, limit in zip(given, limits, strict=True)]
    return answers.texts([tuple(row) for row in given], room)


def answer_recalls(model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> Tensor:
    """Return the ROUGE-L recall of each answer in what the model says to its prompt, [N] float64 in [0, 1].

    It may say as many tokens as the answer has.
    """
    rows = given_and_said(examples)
    answers = Answers(model, task, Run(device=run.device), Measurements())
    said = continued(answers, task, [given for given, _ in rows], [len(answer) for _, answer in rows])
    return rouge([str(answer) for answer in np.asarray(examples["answer"])], said)
