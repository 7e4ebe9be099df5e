"""Measure a language model once: one pass over every different prompt and answer serves every metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lethe.auditing.measure import Measurements, head_of, layer_weights, units_of
from lethe.auditing.metric import Rows
from lethe.auditing.prompting.answers import Answers
from lethe.auditing.text.rouge import rouge
from lethe.auditing.text.tokens import TokenLog, joined
from lethe.auditing.text_rows import TextRows
from lethe.auditing.token_logs import Pair, token_logs
from lethe.errors import InputError
from lethe.examples import Examples
from lethe.models import fingerprint
from lethe.run import Run
from lethe.store import digest
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS

PARAPHRASED, WRONG = "paraphrased_answer", "perturbed_answer"
_NOTHING = torch.empty(0, dtype=torch.float64)


@dataclass(frozen=True)
class Asked:
    """What is to be measured beside the probabilities of answers.

    Args:
        moments: names of the sets on whose true answers mean and deviation of log p over the vocabulary are measured.
        generated: names of the sets whose prompts the model answers itself.
        new_tokens: most tokens of such an answer.
        whole: most tokens of prompt and answer together; 0 sets no limit but the model's context.
        units: whether the hidden units that can be exchanged are to be found.
    """

    moments: frozenset[str] = field(default_factory=frozenset)
    generated: frozenset[str] = field(default_factory=frozenset)
    new_tokens: int = 100
    whole: int = 0
    units: bool = False


def measure_text(
    model: nn.Module,
    task: CausalLM,
    sets: Mapping[str, Examples],
    run: Run,
    asked: Asked = Asked(),
    known: Measurements | None = None,
) -> Rows:
    """Forward every different prompt and answer of the sets once, generate once a prompt, and return what metrics read.

    A set may have the columns `paraphrased_answer` (text) and `perturbed_answer` (a list of texts, any number a row).

    Args:
        model: the model, on the run's device; its modes are given back afterwards.
        task: how the model is fed and read.
        sets: `forget`, and whatever else there is.
        run: device, progress, and the meter of examples forwarded.
        asked: what else to measure.
        known: earlier measurements, which are looked up first and added to.

    Returns:
        The rows, on the CPU; head and weights refer to the model's own.

    Raises:
        InputError: a log-probability is not finite, or an answer is longer than the context.
    """
    known = known if known is not None else Measurements()
    contents = {name: examples.fingerprint for name, examples in sets.items()}
    what = [sorted(asked.moments & sets.keys()), sorted(asked.generated & sets.keys()), asked.new_tokens, asked.whole]
    key = digest([fingerprint(model), repr(model), repr(task), contents, what])
    found = known.recall(key)
    if found is None:
        found = _measured(model, task, sets, run, asked, known)
        known.keep(key, *found)
    texts = {name: _unpack(name, *found, examples) for name, examples in sets.items()}
    groups = units_of(model, task, sets["forget"], run, known) if asked.units else ()
    return Rows({}, head_of(task, model), layer_weights(task, model), texts, groups)


@dataclass(frozen=True)
class _Row:
    """One example as pairs of prompt and answer in tokens: the true answer, its paraphrase, the wrong ones."""

    said: Pair
    right: Pair
    wrong: tuple[Pair, ...]


@dataclass(frozen=True, eq=False)
class _Logs:
    """The token logs of all different pairs: those with moments, then all others.

    Args:
        marked: the log of the pairs with moments; None where there are none.
        whole: the log of all pairs, without moments.
        place: where a pair stands in both.
    """

    marked: TokenLog | None
    whole: TokenLog
    place: Mapping[Pair, int]

    @classmethod
    def measured(
        cls, model: nn.Module, task: CausalLM, rows: Mapping[str, Sequence[_Row]], run: Run, asked: Asked
    ) -> _Logs:
        """Forward every different pair of the rows once."""
        first = list(dict.fromkeys(row.said for name in asked.moments & rows.keys() for row in rows[name]))
        pairs = (pair for some in rows.values() for row in some for pair in (row.said, row.right, *row.wrong))
        every = list(dict.fromkeys([*first, *pairs]))
        marked = token_logs(model, task, first, run, True, "measuring with moments") if first else None
        parts = [] if marked is None else [TokenLog(marked.log_probs, marked.greedy, marked.offsets)]
        if every[len(first) :]:
            parts.append(token_logs(model, task, every[len(first) :], run, False, "measuring answers"))
        return cls(marked, joined(parts), {pair: i for i, pair in enumerate(every)})

    def of(self, pairs: Sequence[Pair], moments: bool = False) -> TokenLog:
        """Return the log of these pairs."""
        log = self.marked if moments and self.marked is not None else self.whole
        return log.take([self.place[pair] for pair in pairs])

    def means(self, pairs: Sequence[Pair]) -> Tensor:
        """Return the mean log-probability a token of each of these pairs."""
        return self._means[[self.place[pair] for pair in pairs]]

    @cached_property
    def _means(self) -> Tensor:
        return self.whole.means(self.whole.log_probs)


def _measured(
    model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, asked: Asked, known: Measurements
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return everything measured as tensors and facts, each under `set/name`."""
    rows = {name: _rows(task, examples) for name, examples in sets.items()}
    logs = _Logs.measured(model, task, rows, run, asked)
    # Attacks that ask read the same answers again.
    Answers(model, task, run, known).learn(list(logs.place), logs.means(list(logs.place)))
    texts = _generated(model, task, {name: rows[name] for name in sets if name in asked.generated}, run, asked, known)
    tensors: dict[str, Tensor] = {}
    facts: dict[str, Any] = {"generated": texts}
    for name, examples in sets.items():
        said = logs.of([row.said for row in rows[name]], name in asked.moments)
        tensors |= {f"{name}/{part}": value for part, value in vars(said).items() if value is not None}
        tensors[f"{name}/right"] = logs.means([row.right for row in rows[name]])
        tensors[f"{name}/wrong"] = _wrong(logs, rows[name])
        tensors[f"{name}/recall"] = rouge(_answers(examples), texts[name]) if name in texts else _NOTHING.clone()
        end = task.tokenizer.eos_token_id
        facts[f"{name}/ended"] = all(len(row.said[1]) > 1 and row.said[1][-1] == end for row in rows[name])
        facts[f"{name}/options"] = PARAPHRASED not in examples.columns and any(row.wrong for row in rows[name])
    return {name: value.contiguous() for name, value in tensors.items()}, facts


