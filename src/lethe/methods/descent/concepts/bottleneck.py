"""Post-hoc concept bottleneck: which concepts speak for a class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.errors import InputError
from lethe.methods.descent.concepts.bank import ConceptBank

STRENGTH, L1_SHARE = 1e-5, 0.99


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """A sparse linear map from concept scores to classes; it explains a class, and classifies nothing here.

    Attributes:
        bank: the concepts.
        classes: [K] the classes it was fitted on, ascending.
        weights: [K, M] what each concept says for each class.
    """

    bank: ConceptBank
    classes: Tensor
    weights: Tensor

    def row(self, label: int) -> Tensor:
        """Return what each concept says for a class, [M]; raises InputError where the class had no example."""
        found = (self.classes == label).nonzero().flatten()
        if not len(found):
            raise InputError(f"class {label} had no example to learn its concepts from; give some")
        return self.weights[int(found[0])]

    def top(self, label: int, count: int) -> list[str]:
        """Return the concepts that speak most for a class, the first the most."""
        order = torch.argsort(self.row(label), descending=True, stable=True)[:count]
        return [self.bank.names[int(i)] for i in order]


def fit_bottleneck(embeddings: Tensor, labels: Tensor, bank: ConceptBank, seed: int) -> Bottleneck:
    """Return the bottleneck: logistic regression on ⟨e, v_m⟩ with an elastic net of strength 1e-5, 99 % of it ℓ1.

    Args:
        embeddings: [N, D].
        labels: [N].
        bank: the concepts.
        seed: of the order in which examples are visited.

    Raises:
        InputError: all examples are of one class.

    Source: Yuksekgonul et al. 2023, Post-hoc Concept Bottleneck Models, arXiv:2205.15480; constants: the release of
        Chang et al. 2024, arXiv:2405.15662.
    """
    from sklearn.linear_model import SGDClassifier

    classes = labels.unique()
    if len(classes) < 2:
        raise InputError(f"all examples are of class {int(classes[0])}; concepts of a class need another beside it")
    net = SGDClassifier(
        loss="log_loss", penalty="elasticnet", alpha=STRENGTH, l1_ratio=L1_SHARE, max_iter=10_000,
        random_state=seed % 2**32,
    )  # fmt: skip
    net.fit(bank.scores(embeddings).double().numpy(), labels.numpy())
    weights = torch.tensor(net.coef_)
    # Of two classes one row is given, for the second.
    return Bottleneck(bank, classes, torch.cat([-weights, weights]) if len(classes) == 2 else weights)
