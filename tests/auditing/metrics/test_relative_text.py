"""The relative test on language models: answers of several lengths, of which the original knows the facts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.relative import RelativeTextTest
from tests.auditing.metrics.made import telling, told

LEVEL, ANSWERS = 0.05, 120


def speaker(seed: int, known: Tensor, noise: float = 0.3) -> Rows:
    """A model sure of all words but the fact of each answer, which it knows where it is told so.

    How hard an answer is, is the same for all models; what a seed makes of it is not.
    """
    shared = torch.Generator().manual_seed(99)
    lengths = torch.randint(3, 9, (ANSWERS,), generator=shared).tolist()
    hard = torch.randn(ANSWERS, generator=shared).tolist()
    own = torch.Generator().manual_seed(seed)
    rows = []
    for length, difficulty, knows in zip(lengths, hard, known.tolist(), strict=True):
        words = (-0.05 * torch.rand(length, generator=own)).tolist()
        draw = noise * float(torch.randn(1, generator=own))
        words[length // 2] = -0.1 * abs(draw) if knows else min(-4 + difficulty + draw, -0.1)
        rows.append(words)
    return telling(forget=told(rows))


ALL, NONE = torch.ones(ANSWERS, dtype=torch.bool), torch.zeros(ANSWERS, dtype=torch.bool)
AGAINST = References(original=speaker(0, ALL), gold=tuple(speaker(seed, NONE) for seed in (1, 2, 3)))


@pytest.mark.parametrize("test", [RelativeTextTest(), RelativeTextTest(outputs="answer")], ids=["tokens", "answer"])
def test_an_original_is_rejected_and_a_further_gold_is_not_in_19_of_20_seeds(test: RelativeTextTest) -> None:
    originals = [test(speaker(seed, ALL), AGAINST, seed).value <= LEVEL for seed in range(10, 30)]
    golds = [test(speaker(seed, NONE), AGAINST, seed).value <= LEVEL for seed in range(30, 50)]
    assert sum(originals) >= 19
    assert sum(golds) <= 1


def test_that_the_most_memorised_answers_were_not_forgotten_shows_in_their_group() -> None:
    """A fifth of the answers is still known; the whole set lies nearer to gold."""
    fact = RelativeTextTest(smallest_group=20)
    original, gold = (
        m.texts["forget"].log.means(m.texts["forget"].log.log_probs) for m in (AGAINST.original, AGAINST.gold[0])
    )
    kept = (original - gold) >= (original - gold).quantile(0.8)
    score = fact(speaker(4, kept), AGAINST)
    assert score.value > LEVEL
    by_group = score.details["by_memorisation"]
    assert by_group[-1]["p_closer_to_original"] <= LEVEL < by_group[0]["p_closer_to_original"]
    assert "by_label" not in score.details


def test_the_fact_in_a_long_answer_is_seen_in_its_tokens() -> None:
    """The least likely token comes first, however long the answer is."""
    long, short = told([[-0.01] * 50 + [-6.0]]), told([[-6.0, -0.01]])
    first = [RelativeTextTest().compared(telling(forget=rows))[0, 0].item() for rows in (long, short)]
    assert first == [-6.0, -6.0]