def _rows(task: CausalLM, examples: Examples) -> list[_Row]:
    tokens, lengths, starts = (examples.tensor(name) for name in (TOKENS, LENGTH, ANSWER_FROM))
    nothing = np.full(len(examples), None)
    paraphrases, perturbed = (np.asarray(examples.columns.get(name, nothing)) for name in (PARAPHRASED, WRONG))
    encoded: dict[str, tuple[int, ...]] = {}
    rows = []
    for i, name in enumerate(examples.ids):
        whole, start = tokens[i, : int(lengths[i])].tolist(), int(starts[i])
        given = tuple(whole[:start])

        def other(answer: str, given: tuple[int, ...] = given, name: str = name) -> Pair:
            if answer not in encoded:
                encoded[answer] = tuple(task.template.said(answer, task.tokenizer))
            if len(given) + len(encoded[answer]) > task.context:
                raise InputError(f"'{name}': a paraphrased or wrong answer is longer than the context; shorten it")
            return given, encoded[answer]

        said = given, tuple(whole[start:])
        paraphrase, wrong = paraphrases[i], perturbed[i]
        rows.append(_Row(said, other(paraphrase) if paraphrase else said, tuple(map(other, wrong or ()))))
    return rows


def _wrong(logs: _Logs, rows: Sequence[_Row]) -> Tensor:
    """Return the means of the wrong answers of each row, [N, K], NaN where a row has fewer."""
    counts = [len(row.wrong) for row in rows]
    found = torch.full((len(rows), max(counts, default=0)), torch.nan, dtype=torch.float64)
    means = logs.means([pair for row in rows for pair in row.wrong])
    for row, values in enumerate(means.split(counts)):
        found[row, : len(values)] = values
    return found


def _generated(
    model: nn.Module,
    task: CausalLM,
    rows: Mapping[str, Sequence[_Row]],
    run: Run,
    asked: Asked,
    known: Measurements,
) -> dict[str, list[str]]:
    """Return what the model says greedily after the prompts of each set; nothing where a prompt has no token."""
    prompts = list(dict.fromkeys(row.said[0] for some in rows.values() for row in some))
    limits = [_limit(len(prompt), task.context, asked) for prompt in prompts]
    said = dict(zip(prompts, Answers(model, task, run, known).texts(prompts, limits), strict=True))
    return {name: [said[row.said[0]] for row in some] for name, some in rows.items()}


def _limit(given: int, context: int, asked: Asked) -> int:
    """Return the most tokens of an answer to a prompt of so many."""
    room = min(asked.new_tokens, context - given)
    return max(min(room, asked.whole - given) if asked.whole else room, 0)


def _answers(examples: Examples) -> list[str]:
    return [str(answer) for answer in np.asarray(examples["answer"])]


def _unpack(name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], examples: Examples) -> TextRows:
    def part(what: str) -> Tensor:
        return tensors[f"{name}/{what}"]

    log = TokenLog(
        part("log_probs"), part("greedy"), part("offsets"), tensors.get(f"{name}/mean"), tensors.get(f"{name}/std")
    )
    return TextRows(
        ids=examples.ids,
        answers=tuple(_answers(examples)),
        log=log,
        ended=facts[f"{name}/ended"],
        right=part("right"),
        wrong=part("wrong"),
        options=facts[f"{name}/options"],
        generated=tuple(facts["generated"].get(name, ())),
        recall=part("recall"),
    )
