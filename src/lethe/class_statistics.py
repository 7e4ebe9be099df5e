"""Class statistics: number, mean and covariance of each class's features, from which rows can be taken back exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.errors import InputError


@dataclass(frozen=True, eq=False)
class ClassStatistics:
    """Sums over the rows of each class: a description of data that is small and forgets what is taken out of it.

    Attributes:
        counts: [C] rows n_c, float64.
        sums: [C, d] Σ φ.
        products: [C, d, d] Σ φ φᵀ.
    """

    counts: Tensor
    sums: Tensor
    products: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, classes: int) -> ClassStatistics:
        """Return the statistics of rows [n, d] with labels [n] in 0 … C-1."""
        rows = features.double()
        flags = torch.nn.functional.one_hot(labels, classes).double()
        products = torch.stack([(rows * flags[:, [c]]).T @ rows for c in range(classes)])
        return cls(flags.sum(0), flags.T @ rows, products)

    def without(self, features: Tensor, labels: Tensor) -> ClassStatistics:
        """Return the statistics without rows that were in them; of a class without rows nothing is left.

        Raises:
            InputError: a class has fewer rows than are taken out of it.
        """
        gone = ClassStatistics.of(features, labels, len(self.counts))
        counts = self.counts - gone.counts
        if bool((counts < 0).any()):
            label = int((counts < 0).nonzero()[0])
            raise InputError(
                f"class {label} has {int(self.counts[label])} rows, and {int(gone.counts[label])} are to be taken out; "
                "name each row once"
            )
        left = (counts > 0).double()
        return ClassStatistics(
            counts, (self.sums - gone.sums) * left[:, None], (self.products - gone.products) * left[:, None, None]
        )

    def without_classes(self, labels: Tensor) -> ClassStatistics:
        """Return the statistics without any row of these classes, [K]; no row is needed for that."""
        left = torch.ones_like(self.counts).index_fill(0, labels, 0.0)
        return ClassStatistics(self.counts * left, self.sums * left[:, None], self.products * left[:, None, None])

    @property
    def prior(self) -> Tensor:
        """n_c / n, [C]."""
        return self.counts / self.counts.sum()

    @property
    def means(self) -> Tensor:
        """μ_c, [C, d]; 0 for a class without rows."""
        return self.sums / self.counts.clamp_min(1)[:, None]

    @property
    def covariances(self) -> Tensor:
        """Σ_c = E φφᵀ - μ_c μ_cᵀ, [C, d, d], symmetric; 0 for a class without rows."""
        found = (
            self.products / self.counts.clamp_min(1)[:, None, None] - self.means[:, :, None] * self.means[:, None, :]
        )
        return (found + found.mT) / 2

    def factors(self) -> Tensor:
        """Return A_c with A_c A_cᵀ = Σ_c, [C, d, d]; eigenvalues that rounding made negative count as 0."""
        values, vectors = torch.linalg.eigh(self.covariances)
        return vectors * values.clamp_min(0).sqrt()[:, None, :]

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it by name, as it is kept."""
        return {"counts": self.counts, "sums": self.sums, "products": self.products.contiguous()}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> ClassStatistics:
        """Return what `tensors` described."""
        return cls(tensors["counts"], tensors["sums"], tensors["products"])


def class_means(features: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return the rows of each class, [C], and their means, [C, d] float64: 0 for a class without rows.

    For wide features and many classes, of which `ClassStatistics` would keep C·d² products.
    """
    flags = torch.nn.functional.one_hot(labels, classes).double()
    counts = flags.sum(0)
    return counts, flags.T @ features.double() / counts.clamp_min(1)[:, None]


def sample(
    statistics: ClassStatistics, count: int, generator: torch.Generator, factors: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return rows drawn from the Gaussians of the classes, [count, d] float64, and their classes, [count].

    Args:
        statistics: of the classes.
        count: number of rows; classes are drawn by their sizes.
        generator: draws them.
        factors: `statistics.factors()`, where it is there already.
    """
    factors = statistics.factors() if factors is None else factors
    labels = torch.multinomial(statistics.prior, count, replacement=True, generator=generator)
    noise = torch.randn(count, statistics.sums.shape[1], generator=generator, dtype=torch.float64)
    rows = statistics.means[labels]
    for label in labels.unique().tolist():
        here = labels == label
        rows[here] += noise[here] @ factors[label].T
    return rows, labels
