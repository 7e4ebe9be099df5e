"""Answer steps: what a language model says by itself, and where it ranks the true answer's tokens while it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lethe.auditing.measure import Measurements, head_of
from lethe.auditing.text.ranks import Ranks, joined_ranks, ranks_of
from lethe.auditing.token_logs import Pair, read_pairs
from lethe.errors import InputError
from lethe.examples import Examples
from lethe.generation import ends_of, greedy
from lethe.models import fingerprint
from lethe.run import Run
from lethe.segments import mean_by_row
from lethe.store import digest
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS


@dataclass(frozen=True, eq=False)
class Steps:
    """N greedy answers beside the true ones.

    Attributes:
        answers: [N] the true answers as text.
        generated: [N] what the model says itself, greedily.
        ranks: of the tokens of the true answers, end to end: token j among all tokens at the j-th step of what the
            model says, whether or not it has said the answer's tokens so far; the last place at a step that never came.
        lengths: [N] tokens of each true answer, without its end.
    """

    answers: tuple[str, ...]
    generated: tuple[str, ...]
    ranks: Ranks
    lengths: Tensor

    def mean_reciprocal_rank(self) -> Tensor:
        """Return the mean of 1 / rank over the tokens of each answer, [N] in (0, 1]."""
        return self._by_answer(self.ranks.reciprocal())

    def top_hit_ratio(self, top: int = 100) -> Tensor:
        """Return the share of each answer's tokens that rank at or above `top`, [N]."""
        return self._by_answer(self.ranks.within(top))

    def _by_answer(self, values: Tensor) -> Tensor:
        rows = torch.arange(len(self.lengths)).repeat_interleave(self.lengths)
        return mean_by_row(values, rows, len(self.lengths))


def measure_steps(
    model: nn.Module,
    task: CausalLM,
    sets: Mapping[str, Examples],
    run: Run,
    new_tokens: int,
    known: Measurements | None = None,
) -> dict[str, Steps]:
    """Let the model answer every different prompt once, greedily, and rank the true answers' tokens on the way.

    Args:
        model: the model, on the run's device.
        task: how the model is fed and read.
        sets: the examples, by name.
        run: device, progress, and the meter of examples forwarded.
        new_tokens: most tokens of an answer.
        known: earlier measurements, which are looked up first and added to.

    Raises:
        InputError: a prompt has no token, or a logit is NaN.

    Source: Qiu et al. 2024 (PISTOL), arXiv:2406.16810, whose release also ranks at the steps of the generation.
    """
    known = known if known is not None else Measurements()
    found: dict[str, Steps] = {}
    for name, examples in sets.items():
        key = digest(["steps", fingerprint(model), repr(model), repr(task), examples.fingerprint, new_tokens])
        kept = known.recall(key)
        if kept is None:
            kept = _measured(model, task, examples, run, new_tokens)
            known.keep(key, *kept)
        tensors, facts = kept
        answers = tuple(map(str, np.asarray(examples["answer"])))
        ranks = Ranks(tensors["above"], tensors["tied"])
        found[name] = Steps(answers, tuple(facts["generated"]), ranks, tensors["lengths"])
    return found


def _measured(
    model: nn.Module, task: CausalLM, examples: Examples, run: Run, new_tokens: int
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    pairs = [_without_end(pair, task.tokenizer.eos_token_id) for pair in _pairs(examples)]
    for (prompt, _), name in zip(pairs, examples.ids, strict=True):
        if not prompt:
            raise InputError(f"'{name}': has no prompt to answer; give the row a question")
    prompts = list(dict.fromkeys(prompt for prompt, _ in pairs))
    limits = [max(0, min(new_tokens, task.context - len(prompt))) for prompt in prompts]
    ends = ends_of(model, task.tokenizer)
    said = dict(zip(prompts, greedy(model, prompts, limits, ends, device=run.device), strict=True))
    ranks = _ranks(model, task, pairs, said, run)
    texts = [task.tokenizer.decode(said[prompt], skip_special_tokens=True).strip() for prompt, _ in pairs]
    lengths = torch.tensor([len(answer) for _, answer in pairs])
    return {"above": ranks.above, "tied": ranks.tied, "lengths": lengths}, {"generated": texts}


def _pairs(examples: Examples) -> list[Pair]:
    tokens, lengths, starts = (examples.tensor(name) for name in (TOKENS, LENGTH, ANSWER_FROM))
    rows = [tokens[i, : int(length)].tolist() for i, length in enumerate(lengths)]
    return [(tuple(row[: int(start)]), tuple(row[int(start) :])) for row, start in zip(rows, starts, strict=True)]


def _without_end(pair: Pair, end: int | None) -> Pair:
    prompt, answer = pair
    return prompt, answer[:-1] if len(answer) > 1 and answer[-1] == end else answer


def _ranks(
    model: nn.Module, task: CausalLM, pairs: Sequence[Pair], said: Mapping[tuple[int, ...], Sequence[int]], run: Run
) -> Ranks:
    """Return the ranks of the answers' tokens at the steps of what was said."""
    answers: dict[Pair, dict[tuple[int, ...], None]] = {}
    for prompt, answer in pairs:
        spoken = tuple(said[prompt][: len(answer)])
        answers.setdefault((prompt, spoken), {})[answer] = None
    vocabulary = len(head_of(task, model)[0])
    by_pair: dict[Pair, Ranks] = {}

    def take(together: Sequence[Pair], logits: Tensor, _: Tensor, lengths: Tensor) -> None:
        for (prompt, spoken), own in zip(together, logits.split(lengths.tolist()), strict=True):
            for answer in answers[prompt, spoken]:
                targets = torch.tensor(answer[: len(spoken)], device=own.device)
                parts = [ranks_of(own, targets), Ranks.last(len(answer) - len(spoken), vocabulary)]
                by_pair[prompt, answer] = joined_ranks(parts)

    read_pairs(model, task, [pair for pair in answers if pair[1]], run, "ranking answers", take)
    silent = {pair: Ranks.last(len(pair[1]), vocabulary) for pair in pairs if pair not in by_pair}
    return joined_ranks([by_pair.get(pair) or silent[pair] for pair in pairs])
