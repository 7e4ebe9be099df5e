"""The one training loop every iterative method runs on: resumable to the bit, watched, and stopped when it diverges."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lethe import models
from lethe.errors import ConfigurationError, Diverged, nearest
from lethe.feeds import Draw, Rows
from lethe.run import Run
from lethe.steps import Step

Named = Mapping[str, Tensor]


class Constraint(Protocol):
    """Something that must hold after every step, such as a mask."""

    def restore(self, step: int) -> None:
        """Make it hold again after `step` steps."""


@dataclass
class Loop:
    """Everything one loop needs; `run_loop` runs it.

    Attributes:
        model: the model that moves.
        epochs: number of epochs.
        plan: epoch -> the rows of each of its steps; must depend on nothing but the run's seed and the epoch.
        batch: (rows, epoch, step) -> what the step sees.
        objective: (model, draw) -> named scalar terms.
        step: how the gradients become an update.
        optimizer: moves the weights.
        rate: (step, total) -> factor on the learning rate.
        prepare: puts the model in the mode of training it needs.
        constraints: what must hold after every step.
    """

    model: nn.Module
    epochs: int
    plan: Callable[[int], Sequence[Rows]]
    batch: Callable[[Rows, int, int], Draw]
    objective: Callable[[nn.Module, Draw], Named]
    step: Step
    optimizer: torch.optim.Optimizer
    rate: Callable[[int, int], float]
    prepare: Callable[[], None]
    constraints: Sequence[Constraint] = field(default_factory=tuple)


def run_loop(loop: Loop, run: Run) -> None:
    """Run the loop to its end, from its last checkpoint where there is one.

    Raises:
        Diverged: a term is not finite; the model then holds the weights of the last checkpoint.
        KeyboardInterrupt: the user asked to stop; a checkpoint was written before.
    """
    state = _State(loop, run)
    done = state.resume()
    total = sum(len(loop.plan(epoch)) for epoch in range(loop.epochs))
    base_rates = [group["initial_lr"] for group in loop.optimizer.param_groups]
    loop.prepare()
    with torch.random.fork_rng(devices=_cuda(run.device)), run.progress.bar("unlearning", total) as bar:
        bar.advance(done)
        try:
            for rows, epoch, last in _schedule(loop, done):
                _set_rates(loop.optimizer, base_rates, loop.rate(done, total))
                _seed(run, done)
                drawn = loop.batch(rows, epoch, done)
                values = _one_step(loop, run, drawn, count_flops=done == 0)
                done += 1
                for constraint in loop.constraints:
                    constraint.restore(done)
                bar.advance(1, **values)
                state.after_step(done, epoch_ended=last, finished=done == total)
        except Diverged as error:
            raise Diverged(f"{error}{state.fall_back(done)}") from None
    state.finish()


def _schedule(loop: Loop, skip: int) -> Iterator[tuple[Rows, int, bool]]:
    """Yield (rows, epoch, whether the epoch ends with it), the first `skip` left out."""
    for epoch in range(loop.epochs):
        plan = loop.plan(epoch)
        for i in range(min(skip, len(plan)), len(plan)):
            yield plan[i], epoch, i == len(plan) - 1
        skip = max(0, skip - len(plan))


def _one_step(loop: Loop, run: Run, drawn: Draw, count_flops: bool) -> dict[str, float]:
    def terms() -> Named:
        named = loop.objective(loop.model, drawn)
        for name, value in named.items():
            run.require_finite(value, f"the {name} loss")
        return named

    seen = len(drawn.forget or ()) + len(drawn.retain or ())
    if count_flops:
        with FlopCounterMode(display=False) as counter:
            values = loop.step(loop.model, terms, loop.optimizer)
        run.flops_per_example = counter.get_total_flops() / max(seen, 1)
    else:
        values = loop.step(loop.model, terms, loop.optimizer)
    run.cost.steps += 1
    run.cost.examples += seen
    run.cost.flops += run.flops_per_example * seen
    return {name: float(value) for name, value in values.items()}


def _set_rates(optimizer: torch.optim.Optimizer, base: Sequence[float], factor: float) -> None:
    for group, rate in zip(optimizer.param_groups, base, strict=True):
        group["lr"] = rate * factor


def _cuda(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []


def _seed(run: Run, step: int) -> None:
    # Dropout draws from the global generator: seeded for each step, a resumed run draws the same.
    seed = (run.base_seed + step) % 2**63
    torch.default_generator.manual_seed(seed)
    if run.device.type == "cuda":
        torch.cuda.manual_seed(seed)


class _State:
    """The loop's memory: snapshots to resume from, the history of a watched run, and the best state so far."""

    def __init__(self, loop: Loop, run: Run) -> None:
        self.loop, self.run = loop, run
        self.saved_at = time.perf_counter()
        self.save_seconds = 0.0
        self.started = time.perf_counter()
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.first = run.cost.as_dict()

    def resume(self) -> int:
        """Load the last snapshot and return the number of steps done."""
        if self.run.checkpoints is None:
            return 0
        found = self.run.checkpoints.load("loop")
        if found is None:
            self._save(0)
            return 0
        tensors, facts = found
        models.assign(self.loop.model, _under(tensors, "model/"))
        _load_optimizer(self.loop, _under(tensors, "optimizer/"), facts["scalars"])
        self.run.cost.add(facts["cost"])
        self.run.history[:] = facts["history"]
        self.run.flops_per_example = facts["flops_per_example"]
        best = self.run.checkpoints.load("best")
        # A kill between the two writes leaves a best state that is newer than the loop's; it will be found again.
        if best is not None and best[1]["step"] <= facts["step"]:
            self.best = (best[1]["value"], best[0])
        return int(facts["step"])

    def after_step(self, done: int, epoch_ended: bool, finished: bool) -> None:
        """Measure, keep and save what is due."""
        run = self.run
        if run.watch and run.watch_every and (done % run.watch_every == 0 or finished):
            self._measure(done)
        if run.checkpoints is not None:
            elapsed = time.perf_counter() - self.saved_at
            due = elapsed >= run.checkpoint_seconds or (epoch_ended and elapsed >= 20 * self.save_seconds)
            if due or finished or run.stop.requested:
                self._save(done)
        run.interrupt_point()

    def _measure(self, done: int) -> None:
        run, keep = self.run, self.run.keep
        assert run.watch is not None
        start = time.perf_counter()
        values = dict(run.watch(self.loop.model))
        run.cost.seconds -= time.perf_counter() - start  # watching is not unlearning
        self.loop.prepare()
        run.history.append({"step": done, **values})
        if keep is None:
            return
        if keep.metric not in values:
            raise ConfigurationError(f"cannot keep the best '{keep.metric}'{nearest(keep.metric, values)}")
        value = keep.sign * values[keep.metric]
        if self.best is None or value > self.best[0]:
            self.best = (value, {name: t.clone() for name, t in models.tensors(self.loop.model).items()})
            if run.checkpoints is not None:
                run.checkpoints.save("best", self.best[1], {"value": value, "step": done})

    def _save(self, done: int) -> None:
        run = self.run
        assert run.checkpoints is not None
        start = time.perf_counter()
        optimizer, scalars = _dump_optimizer(self.loop)
        tensors = {f"model/{k}": v for k, v in models.tensors(self.loop.model).items()} | optimizer
        cost = {k: v - self.first[k] if k != "peak_bytes" else v for k, v in run.cost.as_dict().items()}
        cost["seconds"] += start - self.started
        facts = {
            "step": done,
            "scalars": scalars,
            "cost": cost,
            "history": run.history,
            "flops_per_example": run.flops_per_example,
        }
        run.checkpoints.also_as("loop", "before")
        run.checkpoints.save("loop", tensors, facts)
        self.saved_at = time.perf_counter()
        self.save_seconds = self.saved_at - start

    def fall_back(self, failed: int) -> str:
        """Put the last good snapshot's weights back, where there is one, and return what to say of it.

        Weights whose loss is not finite are not good, however finite they are: a snapshot of the very step that
        failed gives way to the one before.
        """
        if self.run.checkpoints is None:
            return ""
        found = self.run.checkpoints.load("loop")
        if found is not None and found[1]["step"] == failed > 0:
            self.run.checkpoints.also_as("before", "loop")
            found = self.run.checkpoints.load("loop")
        if found is None:
            return ""
        models.assign(self.loop.model, _under(found[0], "model/"))
        return f"; the weights after step {found[1]['step']}, the last checkpoint, are kept"

    def finish(self) -> None:
        """Take the best state, where one was asked for."""
        if self.best is not None:
            models.assign(self.loop.model, self.best[1])


def _under(tensors: Named, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _dump_optimizer(loop: Loop) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the optimiser's tensors and its other values, both named "position/key"."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for position, values in loop.optimizer.state_dict()["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{position}/{key}"] = value.detach().cpu().contiguous()
            else:
                scalars[f"{position}/{key}"] = value
    return tensors, scalars


def _load_optimizer(loop: Loop, tensors: Named, scalars: Mapping[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*tensors.items(), *scalars.items()]:
        position, key = name.split("/", 1)
        state.setdefault(int(position), {})[key] = value
    loop.optimizer.load_state_dict({**loop.optimizer.state_dict(), "state": state})
