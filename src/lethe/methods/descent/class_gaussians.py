"""Class Gaussians: what SCAR keeps of each class, a mean and the inverse of a shrunk correlation matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lethe import losses
from lethe.class_statistics import ClassStatistics
from lethe.errors import InputError
from lethe.examples import Batch, Examples
from lethe.measuring import over_examples
from lethe.models import read_weights
from lethe.run import Run
from lethe.tasks import Classification


def tukey_features(model: nn.Module, task: Classification, examples: Examples, run: Run, power: float) -> Tensor:
    """Return φ^δ of every example in eval mode, [N, d]."""

    def read(model: nn.Module, batch: Batch) -> Tensor:
        return losses.tukey(task.features(model, batch), power)

    return over_examples(model, task, examples, run, read, "features")


def feature_statistics(
    model: nn.Module, task: Classification, examples: Examples, run: Run, power: float = 0.5
) -> ClassStatistics:
    """Return number, mean and covariance of each class's features after Tukey's power, as SCAR keeps them.

    Take them when a model is trained: with `Scar(statistics=...)` no retain example has to be read afterwards.

    Args:
        model: the trained model.
        task: how it is fed.
        examples: what it was trained on.
        run: device of the pass.
        power: δ.
    """
    features = tukey_features(model, task, examples, run, power)
    return ClassStatistics.of(features, examples.tensor(task.label).long(), task.classes)


def read_statistics(file: Path) -> ClassStatistics:
    """Return the statistics that a safetensors file holds.

    Raises:
        InputError: it holds something else.
    """
    tensors = read_weights(file)
    if tensors.keys() != {"counts", "sums", "products"}:
        raise InputError(
            f"{file}: holds {', '.join(sorted(tensors))}; class statistics are counts, sums and products: "
            "save feature_statistics(...).tensors()"
        )
    return ClassStatistics.of_tensors(tensors)


@dataclass(frozen=True, eq=False)
class ClassGaussians:
    """Means and whitenings of the classes that there are rows of.

    Attributes:
        means: [C, d] μ_c.
        whitenings: [C, d, d] W_c with W_cᵀW_c the pseudo-inverse of the class's correlation matrix.
        there: [C] whether a class has rows.
    """

    means: Tensor
    whitenings: Tensor
    there: Tensor

    @classmethod
    def of(cls, statistics: ClassStatistics, gamma1: float, gamma2: float, times: int) -> ClassGaussians:
        """Return them with covariances shrunk `times` times, and only then brought to correlations.

        Raises:
            InputError: a class has a single row, or a feature that does not vary and is not shrunk.
        """
        there = statistics.counts > 0
        alone = (statistics.counts == 1).nonzero().flatten()
        if len(alone):
            raise InputError(
                f"class {int(alone[0])} has 1 example to take a covariance from; give at least 2, or none of that class"
            )
        covariances, whitenings = statistics.covariances, torch.zeros_like(statistics.products)
        for label in there.nonzero().flatten().tolist():
            covariance = covariances[label]
            for _ in range(times):
                covariance = shrunk(covariance, gamma1, gamma2)
            if bool((covariance.diagonal() <= 0).any()):
                raise InputError(
                    f"a feature is the same in all examples of class {label}, so that their covariance has no inverse; "
                    "give more examples, or raise gamma1 where it is 0"
                )
            whitenings[label] = whitening(correlation(covariance))
        return cls(statistics.means.float(), whitenings.float(), there)

    def to(self, device: torch.device) -> ClassGaussians:
        """Return them on a device."""
        return ClassGaussians(self.means.to(device), self.whitenings.to(device), self.there.to(device))

    def distances(self, features: Tensor) -> Tensor:
        """Return the distance of each row to each class, [B, C]; infinite for classes without rows."""
        found = features.new_full((len(features), len(self.there)), float("inf"))
        for label in self.there.nonzero().flatten().tolist():
            found[:, label] = losses.class_distance(features, self.means[label], self.whitenings[label])
        return found

    def distance_to(self, features: Tensor, targets: Tensor) -> Tensor:
        """Return the distance of each row to the class that it goes to, [B]."""
        found = torch.zeros(len(features), dtype=features.dtype, device=features.device)
        for label in targets.unique().tolist():
            here = (targets == label).nonzero().flatten()
            distance = losses.class_distance(features[here], self.means[label], self.whitenings[label])
            found = found.index_put((here,), distance)
        return found


def shrunk(covariance: Tensor, gamma1: float, gamma2: float) -> Tensor:
    """Return Σ + γ1 v1 I + γ2 v2 (1 - I), v1 the mean of the diagonal and v2 of the entries off it.

    With γ1 ≥ γ2 it is positive semi-definite; few rows of many features make it invertible that way.

    >>> shrunk(torch.tensor([[3.0, 1.0], [1.0, 1.0]]), 1.0, 2.0)
    tensor([[5., 3.],
            [3., 3.]])
    """
    width = len(covariance)
    eye = torch.eye(width, dtype=covariance.dtype)
    diagonal = covariance.diagonal().mean()
    beside = (covariance.sum() - covariance.diagonal().sum()) / max(width * (width - 1), 1)
    return covariance + gamma1 * diagonal * eye + gamma2 * beside * (1 - eye)


def correlation(covariance: Tensor) -> Tensor:
    """Return Σ_ab / sqrt(Σ_aa Σ_bb).

    >>> correlation(torch.tensor([[4.0, 1.0], [1.0, 1.0]]))
    tensor([[1.0000, 0.5000],
            [0.5000, 1.0000]])
    """
    deviations = covariance.diagonal().sqrt()
    return covariance / deviations[:, None] / deviations[None, :]


def whitening(matrix: Tensor) -> Tensor:
    """Return W with WᵀW the pseudo-inverse of a symmetric positive semi-definite matrix, [d, d].

    >>> whitening(torch.tensor([[4.0, 0.0], [0.0, 0.0]])).abs().sum()  # the inverse of 4 is (1/2)²; that of 0 is 0
    tensor(0.5000)
    """
    values, vectors = torch.linalg.eigh(matrix)
    kept = values > values.max() * len(values) * torch.finfo(values.dtype).eps
    scales = torch.where(kept, values, 1.0).rsqrt() * kept
    return scales[:, None] * vectors.T
