"""What a failed check says, and the circumstances that bring a broken promise to light."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from lethe.examples import Examples
from lethe.models import fingerprint, tensors
from lethe.problem import Problem
from lethe.progress import Bar
from lethe.run import Run


def require(holds: bool, line: str) -> None:
    """Raise AssertionError with the line where a promise does not hold; unlike `assert`, also under `python -O`."""
    if not holds:
        raise AssertionError(line)


def name_of(part: object) -> str:
    """Return what messages call a method, scope, step or metric."""
    return type(part).__name__


@contextlib.contextmanager
def disturbed(seed: int) -> Iterator[None]:
    """Run the block from another state of torch's global generator: whoever draws from it gets other numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def difference(one: nn.Module, other: nn.Module) -> str:
    """Return the name of the first weight or buffer in which two models differ in a bit, empty where there is none."""
    first, second = tensors(one), tensors(other)
    if first.keys() != second.keys():
        return min(first.keys() ^ second.keys())
    return next((name for name in first if not same_bits(first[name], second[name])), "")


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors agree in type, shape and every bit; NaN agrees with itself, 0 and -0 do not."""
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and bool((one.flatten().view(torch.uint8) == other.flatten().view(torch.uint8)).all())
    )


def state_of(problem: Problem) -> dict[str, object]:
    """Return, by name, everything about a problem that nobody may change."""
    model = problem.model
    sets = {"forget": problem.forget, "retain": problem.retain, "holdout": problem.holdout}
    return {
        "weights": fingerprint(model),
        "training mode": [module.training for module in model.modules()],
        "requires_grad flags": [p.requires_grad for p in model.parameters()],
        "gradients": [p.grad is None for p in model.parameters()],
        "gold models": [fingerprint(gold) for gold in problem.gold],
        # Examples remember their fingerprint; new ones over the same columns compute it again.
        **{
            f"{name} set": Examples(examples.ids, examples.columns).fingerprint
            for name, examples in sets.items()
            if examples is not None
        },
    }


def require_unchanged(problem: Problem, before: Mapping[str, object], who: str) -> None:
    """Raise AssertionError, naming what changed, where the problem is not what it was."""
    for name, value in state_of(problem).items():
        require(value == before[name], f"{who} changed the {name} of the problem; work on models.copied(problem.model)")


class Killed(BaseException):
    """Ends a run from within, as a kill would: nothing catches it and no last checkpoint is written."""


@dataclasses.dataclass
class Interrupter:
    """A progress display that ends the run it watches after some units of work.

    Args:
        run: told to stop, so that it can write a checkpoint first; None kills it instead.
        after: how many units to let pass.
    """

    run: Run | None = None
    after: float = float("inf")
    seen: int = 0

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Watch a piece of work."""
        yield self

    def advance(self, count: int = 1, **values: float) -> None:
        """Count one report, whatever its size, and end the run when its time has come."""
        self.seen += count > 0
        if self.seen >= self.after:
            if self.run is None:
                raise Killed
            self.run.stop.requested = True


def stripped(problem: Problem, parts: frozenset[str]) -> Problem:
    """Return a copy of the problem with no more than these of its optional parts."""
    whole = copy.deepcopy(problem)
    return dataclasses.replace(
        whole,
        retain=whole.retain if "retain" in parts else None,
        holdout=whole.holdout if "holdout" in parts else None,
        retrain=whole.retrain if "retrain" in parts else None,
        gold=whole.gold if "gold" in parts else (),
    )
