"""Terms: the objective of one step, evaluated part by part and on every process, so that steps see only its sum."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lethe.parallel import Alone, Parallel

Named = Mapping[str, Tensor]
Gradients = list[Tensor]


@dataclass(eq=False)
class Terms:
    """What one step minimises, as named terms.

    The batch of a step may be cut into parts (gradient accumulation) and spread over processes; the terms of the parts
    add up to the terms of the batch. Whatever a step asks for is the sum over all of them, on every process alike.

    Args:
        parts: each evaluates the terms of one part of this process's share at the current weights, scalars by name.
        parallel: the processes that share the batch.
    """

    parts: Sequence[Callable[[], Named]]
    parallel: Parallel = field(default_factory=Alone)

    def backward(self, weights: Sequence[Tensor], only: Collection[str] | None = None) -> dict[str, Tensor]:
        """Add the gradient of the sum of all terms (or of some) to the weights' `grad`, and return all values.

        Args:
            weights: what the optimiser moves.
            only: names of the terms to differentiate; None for all.
        """
        self.parallel.begin(weights)
        values = self._summed(lambda named: _chosen(named, only).backward())
        self.parallel.reduce_gradients(weights)
        return values

    def split(self, weights: Sequence[Tensor], name: str = "forget") -> tuple[Gradients, Gradients, dict[str, Tensor]]:
        """Return the gradient of one term, the gradient of the sum of all others, and all values.

        A weight that a term does not reach has a gradient of zeros.
        """
        self.parallel.require_whole("a step that takes gradients apart")
        one, rest = ([torch.zeros_like(w) for w in weights] for _ in range(2))

        def differentiate(named: Named) -> None:
            others = {other: value for other, value in named.items() if other != name}
            for total, wanted, keep in ((one, {name: named[name]}, True), (rest, others, False)):
                found = torch.autograd.grad(summed(wanted), weights, retain_graph=keep, materialize_grads=True)
                torch._foreach_add_(total, list(found))

        values = self._summed(differentiate)
        self.parallel.reduce([*one, *rest])
        return one, rest, values

    def values(self) -> dict[str, Tensor]:
        """Return the values at the current weights, without any gradient."""
        with torch.no_grad():
            return self._summed(lambda named: None)

    def _summed(self, use: Callable[[Named], object]) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        for named in self._evaluated():
            use(named)
            for name, value in named.items():
                values[name] = values[name] + value.detach() if name in values else value.detach()
        self.parallel.reduce(list(values.values()))
        return values

    def _evaluated(self) -> Iterator[Named]:
        for part in self.parts:
            yield part()


def summed(named: Named) -> Tensor:
    """Return the sum of all terms, a scalar."""
    return torch.stack(list(named.values())).sum() if len(named) > 1 else next(iter(named.values()))


def _chosen(named: Named, only: Collection[str] | None) -> Tensor:
    return summed(named if only is None else {name: value for name, value in named.items() if name in only})
