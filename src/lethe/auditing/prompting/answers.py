"""Answers: what a model says to prompts and how likely it finds replies, asked once and looked up ever after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lethe.auditing.measure import Measurements
from lethe.auditing.token_logs import Pair, token_logs
from lethe.generation import ends_of, greedy
from lethe.models import fingerprint
from lethe.run import Run
from lethe.store import digest
from lethe.tasks import CausalLM

Prompt = tuple[int, ...]
AT_ONCE = 256  # prompts between two looks at the clock


class Answers:
    """The greedy answers of one model, and the probabilities it gives replies.

    Args:
        model: the model, on the run's device.
        task: how it is read.
        run: device, progress, and the meter of examples forwarded.
        known: earlier measurements, which are looked up first and added to.
    """

    def __init__(self, model: nn.Module, task: CausalLM, run: Run, known: Measurements) -> None:
        self._model, self._task, self._run, self._known = model, task, run, known
        self._key = digest([fingerprint(model), repr(model), repr(task)])

    def said(self, prompts: Sequence[Prompt], limits: Sequence[int]) -> list[list[int]]:
        """Return the tokens the model says greedily after each prompt, the end included where it comes in time.

        An answer that was once longer is cut, not generated again.

        Args:
            prompts: tokens of the prompts; to an empty one nothing is said.
            limits: most tokens of each answer.
        """
        table = self._table("answers")
        ends = ends_of(self._model, self._task.tokenizer)
        longest: dict[Prompt, int] = {}
        for prompt, limit in zip(prompts, limits, strict=True):
            longest[prompt] = max(limit, longest.get(prompt, 0))
        missing = [
            prompt
            for prompt, limit in sorted(longest.items(), key=lambda one: len(one[0]))
            if prompt and not _enough(table.get(_name(prompt)), limit, ends)
        ]
        with self._run.progress.bar("generating answers", len(missing)) as bar:
            for first in range(0, len(missing), AT_ONCE):
                self._run.interrupt_point()
                some = missing[first : first + AT_ONCE]
                found = greedy(self._model, some, [longest[p] for p in some], ends, device=self._run.device)
                table |= {_name(prompt): tokens for prompt, tokens in zip(some, found, strict=True)}
                bar.advance(len(some))
        if missing:
            self._known.keep(self._named("answers"), {}, table)
        return [table[_name(p)][:limit] if p else [] for p, limit in zip(prompts, limits, strict=True)]

    def texts(self, prompts: Sequence[Prompt], limits: Sequence[int]) -> list[str]:
        """Return the same as text, without special tokens."""
        decode = self._task.tokenizer.decode
        return [decode(tokens, skip_special_tokens=True).strip() for tokens in self.said(prompts, limits)]

    def log_probs(self, pairs: Sequence[Pair]) -> Tensor:
        """Return log p(answer | prompt) / |answer|, the mean log-probability a token, of each pair, [n] float64."""
        table = self._table("log-probabilities")
        missing = [pair for pair in dict.fromkeys(pairs) if _name(*pair) not in table]
        if missing:
            log = token_logs(self._model, self._task, missing, self._run, label="reading answers")
            table |= {_name(*pair): mean for pair, mean in zip(missing, log.means(log.log_probs).tolist(), strict=True)}
            self._known.keep(self._named("log-probabilities"), {}, table)
        return torch.tensor([table[_name(*pair)] for pair in pairs], dtype=torch.float64)

    def learn(self, pairs: Sequence[Pair], log_probs: Tensor) -> None:
        """Keep mean log-probabilities a token, [n], that were measured elsewhere, so that they are not read again."""
        table = self._table("log-probabilities")
        table |= {_name(*pair): mean for pair, mean in zip(pairs, log_probs.tolist(), strict=True)}
        self._known.keep(self._named("log-probabilities"), {}, table)

    def _named(self, what: str) -> str:
        return digest([self._key, what])

    def _table(self, what: str) -> dict[str, Any]:
        found = self._known.recall(self._named(what))
        return dict(found[1]) if found else {}


def _enough(tokens: list[int] | None, limit: int, ends: Sequence[int]) -> bool:
    return tokens is not None and (len(tokens) >= limit or (bool(tokens) and tokens[-1] in ends))


def _name(*tokens: Prompt) -> str:
    return digest([list(part) for part in tokens])
