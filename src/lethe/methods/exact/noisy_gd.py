"""Noisy gradient descent: what is released rests so little on any record that few more steps delete it, certified."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.measuring import over_examples
from lethe.methods.exact.chains import Weights
from lethe.methods.exact.ledger import Ledger
from lethe.methods.exact.renyi import Langevin, approximate
from lethe.methods.exact.service import Deletable, Deletion, Service, linear_head
from lethe.methods.exact.sharded import classes_gone
from lethe.models import copied
from lethe.run import Run
from lethe.tasks import Classification, Task, as_classification

LIPSCHITZ, SMOOTHNESS = math.sqrt(2), 0.5
"""Of the cross-entropy of W x in W where ‖x‖ ≤ 1: ‖(p - y) xᵀ‖ ≤ √2, and its Hessian is at most ½."""


@dataclass(frozen=True, kw_only=True)
class NoisyGD(Deletable):
    """Data deletion by noisy gradient descent: certified closeness to a release that never saw the record.

    The head is trained on frozen features by θ ← θ - η ∇L(θ) + √(2η) ξ, ξ ~ N(0, σ² I), where
    L(θ) = mean cross-entropy + (λ/2)‖θ‖², all records in every step. A deletion puts a blank record in the place of
    each deleted one and takes more steps of the same from the weights that were released; nothing else is kept. Those
    steps bring the release within ε, in Rényi divergence of order q, of one that is independent of the record, also
    where a requester chose it after p earlier releases: then ε + p·ε_dp. The frozen part must never have seen what is
    to be deleted. The noise follows from the run's seed, as everything does: the certificate holds against those who
    do not know it, so draw it at random and keep it, and the ledger that names it, to yourself.

    Args:
        sigma: noise σ.
        ridge: λ, the strong convexity.
        steps: steps K of the training.
        epsilon: what a deletion has to reach; decides how many steps it takes.
        order: order q of the divergence, above 1.
        radius: features are divided by it and cut to length 1; a number that no data decided.

    Raises:
        InputError: the head is not linear.

    Source: Chourasia and Shah 2023, Forget Unlearning, arXiv:2210.08911; bounds as in Langevin Unlearning,
    arXiv:2401.10371.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)
    acts_on: ClassVar[str] = "head"
    exactness: ClassVar[str] = "certified"

    sigma: float = 0.05
    ridge: float = 0.05
    steps: int = 500
    epsilon: float = 0.1
    order: float = 2.0
    radius: float = 10.0

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        for name in ("sigma", "ridge", "epsilon", "radius"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.steps < 1:
            raise ConfigurationError(f"steps must be at least 1, not {self.steps}")
        if self.order <= 1:
            raise ConfigurationError(f"order must be above 1, not {self.order}")

    def serve(self, base: nn.Module, task: Task, ledger: Ledger, run: Run, weights: Weights) -> NoisyGDService:
        """Return the service of a linear head."""
        known = as_classification(task, "noisy_gd")
        linear_head(known, base, "noisy_gd")
        return NoisyGDService(self, base, known, ledger, run, weights)


class NoisyGDService(Service):
    """The service: the head that was released last, and the features of what is left."""

    def __init__(
        self, system: NoisyGD, base: nn.Module, task: Classification, ledger: Ledger, run: Run, weights: Weights
    ) -> None:
        self._system, self._base, self._task, self._ledger = system, base, task, ledger
        self._run, self._weights = run, weights
        self._row = {name: i for i, name in enumerate(ledger.ids)}
        self.langevin = Langevin(
            lipschitz=LIPSCHITZ,
            convexity=system.ridge,
            smoothness=SMOOTHNESS,
            step=1 / (2 * (SMOOTHNESS + system.ridge)),
            sigma=system.sigma,
            records=len(ledger.ids),
        )
        self._features, self._targets = self._read()

    @property
    def weight(self) -> Tensor:
        """The release: W for features of length at most 1, [C, d] float64."""
        return self._weights[self._key()]["weight"]

    def guarantee(self, delta: float = 1e-5) -> dict[str, float]:
        """Return what is certified now.

        Args:
            delta: δ of the (ε, δ) form.

        Returns:
            `order` q; `epsilon` after the last deletion (0 requests: of the training); `privacy`: Rényi divergence
            that a release leaks of a record that is still there, to be added once for every release a requester saw
            before choosing; `privacy_epsilon`: the same as ε of (ε, δ); `steps`: of the last deletion.
        """
        q, chain = self._system.order, self._chain()
        most = max(map(len, self._ledger.requests), default=1)
        return {
            "order": q,
            "epsilon": self.langevin.deletion(q, chain, most) if chain else self.langevin.training(q),
            "privacy": self.langevin.training(q),
            "privacy_epsilon": approximate(self.langevin.training, delta),
            "steps": float(chain[-1]) if chain else 0.0,
        }

    def settle(self) -> None:
        """Take up what is kept, or train."""
        with self._ledger.request():
            if self._key() not in self._weights:
                c, d = self._targets.shape[1], self._features.shape[1]
                spread = self._system.sigma / math.sqrt(
                    self._system.ridge * (1 - self.langevin.step * self._system.ridge / 2)
                )
                start = spread * torch.randn(c, d, generator=self._run.generator("noisy start"), dtype=torch.float64)
                trained = self._descended(start, self._system.steps, 0)
                self._weights.keep(self._key(), {"weight": trained})
            self._ledger.write()
            self._weights.only([self._key()])

    def delete(self, ids: Sequence[str]) -> Deletion:
        """Put blanks in the place of these examples and take as many noisy steps as the certificate asks for."""
        ids, start = tuple(ids), time.perf_counter()
        with self._ledger.request():
            self._ledger.check(ids)
            gone = set(ids)
            left = tuple(name for name in self.live if name not in gone)
            notes = classes_gone(self._task, self._ledger.examples, gone, left)
            steps = self._steps(len(self._ledger.requests), len(ids))
            before, rows = (self._features.clone(), self._targets.clone()), [self._row[name] for name in ids]
            self._features[rows] = 0.0
            self._targets[rows] = 0.0
            try:
                number = len(self._ledger.requests) + 1
                weight = self._descended(self.weight, steps, number)
                self._weights.keep(f"release-{number}", {"weight": weight})
                self._ledger.write(ids)
            except BaseException:
                self._features, self._targets = before
                raise
            self._weights.only([self._key()])
        return Deletion(ids, time.perf_counter() - start, steps, steps * len(self._ledger.ids), tuple(notes))

    def model(self) -> nn.Module:
        """Return the network with the released head, without a bias."""
        model = copied(self._base).eval()
        head = self._task.head(model)
        assert isinstance(head, nn.Linear)
        with torch.no_grad():
            head.weight.copy_(self.weight / self._system.radius)
            if head.bias is not None:
                head.bias.zero_()
        return model

    def _descended(self, weight: Tensor, steps: int, request: int) -> Tensor:
        """Return the weights after so many noisy steps on all records, with noise that belongs to the request alone."""
        noise, eta = self._run.generator("noise", request), self.langevin.step
        with self._run.progress.bar("noisy steps", steps) as bar:
            for _ in range(steps):
                self._run.interrupt_point()
                errors = (self._features @ weight.T).softmax(1) - self._targets
                gradient = errors.T @ self._features / len(self._features) + self._system.ridge * weight
                drawn = torch.randn(weight.shape, generator=noise, dtype=weight.dtype)
                weight = weight - eta * gradient + math.sqrt(2 * eta) * self._system.sigma * drawn
                bar.advance()
        self._run.cost.steps += steps
        self._run.cost.examples += steps * len(self._features)
        return weight

    def _steps(self, requests: int, replaced: int) -> int:
        """Return the steps of the next request."""
        most = max([replaced, *map(len, self._ledger.requests)])
        return max(1, self.langevin.steps_for(self._system.epsilon, self._system.order, self._chain(requests), most))

    def _chain(self, requests: int | None = None) -> list[int]:
        """Return the steps of each request so far; they follow from the sizes of the requests alone."""
        sizes = [len(request) for request in self._ledger.requests[:requests]]
        chain: list[int] = []
        for i in range(len(sizes)):
            needed = self.langevin.steps_for(self._system.epsilon, self._system.order, chain, max(sizes[: i + 1]))
            chain.append(max(1, needed))
        return chain

    def _key(self) -> str:
        return f"release-{len(self._ledger.requests)}"

    def _read(self) -> tuple[Tensor, Tensor]:
        """Return features [n, d] of length at most 1, blank where deleted, and classes one hot [n, C], float64."""
        left = self._ledger.examples.select(self.live)
        read = over_examples(self._base, self._task, left, self._run, self._task.features, "features")
        scaled = read.double() / self._system.radius
        scaled = scaled / scaled.norm(dim=1, keepdim=True).clamp_min(1)
        features = torch.zeros(len(self._ledger.ids), scaled.shape[1], dtype=torch.float64)
        targets = torch.zeros(len(self._ledger.ids), self._task.classes, dtype=torch.float64)
        rows = [self._row[name] for name in left.ids]
        features[rows] = scaled
        targets[rows, left.tensor(self._task.label).long()] = 1.0
        return features, targets
