"""Terms: the objective of one step, evaluated part by part and on every process, so that steps see only its sum."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from lethe.errors import ConfigurationError
from lethe.parallel import Alone, Parallel, require_whole

Named = Mapping[str, Tensor]
Gradients = list[Tensor]
Set = Literal["forget", "retain"]
Evaluations = Sequence[Callable[[], Named]]


@dataclass(frozen=True)
class Asked:
    """What a step asks for beside its objective: the loss such models are trained with, a mean over each set's batch.

    Args:
        of: the sets whose loss is wanted; a term each, by that name.
        labels: `own` are the examples' labels; `drawn` are drawn anew from what the model predicts for each of them.
        batch: 0 for the examples of the step; i > 0 for the i-th further batch of as many, drawn at random from the
            others of the set (from all, where there are no others).
    """

    of: tuple[Set, ...] = ("forget", "retain")
    labels: Literal["own", "drawn"] = "own"
    batch: int = 0


@dataclass(eq=False)
class Terms:
    """What one step minimises, as named terms.

    The batch of a step may be cut into parts (gradient accumulation) and spread over processes; the terms of the parts
    add up to the terms of the batch. Whatever a step asks for is the sum over all of them, on every process alike.

    Args:
        parts: each evaluates the terms of one part of this process's share at the current weights, scalars by name.
        parallel: the processes that share the batch.
        check: is shown the values of all terms whenever they were computed, and raises what is to be raised.
        training: the same for the training loss that a step may ask for; None where there is none.
        seed: where the randomness of a step comes from; another in every step of a run.
    """

    parts: Evaluations
    parallel: Parallel = field(default_factory=Alone)
    check: Callable[[Named], None] = lambda values: None
    training: Callable[[Asked], Evaluations] | None = None
    seed: int = 0

    def backward(
        self, weights: Sequence[Tensor], only: Collection[str] | None = None, but: Collection[str] = ()
    ) -> dict[str, Tensor]:
        """Add the gradient of the sum of all terms (or of some) to the weights' `grad`, and return all values.

        Args:
            weights: what the optimiser moves.
            only: names of the terms to differentiate; None for all.
            but: names of terms to leave out.
        """

        def differentiate(named: Named) -> None:
            chosen = {n: v for n, v in named.items() if n not in but and (only is None or n in only)}
            if chosen:
                summed(chosen).backward()

        values = self._summed(differentiate)
        self.parallel.reduce_gradients(weights)
        return values

    def split(self, weights: Sequence[Tensor], name: str = "forget") -> tuple[Gradients, Gradients, dict[str, Tensor]]:
        """Return the gradient of one term, the gradient of the sum of all others, and all values.

        A weight that a term does not reach has a gradient of zeros.
        """
        require_whole(self.parallel, "a step that takes gradients apart")
        one, rest = ([torch.zeros_like(w) for w in weights] for _ in range(2))

        def differentiate(named: Named) -> None:
            others = {other: value for other, value in named.items() if other != name}
            for total, wanted, keep in ((one, {name: named[name]}, bool(others)), (rest, others, False)):
                if wanted:
                    found = torch.autograd.grad(summed(wanted), weights, retain_graph=keep, materialize_grads=True)
                    torch._foreach_add_(total, list(found))

        values = self._summed(differentiate)
        self.parallel.reduce([*one, *rest])
        return one, rest, values

    def curvature(
        self, weights: Sequence[Tensor], along: Gradients, name: str | None = None, rest: Gradients | None = None
    ) -> Gradients:
        """Return the Hessian of the sum of all terms times a vector, H v, exactly (by differentiating twice).

        Args:
            weights: what the optimiser moves.
            along: v, a tensor a weight.
            name: the one term that H is of; None for the sum of all.
            rest: with `name`, a vector v' for the sum of all other terms, whose H' v' is added.
        """
        require_whole(self.parallel, "a step that differentiates twice")
        total = [torch.zeros_like(w) for w in weights]

        def differentiate(named: Named) -> None:
            slope = _slope(summed(named if name is None else {name: named[name]}), weights, along)
            others = {other: value for other, value in named.items() if other != name}
            if rest is not None and others:
                slope = slope + _slope(summed(others), weights, rest)
            if slope.requires_grad:  # else the terms are linear
                torch._foreach_add_(total, list(torch.autograd.grad(slope, weights, materialize_grads=True)))

        # Fused attention has no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            self._summed(differentiate)
        self.parallel.reduce(total)
        return total

    def asked(self, *of: Set, labels: Literal["own", "drawn"] = "own", batch: int = 0) -> Terms:
        """Return the training loss in place of the objective; see `Asked` for the arguments.

        Raises:
            ConfigurationError: there is no training loss here.
        """
        if self.training is None:
            raise ConfigurationError("the step asks for the training loss, and these terms come without one")
        return replace(self, parts=self.training(Asked(of or ("forget", "retain"), labels, batch)), training=None)

    def generator(self, device: torch.device) -> torch.Generator:
        """Return a fresh generator: the same numbers whenever, and in whatever process, this step is taken."""
        return torch.Generator(device).manual_seed(self.seed)

    def values(self) -> dict[str, Tensor]:
        """Return the values at the current weights, without any gradient."""
        with torch.no_grad():
            return self._summed(lambda named: None)

    def _summed(self, use: Callable[[Named], object]) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        for part in self.parts:
            named = part()
            use(named)
            for name, value in named.items():
                values[name] = values[name] + value.detach() if name in values else value.detach()
        self.parallel.reduce(list(values.values()))
        # After the exchange: all processes see the same, and none waits for one that has given up.
        self.check(values)
        return values


def summed(named: Named) -> Tensor:
    """Return the sum of all terms, a scalar."""
    return torch.stack(list(named.values())).sum() if len(named) > 1 else next(iter(named.values()))


def _slope(value: Tensor, weights: Sequence[Tensor], along: Gradients) -> Tensor:
    """Return ∇value · v, a scalar that can be differentiated again."""
    found = torch.autograd.grad(value, weights, create_graph=True, materialize_grads=True)
    return torch.stack([(g * v).sum() for g, v in zip(found, along, strict=True)]).sum()
