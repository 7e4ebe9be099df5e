"""What every method promises, each promise a check that raises AssertionError with one line where it is broken."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lethe import models
from lethe.api import unlearn
from lethe.descent import Descent
from lethe.errors import ConfigurationError, LetheError
from lethe.methods.base import Method
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LastLayers, RandomMask, Scope
from lethe.store import CHECKPOINT, RECORD, RunFolder
from lethe.testing.parts import check_declared
from lethe.testing.require import (
    Interrupter,
    Killed,
    difference,
    disturbed,
    name_of,
    require,
    require_unchanged,
    same_bits,
    state_of,
    stripped,
)


def check_method(method: Method, problem: Problem) -> None:
    """Check every promise that a method makes.

    Args:
        method: the method with its hyperparameters; small ones, for it runs about ten times.
        problem: what to try it on, with all its parts there: `tiny_problem()`, unless the method needs another kind.

    Raises:
        AssertionError: a promise is broken; the line names the method and the promise.
    """
    check_declared(method)
    check_needs(method, problem)
    check_original_untouched(method, problem)
    check_deterministic(method, problem)
    check_saves_and_loads(method, problem)
    check_resumable(method, problem)
    if isinstance(method, Descent):
        check_mask_exact(method, problem)


def check_needs(method: Method, problem: Problem) -> None:
    """Check that the method runs on a problem that has no more than it says it needs."""
    who, needs = name_of(method), method.requirements()
    try:
        unlearn(stripped(problem, needs), method)
    except ConfigurationError as error:
        raise AssertionError(
            f"{who} says it needs {sorted(needs)} but does not run with these alone: {error}"
        ) from None


def check_original_untouched(method: Method, problem: Problem) -> None:
    """Check that model, gold and examples are as they were, and that the result shares no memory with the original."""
    who, before = name_of(method), state_of(problem)
    result = unlearn(problem, method).model
    require_unchanged(problem, before, who)
    own = {value.data_ptr() for value in problem.model.state_dict().values() if value.numel()}
    for name, value in result.state_dict().items():
        require(value.data_ptr() not in own, f"the result of {who} shares '{name}' with the original model; copy it")


def check_deterministic(method: Method, problem: Problem) -> None:
    """Check that the same seed gives the same bits, whatever the state of the global generator, and leaves it alone."""
    who = name_of(method)
    results: list[nn.Module] = []
    for disturbance in (1, 2):
        with disturbed(disturbance):
            before = torch.get_rng_state()
            results.append(unlearn(problem, method, seed=0).model)
            require(
                torch.equal(before, torch.get_rng_state()),
                f"{who} moves torch's global generator; draw from run.generator(...)",
            )
    differs = difference(*results)
    require(not differs, f"{who} ends in other bits of '{differs}' with the same seed; draw from run.generator(...)")


def check_mask_exact(method: Descent, problem: Problem) -> None:
    """Check that weights outside the scope keep the original's bits, with momentum and weight decay on.

    Tried with a random mask over all weights, and with whole layers frozen, whose buffers have to stay as well. A
    method that reaches no weight of the last layer may refuse the second.
    """
    scopes: tuple[Scope, ...] = (RandomMask(keep=0.3), LastLayers(count=1))
    original = models.tensors(problem.model)
    for scope in scopes:
        masked = dataclasses.replace(method, scope=scope, momentum=0.9, weight_decay=0.01)
        allowed = masked.reach().mask(problem, Run(seed=0)).allowed
        try:
            result = unlearn(problem, masked, seed=0).model
        except ConfigurationError:
            # A method whose loss ends before the last layer may refuse to move that alone; a random part it may not.
            if isinstance(scope, RandomMask):
                raise
            continue
        for name, value in result.named_parameters():
            flag = allowed.get(name, False)
            outside = ~flag if isinstance(flag, Tensor) else torch.full(value.shape, not flag)
            require(
                same_bits(value.detach()[outside], original[name][outside]),
                f"{name_of(method)} moves weights of '{name}' that the scope {scope} forbids",
            )
        for name, buffer in _frozen_buffers(result, allowed):
            require(
                same_bits(buffer, original[name]),
                f"{name_of(method)} moves the buffer '{name}' of a layer that the scope {scope} freezes",
            )


def check_saves_and_loads(method: Method, problem: Problem) -> None:
    """Check that a run folder holds a model that loads with the same bits, and a record that says how it was made."""
    who = name_of(method)
    with tempfile.TemporaryDirectory() as parent:
        folder = RunFolder(Path(parent) / "run")
        model = unlearn(problem, method, seed=0, out=folder.path).model
        record = folder.record()
        require(record is not None and record["status"] == "done", f"{who} leaves a {RECORD} that does not say 'done'")
        require(not (folder.path / CHECKPOINT).exists(), f"{who} leaves checkpoints behind after it is done")
        try:
            loaded = models.load_weights(problem.model, folder.model)
        except LetheError as error:
            raise AssertionError(f"the saved model of {who} does not load: {error}") from None
        differs = difference(model, loaded)
        require(not differs, f"the saved model of {who} has other bits in '{differs}' than the one it returned")
        again = unlearn(problem, method, seed=0, out=folder.path)
        require(again.record == record, f"{who} works again in a folder where it was done")


def check_resumable(method: Method, problem: Problem) -> None:
    """Check that a run that was stopped, run again, killed, and run again ends in the bits of one that was not."""
    who, counter = name_of(method), Interrupter()
    whole = unlearn(problem, method, run=Run(seed=0, progress=counter)).model
    third = max(1, counter.seen // 3)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        stopped = Run(seed=0)
        stopped.progress = Interrupter(stopped, after=third)
        with contextlib.suppress(KeyboardInterrupt):
            unlearn(problem, method, out=folder, run=stopped)
        killed = Run(seed=0, checkpoint_seconds=0, progress=Interrupter(after=third))
        with contextlib.suppress(Killed):
            unlearn(problem, method, out=folder, run=killed)
        resumed = unlearn(problem, method, seed=0, out=folder).model
    differs = difference(whole, resumed)
    require(
        not differs,
        f"{who} ends in other bits of '{differs}' when it is stopped and run again; "
        "what a step depends on must come from the run's seed, the epoch and the weights",
    )


def _frozen_buffers(model: nn.Module, allowed: Mapping[str, bool | Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers of the modules that own weights of which none may move."""
    for prefix, module in model.named_modules():
        at = f"{prefix}." if prefix else ""
        flags = [allowed.get(at + name, False) for name, _ in module.named_parameters(recurse=False)]
        if flags and not any(bool(torch.as_tensor(flag).any()) for flag in flags):
            yield from ((at + name, buffer) for name, buffer in module.named_buffers(recurse=False))
