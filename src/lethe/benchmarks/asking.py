"""Asking: what a benchmark's own prompts are in tokens, and what a model makes of them, measured once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lethe.auditing.measure import Measurements
from lethe.auditing.text.tokens import TokenLog
from lethe.auditing.token_logs import Pair, token_logs
from lethe.errors import InputError
from lethe.examples import Column, Examples
from lethe.generation import ends_of, greedy
from lethe.models import fingerprint
from lethe.run import Run
from lethe.store import digest
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS
from lethe.tasks.templates import Chat, PlainText


@dataclass(frozen=True)
class Wanted:
    """What is to be measured of a set.

    Args:
        log: whether the likelihood of each answer is.
        moments: whether mean and deviation of log p over the vocabulary are as well, which Min-k++ reads.
        new_tokens: most tokens that the model says itself; 0 lets it say nothing.
    """

    log: bool = False
    moments: bool = False
    new_tokens: int = 0


@dataclass(frozen=True, eq=False)
class Heard:
    """What a model made of one set.

    Attributes:
        log: likelihood of the true answers; None where it was not wanted.
        said: [N] what the model said greedily, without special tokens and otherwise as it came; empty where not wanted.
    """

    log: TokenLog | None
    said: tuple[str, ...]

    @property
    def tokens(self) -> TokenLog:
        """The token log where it was wanted."""
        assert self.log is not None
        return self.log


def paired(
    task: CausalLM, who: str, given: Sequence[Sequence[int]], said: Sequence[Sequence[int]], **columns: Sequence[Any]
) -> Examples:
    """Return examples of prompts and answers that are tokens already, with further columns, under the ids `who-0` ….

    Args:
        task: says how much the model reads.
        who: what the examples are called.
        given: tokens of each prompt; one that is empty lets the answer's first token be given.
        said: tokens of each answer.
        columns: one value a row.

    Raises:
        InputError: an example is longer than the context, or has no token to predict.
    """
    rows = [[*before, *after] for before, after in zip(given, said, strict=True)]
    for i, row in enumerate(rows):
        if len(row) > task.context:
            raise InputError(
                f"{who}-{i} has {len(row)} tokens, but the model reads {task.context}; evaluate a model that reads more"
            )
        if len(row) <= max(len(given[i]), 1):
            raise InputError(f"{who}-{i} has no token in its answer that could be predicted; write an answer")
    tokens = torch.zeros(len(rows), max(map(len, rows), default=0), dtype=torch.int32)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = torch.tensor(row, dtype=torch.int32)
    made: dict[str, Column] = {
        TOKENS: tokens,
        LENGTH: torch.tensor([len(row) for row in rows], dtype=torch.long),
        ANSWER_FROM: torch.tensor([len(row) for row in given], dtype=torch.long),
    }
    return Examples(
        tuple(f"{who}-{i}" for i in range(len(rows))), {**made, **{n: _objects(v) for n, v in columns.items()}}
    )


def column(examples: Examples, name: str) -> list[Any]:
    """Return the values of a further column."""
    return list(np.asarray(examples[name]))


def continuing(text: str, task: CausalLM) -> list[int]:
    """Return the tokens of text that follows other text, without an end."""
    return PlainText().said(text, task.tokenizer)


def opened(prompt: str, opening: str, task: CausalLM) -> list[int]:
    """Return the tokens of a prompt and the opening of its answer, in the tokenizer's chat form where there is one."""
    if task.tokenizer.chat_template:
        return Chat().given(prompt, task.tokenizer) + (continuing(opening, task) if opening else [])
    return PlainText().given(prompt + opening, task.tokenizer)


