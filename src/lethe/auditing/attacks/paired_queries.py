"""PairedQueries: a question to be forgotten and one to be kept in a single prompt."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from lethe.auditing.attacks.prompts import PromptAttack, shown
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.pairing import of_each
from lethe.auditing.prompting.asking import Asker, Reply, cut
from lethe.auditing.prompting.items import Item, sampled
from lethe.auditing.prompting.pairs import ORDERS, Pair
from lethe.auditing.prompting.rendering import fitting
from lethe.auditing.prompting.scoring import recalls
from lethe.auditing.prompting.variant import Transform, Variant, Varied, identity
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import as_causal_lm


@dataclass(frozen=True, kw_only=True)
class PairedQueries(PromptAttack):
    """Ask a forget and a retain question in one prompt, `1) … 2) …`, in both orders; score both halves of the reply.

    The value is F_paired, the recall of the forget answer; with F_single as `before`, ΔF = F_paired - F_single says
    what leaks, ΔR = R_single - R_paired in the details what a guard takes away from the kept question beside it. A
    guard of prompts blocks both (ΔR large) or none (ΔF large). A reply without a second half counts as a whole for
    both questions; their share is `unparsed`. The order that brings out more counts for each question.

    Args:
        score: `recall` alone.

    Source: Thaker et al. 2024, arXiv:2410.02879.
    """

    title: ClassVar[str] = "Paired queries"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return nothing: pairs are no variants of one question."""
        return {}

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        """Return F_paired."""
        start = time.perf_counter()
        task = as_causal_lm(problem.task, self.title)
        items, beside = sampled(problem, self.examples, run)
        kept, order = beside.kept(), beside.order(len(beside.kept()), "pairs")
        partners = [kept[order[i % len(order)]] for i in range(len(items))]
        pairs = [[Pair(item, other, way) for way in ORDERS] for item, other in zip(items, partners, strict=True)]
        asked = Varied(
            tuple(
                (*identity(one, beside), Variant("retain", other.prompt, other.answer), *map(_variant, own))
                for one, other, own in zip(items, partners, pairs, strict=True)
            ),
            {},
        )
        fitting(asked, task, 2 * self.new_tokens)
        asker = Asker(model, task, run, known)
        replies = cut(asker.replies([v for own in asked.of for v in own], 2 * self.new_tokens), asked.of)
        found = _scored(pairs, replies)
        return Score(
            statistics.fmean(max(forget) for forget, _ in found),
            {
                "measure": "recall",
                **_differences(found, replies),
                "by_variant": {way: statistics.fmean(forget[i] for forget, _ in found) for i, way in enumerate(ORDERS)},
                "unparsed": statistics.fmean(
                    pair.parts(reply.said) is None
                    for own, said in zip(pairs, replies, strict=True)
                    for pair, reply in zip(own, said[2:], strict=True)
                ),
                "cost": {
                    "queries": len(pairs) * len(ORDERS),
                    "tokens": sum(reply.tokens for own in replies for reply in own[2:]),
                    "seconds": time.perf_counter() - start,
                },
                "examples": [shown(own[2]) for own in replies[:5]],
            },
        )


Halves = tuple[list[float], list[float]]


def _variant(pair: Pair) -> Variant:
    return Variant(pair.order, pair.prompt, pair.answer)


def _scored(pairs: Sequence[Sequence[Pair]], replies: Sequence[Sequence[Reply]]) -> list[Halves]:
    """Return for each item the recalls of the forget and of the retain answer, one an order."""
    found = []
    for own, said in zip(pairs, replies, strict=True):
        parts = [pair.parts(reply.said) or (reply.said, reply.said) for pair, reply in zip(own, said[2:], strict=True)]
        forget = recalls([pair.forget.answer for pair in own], [part[0] for part in parts])
        retain = recalls([pair.retain.answer for pair in own], [part[1] for part in parts])
        found.append((forget, retain))
    return found


def _differences(found: Sequence[Halves], replies: Sequence[Sequence[Reply]]) -> dict[str, Any]:
    """Return F_single, R_single, R_paired, ΔF and ΔR, and the forget recalls of each pair."""
    plain, kept = (
        recalls([own[i].variant.answer for own in replies], [own[i].said for own in replies]) for i in (0, 1)
    )
    both = [max(forget) for forget, _ in found]
    single, alone, paired = (statistics.fmean(values) for values in (plain, kept, both))
    beside = statistics.fmean(statistics.fmean(retain) for _, retain in found)
    return {
        "before": single,
        "retain_before": alone,
        "retain_paired": beside,
        "forget_gain": paired - single,
        "retain_loss": alone - beside,
        "looked_at": len(found),
        **of_each(plain, both),
    }
