"""Token logs of many prompts and answers: each different one goes through the model once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from lethe.auditing.text.reading import token_log
from lethe.auditing.text.tokens import TokenLog, joined
from lethe.examples import Batch
from lethe.measuring import evaluation
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS

Pair = tuple[tuple[int, ...], tuple[int, ...]]
"""The tokens of a prompt and those of its answer."""

Take = Callable[[Sequence[Pair], Tensor, Tensor, Tensor], None]
"""Takes pairs, their logits, the tokens these predict, and how many tokens each answer has."""

TOKENS_AT_ONCE = {"cpu": 2048}  # more do not fit the caches of a processor, and take it longer
MOST_TOKENS = 16_384
MOST_LOGITS = 2**28  # 1 GiB in float32


def token_logs(
    model: nn.Module, task: CausalLM, pairs: Sequence[Pair], run: Run, moments: bool = False, label: str = "reading"
) -> TokenLog:
    """Return the token log of each pair of prompt and answer, in their order; equal pairs are forwarded once.

    Pairs of like length go through the model together, without padding on the left, and the head maps the positions
    of answers alone.

    Args:
        model: the model, on the run's device.
        task: how it is read.
        pairs: N prompts with their answers, in tokens, the answer's end included.
        run: device, progress, and the meter of examples forwarded.
        moments: also measure mean and deviation of log p over the vocabulary, which Min-k++ reads.
        label: what progress calls the work.

    Raises:
        InputError: a log-probability is not finite.
    """
    order: list[Pair] = []
    logs = []

    def take(together: Sequence[Pair], logits: Tensor, targets: Tensor, lengths: Tensor) -> None:
        logs.append(token_log(logits, targets, lengths, moments))
        order.extend(together)

    read_pairs(model, task, pairs, run, label, take)
    place = {pair: i for i, pair in enumerate(order)}
    return joined(logs).take([place[pair] for pair in pairs])


def read_pairs(model: nn.Module, task: CausalLM, pairs: Sequence[Pair], run: Run, label: str, take: Take) -> None:
    """Forward each different pair once, and hand over its logits.

    Args:
        model: the model, on the run's device.
        task: how it is read.
        pairs: prompts with their answers, in tokens.
        run: device, progress, and the meter of examples forwarded.
        label: what progress calls the work.
        take: called with some of the pairs, the logits [n, V] that predict their answers' tokens, answer after answer,
            these tokens [n], and how many each answer has.
    """
    with evaluation(model), torch.inference_mode(), run.progress.bar(label, len(set(pairs))) as bar:
        for together in _together(model, task, pairs, run):
            run.interrupt_point()
            with run.autocast():
                logits, targets, lengths = _read(model, task, together, run)
            take(together, logits, targets, lengths)
            run.cost.examples += len(together)
            bar.advance(len(together))


def _together(model: nn.Module, task: CausalLM, pairs: Sequence[Pair], run: Run) -> Iterator[Sequence[Pair]]:
    """Yield the different pairs in the groups that go through the model at once."""
    most = _most(model, task, run)
    if not _shares(model, task, pairs):
        yield from _batches(sorted(dict.fromkeys(pairs), key=_size, reverse=True), most)
        return
    by_prompt: dict[tuple[int, ...], dict[Pair, None]] = {}
    for pair in pairs:
        by_prompt.setdefault(pair[0], {})[pair] = None
    together: list[Pair] = []
    size = 0
    for given, same in by_prompt.items():
        own = len(given) + sum(len(said) for _, said in same)
        if together and size + own > most:
            yield together
            together, size = [], 0
        together += same
        size += own
    yield together


def _shares(model: nn.Module, task: CausalLM, pairs: Sequence[Pair]) -> bool:
    """Whether a prompt goes through the model once for all its answers."""
    return not task.pads(model) and all(given for given, _ in pairs)


def _read(model: nn.Module, task: CausalLM, together: Sequence[Pair], run: Run) -> tuple[Tensor, Tensor, Tensor]:
    """Return the logits that predict the answers' tokens, these tokens, and how many each answer has."""
    if not _shares(model, task, together):
        batch = _batch(together).to(run.device)
        return task.outputs(model, batch), task.targets(batch), task.answer_lengths(batch)
    groups = [(given, [said for _, said in same]) for given, same in groupby(together, lambda pair: pair[0])]
    targets = torch.tensor([token for _, said in together for token in said], device=run.device)
    return task.outputs_after(model, groups, run.device), targets, torch.tensor([len(said) for _, said in together])


def _size(pair: Pair) -> int:
    return len(pair[0]) + len(pair[1])


def _most(model: nn.Module, task: CausalLM, run: Run) -> int:
    """Return how many tokens go through the model at a time."""
    head: Any = task.head(model)
    return min(TOKENS_AT_ONCE.get(run.device.type, MOST_TOKENS), MOST_LOGITS // len(head.weight))


def _batches(pairs: Sequence[Pair], most: int) -> Iterator[Sequence[Pair]]:
    """Yield runs of pairs, longest first, that hold at most so many tokens with their padding."""
    first = 0
    while first < len(pairs):
        count = max(1, most // _size(pairs[first]))
        yield pairs[first : first + count]
        first += count


def _batch(pairs: Sequence[Pair]) -> Batch:
    tokens = torch.zeros(len(pairs), max(map(_size, pairs)), dtype=torch.long)
    for row, (given, said) in enumerate(pairs):
        tokens[row, : len(given) + len(said)] = torch.tensor(given + said)
    columns = {
        TOKENS: tokens,
        LENGTH: torch.tensor([_size(pair) for pair in pairs]),
        ANSWER_FROM: torch.tensor([len(given) for given, _ in pairs]),
    }
    return Batch(torch.arange(len(pairs)), columns)
