"""SAFE: each request is answered from a small description of the training data, which is kept up to date."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.class_statistics import ClassStatistics, sample
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.measuring import over_examples
from lethe.methods.exact.chains import Weights
from lethe.methods.exact.ledger import Ledger
from lethe.methods.exact.service import Deletable, Deletion, Service, linear_head
from lethe.methods.exact.sharded import classes_gone
from lethe.models import copied
from lethe.run import Run
from lethe.tasks import Classification, Task, as_classification


@dataclass(frozen=True, kw_only=True)
class Safe(Deletable):
    """Streaming forgetting (SAFE), a reconstruction: the head follows the risk on what is left, by its statistics.

    Before the first request number, mean and covariance of each class's features are taken; the data are not read
    again. A request F_t is taken out of these sums exactly, n_t L_t = n_{t-1} L_{t-1} - Σ_{F_t} ℓ. Then the head takes
    a few steps on
        L̂_t(θ) + ρ_t · mean over F_t of KL(q ‖ p_θ) + (λ/2) ‖θ - θ_{t-1}‖²,
    L̂_t the cross-entropy of features drawn from the Gaussians that are left, ρ_t = forget_weight · min(1, C · k_t/n_t),
    q what those Gaussians say of a forgotten feature (the posterior under the statistics without it), at a step size
    η/√t and within a ball around θ_{t-1}. Only the head moves, so that the features stay those of the statistics.

    Only the abstract of the source was open to us: the risk identity and the setting are its own, the surrogate, the
    forget term and the trust region are a reconstruction.

    Args:
        steps: gradient steps E a request.
        batch_size: features drawn a step.
        learning_rate: η, divided by √t at request t.
        forget_weight: weight of what is to be said of forgotten examples.
        anchor: λ, which holds the head near the last release.
        radius: longest way of the head in one request, as a share of its length.

    Raises:
        InputError: the head is not linear.

    Source: Machine Unlearning for Streaming Forgetting, ECAI 2025, arXiv:2507.15280.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)
    acts_on: ClassVar[str] = "head"
    exactness: ClassVar[str] = "approximate"

    steps: int = 60
    batch_size: int = 128
    learning_rate: float = 0.02
    forget_weight: float = 1.0
    anchor: float = 1e-3
    radius: float = 0.5

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "radius"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be above 0, not {getattr(self, name)}")

    def serve(self, base: nn.Module, task: Task, ledger: Ledger, run: Run, weights: Weights) -> SafeService:
        """Return the service of a linear head."""
        known = as_classification(task, "safe")
        linear_head(known, base, "safe")
        return SafeService(self, base, known, ledger, run, weights)


