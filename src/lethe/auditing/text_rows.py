"""What was measured of one language model on one set of prompts and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lethe.auditing.text.probability import option_probability, probability
from lethe.auditing.text.tokens import TokenLog
from lethe.auditing.text.truth_ratio import log_truth_ratio
from lethe.errors import AuditIncomplete


@dataclass(frozen=True, eq=False)
class TextRows:
    """What one language model gives N answers, and says itself, in the order of the examples.

    Metrics read scores of single rows through `each`, which computes them once: the samples of a bootstrap are drawn
    from these scores, not measured again.

    Attributes:
        ids: [N] names of the examples.
        answers: [N] the true answers as text.
        log: the token log of the true answers.
        ended: whether every answer ends with an end-of-sequence token, as its last entry in the log.
        right: [N] mean log-probability a token of the paraphrased answer; of the true one where there is no other.
        wrong: [N, K] the same of the wrong answers, NaN where a row has fewer than K; K is 0 where there are none.
        options: whether the wrong answers are the other options of a multiple choice, as where nothing is paraphrased.
        generated: [N] what the model says itself, greedily; empty where nobody asked.
        recall: [N] ROUGE-L recall of that; empty where nobody asked.
        drawn: positions of a bootstrap sample or of a group; None for the rows as they are.
    """

    ids: tuple[str, ...]
    answers: tuple[str, ...]
    log: TokenLog
    ended: bool
    right: Tensor
    wrong: Tensor
    options: bool
    generated: tuple[str, ...]
    recall: Tensor
    drawn: Tensor | None = None
    _scores: dict[Callable[[TextRows], Tensor], Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.ids) if self.drawn is None else len(self.drawn)

    def each(self, score: Callable[[TextRows], Tensor]) -> Tensor:
        """Return a score of each row, [N], or of each row of the sample; it is computed once for all samples."""
        if score not in self._scores:
            self._scores[score] = score(self)
        values = self._scores[score]
        return values if self.drawn is None else values[self.drawn]

    def mean(self, score: Callable[[TextRows], Tensor]) -> float:
        """Return the mean of a score over the rows that have one."""
        values = self.each(score)
        return float(values[~values.isnan()].mean())

    def take(self, positions: Tensor) -> TextRows:
        """Return the rows at these positions, of the sample where these are one: a bootstrap sample, or a group."""
        return replace(self, drawn=positions if self.drawn is None else self.drawn[positions])

    @property
    def words(self) -> TokenLog:
        """The token log without the end-of-sequence tokens, which memorisation and Min-k leave out."""
        return self.log.without_last() if self.ended else self.log


def answer_probability(rows: TextRows) -> Tensor:
    """Return P̄(answer | prompt) of each row, [N]."""
    return probability(rows.log)


def chosen_probability(rows: TextRows) -> Tensor:
    """Return the probability of each answer, among the options of a multiple choice where it is one, [N].

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """
    if not rows.options:
        return answer_probability(rows)
    return _by_count(rows, option_probability, rows.log.means(rows.log.log_probs))


def geometric_ratio(rows: TextRows) -> Tensor:
    """Return log R of each row with the geometric mean over wrong answers, [N]; NaN for a row without any."""
    return _by_count(rows, lambda right, wrong: log_truth_ratio(right, wrong, "geometric"), rows.right)


def arithmetic_ratio(rows: TextRows) -> Tensor:
    """Return log R of each row with the arithmetic mean over wrong answers, [N]; NaN for a row without any."""
    return _by_count(rows, lambda right, wrong: log_truth_ratio(right, wrong, "arithmetic"), rows.right)


RATIOS: Mapping[str, Callable[[TextRows], Tensor]] = {"geometric": geometric_ratio, "arithmetic": arithmetic_ratio}


def greedy_recall(rows: TextRows) -> Tensor:
    """Return the ROUGE-L recall of what the model says itself, [N]."""
    if not len(rows.recall):
        raise AuditIncomplete("needs what the model generates, which was not asked for on this set")
    return rows.recall


def _by_count(rows: TextRows, score: Callable[[Tensor, Tensor], Tensor], right: Tensor) -> Tensor:
    """Return the score of right [n] and wrong [n, k] answers, [N]; rows may have different numbers of them, or none."""
    counts = (~rows.wrong.isnan()).sum(1)
    if not bool(counts.any()):
        raise AuditIncomplete("needs wrong answers; give a column perturbed_answer with a list of them")
    found = torch.full_like(right, torch.nan)
    for count in set(counts.tolist()) - {0}:
        here = counts == count
        found[here] = score(right[here], rows.wrong[here, :count])
    return found