def heard(
    model: nn.Module,
    task: CausalLM,
    sets: Mapping[str, Examples],
    wanted: Mapping[str, Wanted],
    run: Run,
    known: Measurements,
) -> dict[str, Heard]:
    """Return what the model makes of each set: every different pair is forwarded once, every prompt continued once.

    Args:
        model: the model, on the run's device.
        task: how it is read.
        sets: examples by name, of `paired` or `task.examples`.
        wanted: what to measure of each of them, by the same names.
        run: device, progress, and the meter of examples forwarded.
        known: earlier measurements, which are looked up first and added to.

    Raises:
        InputError: a log-probability is not finite.
    """
    asked = {name: [asdict(wanted[name]), examples.fingerprint] for name, examples in sets.items()}
    key = digest(["heard", fingerprint(model), repr(model), repr(task), asked])
    found = known.recall(key)
    if found is None:
        found = _measured(model, task, sets, wanted, run)
        known.keep(key, *found)
    tensors, facts = found
    return {name: Heard(_log(name, tensors), tuple(facts["said"].get(name, ()))) for name in sets}


def _measured(
    model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], wanted: Mapping[str, Wanted], run: Run
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    pairs = {name: _pairs(examples) for name, examples in sets.items()}
    tensors: dict[str, Tensor] = {}
    for moments in (False, True):
        chosen = [name for name in sets if wanted[name].log and wanted[name].moments is moments]
        every = [pair for name in chosen for pair in pairs[name]]
        if every:
            log = token_logs(model, task, every, run, moments, "measuring answers")
            for name, part in zip(chosen, _cut(log, [len(pairs[name]) for name in chosen]), strict=True):
                tensors |= {f"{name}/{what}": value for what, value in vars(part).items() if value is not None}
    said: dict[str, list[str]] = {}
    for length in sorted({one.new_tokens for name, one in wanted.items() if name in sets} - {0}):
        chosen = [name for name in sets if wanted[name].new_tokens == length]
        texts = _continued(model, task, [given for name in chosen for given, _ in pairs[name]], length, run)
        said |= {name: [texts[given] for given, _ in pairs[name]] for name in chosen}
    return {name: value.contiguous() for name, value in tensors.items()}, {"said": said}


def _pairs(examples: Examples) -> list[Pair]:
    tokens, lengths, starts = (examples.tensor(name) for name in (TOKENS, LENGTH, ANSWER_FROM))
    whole = [tuple(row[:n]) for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)]
    return [(row[:start], row[start:]) for row, start in zip(whole, starts.tolist(), strict=True)]


def _cut(log: TokenLog, counts: Sequence[int]) -> list[TokenLog]:
    """Return the logs of the first `counts[0]` rows, the next `counts[1]`, and so on."""
    return [log.take(rows) for rows in torch.arange(len(log)).split(list(counts))]


def _continued(
    model: nn.Module, task: CausalLM, prompts: Sequence[tuple[int, ...]], length: int, run: Run
) -> dict[tuple[int, ...], str]:
    """Return what the model says after each different prompt."""
    order = sorted(dict.fromkeys(prompts), key=len)
    ends = ends_of(model, task.tokenizer)
    said: dict[tuple[int, ...], str] = {}
    size = 256  # prompts between two looks at the clock
    with run.progress.bar("generating answers", len(order)) as bar:
        for first in range(0, len(order), size):
            run.interrupt_point()
            some = order[first : first + size]
            limits = [max(min(length, task.context - len(prompt)), 0) for prompt in some]
            for prompt, tokens in zip(some, greedy(model, some, limits, ends, device=run.device), strict=True):
                said[prompt] = str(task.tokenizer.decode(tokens, skip_special_tokens=True))
            bar.advance(len(some))
    return said


def _log(name: str, tensors: Mapping[str, Tensor]) -> TokenLog | None:
    if f"{name}/log_probs" not in tensors:
        return None
    log_probs, chosen, offsets = (tensors[f"{name}/{what}"] for what in ("log_probs", "greedy", "offsets"))
    return TokenLog(log_probs, chosen, offsets, tensors.get(f"{name}/mean"), tensors.get(f"{name}/std"))


def _objects(values: Sequence[Any]) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    made[:] = list(values)
    return made
