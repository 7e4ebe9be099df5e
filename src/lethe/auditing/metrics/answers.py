"""How likely a language model finds the answers of a set, and how much of them it would say by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from lethe.auditing.metric import Rows
from lethe.auditing.metrics.text import RowMean
from lethe.auditing.text import exact_memorization, extraction_strength
from lethe.auditing.text_rows import TextRows, answer_probability, greedy_recall


@dataclass(frozen=True, kw_only=True)
class ForgetProbability(RowMean):
    """Mean probability of the answers to forget, P̄(a | q) = p(a | q)^(1/|a|); right where it is gold's.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """

    title: ClassVar[str] = "Forget probability"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[str] = "forget"

    def scores(self, rows: TextRows) -> Tensor:
        """Return P̄, [N]."""
        return answer_probability(rows)


@dataclass(frozen=True, kw_only=True)
class RetainProbability(RowMean):
    """Mean probability of the answers to keep, P̄(a | q) = p(a | q)^(1/|a|).

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """

    title: ClassVar[str] = "Retain probability"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    part: ClassVar[str] = "retain"

    def scores(self, rows: TextRows) -> Tensor:
        """Return P̄, [N]."""
        return answer_probability(rows)


@dataclass(frozen=True, kw_only=True)
class HoldoutProbability(RowMean):
    """Mean probability of answers the model was never trained on, P̄(a | q) = p(a | q)^(1/|a|): how well it speaks.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2, on unseen answers.
    """

    title: ClassVar[str] = "Holdout probability"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout"})
    part: ClassVar[str] = "holdout"

    def scores(self, rows: TextRows) -> Tensor:
        """Return P̄, [N]."""
        return answer_probability(rows)


@dataclass(frozen=True, kw_only=True)
class ForgetRouge(RowMean):
    """Mean ROUGE-L recall of what the model says greedily against the answers to forget, words stemmed.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """

    title: ClassVar[str] = "Forget ROUGE-L"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    needs: ClassVar[frozenset[str]] = frozenset({"generation"})
    part: ClassVar[str] = "forget"

    def scores(self, rows: TextRows) -> Tensor:
        """Return the recall, [N]."""
        return greedy_recall(rows)


@dataclass(frozen=True, kw_only=True)
class RetainRouge(RowMean):
    """Mean ROUGE-L recall of what the model says greedily against the answers to keep, words stemmed.

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.
    """

    title: ClassVar[str] = "Retain ROUGE-L"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "generation"})
    part: ClassVar[str] = "retain"

    def scores(self, rows: TextRows) -> Tensor:
        """Return the recall, [N]."""
        return greedy_recall(rows)


@dataclass(frozen=True, kw_only=True)
class ExactMemorization(RowMean):
    """Share of the tokens of the answers to forget that are the likeliest after prompt and answer so far.

    Source: Tirumala et al. 2022, arXiv:2205.10770.
    """

    title: ClassVar[str] = "Exact memorization"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[str] = "forget"

    def scores(self, rows: TextRows) -> Tensor:
        """Return the share, [N]."""
        return exact_memorization(rows.words)

    def resolution(self, rows: Rows) -> float:
        """Return one token of one answer."""
        return 1 / len(rows.texts[self.part].words.log_probs)


@dataclass(frozen=True, kw_only=True)
class ExtractionStrength(RowMean):
    """Share of an answer to forget that the model says by itself, given the shortest beginning that brings the rest.

    Source: Carlini et al. 2021, arXiv:2012.07805; Wang et al. 2025, arXiv:2411.05034.
    """

    title: ClassVar[str] = "Extraction strength"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[str] = "forget"

    def scores(self, rows: TextRows) -> Tensor:
        """Return the share, [N]."""
        return extraction_strength(rows.words)

    def resolution(self, rows: Rows) -> float:
        """Return one token of one answer."""
        return 1 / len(rows.texts[self.part].words.log_probs)
