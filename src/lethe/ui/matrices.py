"""Prediction matrices: what each true class is predicted as, and with what confidence."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.ui.schema import Matrix


def matrix(logits: Tensor, labels: Tensor, classes: int) -> Matrix:
    """Return counts, accuracy, prediction shares and mean probabilities by true class.

    Rows of `share` and of `confidence` sum to 1, and the diagonal of `share` is `accuracy`; rows of a class without an
    example are all None.

    Args:
        logits: [N, C].
        labels: [N] class indices.
        classes: number of classes.

    >>> found = matrix(torch.tensor([[9.0, 0.0], [0.0, 9.0]]), torch.tensor([0, 0]), 2)
    >>> found.count, found.accuracy, found.share
    ([2, 0], [0.5, None], [[0.5, 0.5], [None, None]])
    """
    probabilities = torch.softmax(logits.double(), 1)[:, :classes]
    predicted = torch.nn.functional.one_hot(logits[:, :classes].argmax(1), classes).double()
    count = torch.bincount(labels, minlength=classes)

    def mean(values: Tensor) -> list[list[float | None]]:
        sums = torch.zeros(classes, classes, dtype=torch.float64).index_add_(0, labels, values)
        return [
            (row / number).tolist() if number else [None] * classes
            for row, number in zip(sums, count.tolist(), strict=True)
        ]

    share, confidence = mean(predicted), mean(probabilities)
    return Matrix(count.tolist(), [row[k] for k, row in enumerate(share)], share, confidence)