class SafeService(Service):
    """The service: the head as released last, and the statistics of what is left."""

    def __init__(
        self, system: Safe, base: nn.Module, task: Classification, ledger: Ledger, run: Run, weights: Weights
    ) -> None:
        self._system, self._base, self._task, self._ledger = system, base, task, ledger
        self._run, self._weights = run, weights
        self.statistics = ClassStatistics.of(torch.zeros(0, 1), torch.zeros(0, dtype=torch.long), task.classes)
        self._head: dict[str, Tensor] = {}

    def settle(self) -> None:
        """Take up what is kept, or take the statistics."""
        with self._ledger.request():
            if self._key() not in self._weights:
                left = self._ledger.examples.select(self.live)
                statistics = ClassStatistics.of(self._features(left), self._labels(left), self._task.classes)
                head = {name: value.detach().clone() for name, value in self._task.head(self._base).named_parameters()}
                self._weights.keep(self._key(), {**statistics.tensors(), **head})
            kept = dict(self._weights[self._key()])
            self.statistics = ClassStatistics.of_tensors(kept)
            self._head = {name: value for name, value in kept.items() if name not in self.statistics.tensors()}
            self._ledger.write()
            self._weights.only([self._key()])

    def delete(self, ids: Sequence[str]) -> Deletion:
        """Take the examples out of the statistics and let the head follow; no other example is read."""
        ids, start = tuple(ids), time.perf_counter()
        with self._ledger.request():
            self._ledger.check(ids)
            gone = set(ids)
            left = tuple(name for name in self.live if name not in gone)
            rows = self._ledger.examples.select(ids)
            features, labels = self._features(rows), self._labels(rows)
            statistics = self.statistics.without(features, labels)
            number = len(self._ledger.requests) + 1
            head = self._followed(statistics, features, number)
            self._weights.keep(f"release-{number}", {**statistics.tensors(), **head})
            self._ledger.write(ids)
            self.statistics, self._head = statistics, head
            self._weights.only([self._key()])
        notes = tuple(classes_gone(self._task, self._ledger.examples, gone, left))
        drawn = self._system.steps * self._system.batch_size
        return Deletion(ids, time.perf_counter() - start, self._system.steps, drawn + len(ids), notes)

    def model(self) -> nn.Module:
        """Return the network with the head as it is."""
        model = copied(self._base).eval()
        with torch.no_grad():
            for name, parameter in self._task.head(model).named_parameters():
                parameter.copy_(self._head[name])
        return model

    def _followed(self, statistics: ClassStatistics, features: Tensor, number: int) -> dict[str, Tensor]:
        """Return the head after the steps of one request."""
        system, generator = self._system, self._run.generator("drawn", number)
        before = {name: value.double() for name, value in self._head.items()}
        head = {name: value.clone().requires_grad_(True) for name, value in before.items()}
        factors, wanted = statistics.factors(), posterior(statistics, features.double())
        share = min(1.0, self._task.classes * len(features) / float(statistics.counts.sum()))
        rate = system.learning_rate / number**0.5
        optimizer = torch.optim.Adam(head.values(), lr=rate)
        for _ in range(system.steps):
            self._run.interrupt_point()
            drawn, labels = sample(statistics, system.batch_size, generator, factors)
            kept = F.cross_entropy(_logits(head, drawn), labels)
            forgotten = F.kl_div(_logits(head, features.double()).log_softmax(1), wanted, reduction="batchmean")
            away = torch.stack([(head[name] - before[name]).square().sum() for name in head]).sum()
            loss = kept + system.forget_weight * share * forgotten + system.anchor / 2 * away
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            _into_ball(head, before, system.radius)
        self._run.cost.steps += system.steps
        self._run.cost.examples += system.steps * system.batch_size
        return {name: value.detach().float() for name, value in head.items()}

    def _features(self, examples: Examples) -> Tensor:
        return over_examples(self._base, self._task, examples, self._run, self._task.features, "features")

    def _labels(self, examples: Examples) -> Tensor:
        return examples.tensor(self._task.label).long()

    def _key(self) -> str:
        return f"release-{len(self._ledger.requests)}"


def posterior(statistics: ClassStatistics, features: Tensor, shrinkage: float = 0.1) -> Tensor:
    """Return what the classes' Gaussians say of each row, p(c | φ) ∝ n_c N(φ; μ_c, Σ), [n, C].

    Σ is the covariance within classes, shrunk toward its mean variance: those of small classes cannot be inverted. A
    class without rows has probability 0.
    """
    within = torch.einsum("c,cij->ij", statistics.prior, statistics.covariances)
    variance = within.diagonal().mean().clamp_min(1e-12)
    pooled = (1 - shrinkage) * within + shrinkage * variance * torch.eye(len(within), dtype=torch.float64)
    factor = torch.linalg.cholesky(pooled)
    gaps = features[:, None, :] - statistics.means[None]
    white = torch.linalg.solve_triangular(factor, gaps.flatten(0, 1).T, upper=False).square().sum(0)
    return (statistics.prior.log() - white.view(gaps.shape[:2]) / 2).softmax(1)


def _logits(head: dict[str, Tensor], features: Tensor) -> Tensor:
    return F.linear(features, head["weight"], head.get("bias"))


@torch.no_grad()
def _into_ball(head: dict[str, Tensor], centre: dict[str, Tensor], radius: float) -> None:
    """Move the head back to the surface of the ball around its centre where it has left it, in place."""
    away = torch.stack([(head[name] - centre[name]).square().sum() for name in head]).sum().sqrt()
    length = torch.stack([value.square().sum() for value in centre.values()]).sum().sqrt()
    if away > radius * length:
        for name, value in head.items():
            value.copy_(centre[name] + (value - centre[name]) * (radius * length / away))
