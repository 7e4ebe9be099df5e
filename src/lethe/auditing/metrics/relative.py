"""The relative test of classifiers and of language models: what of their answers the three-sample test compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lethe.auditing.metric import Rows
from lethe.auditing.metrics.three_sample import ThreeSampleTest
from lethe.auditing.vectors import Outputs, TextOutputs, text_vectors, vectors
from lethe.tasks import CausalLM, Task


@dataclass(frozen=True, kw_only=True)
class RelativeTest(ThreeSampleTest):
    """Relative three-sample test: the p-value that the classifier is closer to the original than to gold.

    Two honest retrainings differ, so a test of equality with gold rejects everybody. This one asks which of the two
    references the logits on the forget set are closer to: a small value says that the unlearning failed, gold itself
    gets values near 1, and about 1/2 says that the references cannot be told apart.

    Args:
        outputs: what is compared: `aligned` logits (the label's first, the others in descending order), `logits` in
            the order of the classes, or the label's `margin`.

    Source: Bounliphone et al. 2016, arXiv:1511.04581 (relative MMD); Ribero, Schrab and Gretton 2026,
    arXiv:2601.19755 (relative tests of unlearning, f-divergences).
    """

    outputs: Outputs = "aligned"

    def compared(self, rows: Rows) -> Tensor:
        """Return vectors of the logits, [N, d]."""
        return vectors(rows["forget"], self.outputs)

    def groups(self, rows: Rows, chosen: Tensor) -> Mapping[str, Iterator[tuple[int, Tensor]]]:
        """Return the examples by label."""
        return {"by_label": _labels(rows["forget"].labels[chosen])}


@dataclass(frozen=True, kw_only=True)
class RelativeTextTest(ThreeSampleTest):
    """Relative three-sample test: the p-value that the language model is closer to the original than to gold.

    The same test on vectors of the log-probabilities of each answer's tokens.

    Args:
        outputs: what is compared: the log-probabilities of an answer's `tokens` at evenly spaced quantiles, or that of
            the `answer`, a mean over its tokens.
        points: number of those quantiles.

    Source: Bounliphone et al. 2016, arXiv:1511.04581 (relative MMD); Ribero, Schrab and Gretton 2026,
    arXiv:2601.19755 (relative tests of unlearning); quantiles, which give answers of any length one size, are our own.
    """

    outputs: TextOutputs = "tokens"
    points: int = 8
    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def compared(self, rows: Rows) -> Tensor:
        """Return vectors of the answers, [N, d]."""
        return text_vectors(rows.texts["forget"].log, self.outputs, self.points)


def _labels(labels: Tensor) -> Iterator[tuple[int, Tensor]]:
    for label in labels.unique().tolist():
        yield label, (labels == label).nonzero().flatten()
