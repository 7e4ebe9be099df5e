"""What a loop remembers: snapshots to resume from, the history of a watched run, and its best state so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lethe import models
from lethe.clock import Moment
from lethe.errors import ConfigurationError, nearest
from lethe.run import Run

Named = Mapping[str, Tensor]


class Memory:
    """Snapshots, history and best state of one loop.

    Args:
        model: the model that moves.
        optimizer: moves it.
        prepare: puts the model back in the mode of training after a measurement.
        run: says what to watch and keep, and where.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, prepare: Callable[[], None], run: Run
    ) -> None:
        self.model, self.optimizer, self.prepare, self.run = model, optimizer, prepare, run
        self.saved_at = time.perf_counter()
        self.save_seconds = 0.0
        self.started = Moment()
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.first = run.cost.as_dict()

    def resume(self) -> int:
        """Load the last snapshot and return the number of steps done."""
        if self.run.checkpoints is None:
            return 0
        found = self.run.checkpoints.load("loop")
        # Nobody writes before all have read.
        self.run.parallel.wait()
        if found is None:
            self._save(0)
            return 0
        tensors, facts = found
        models.assign(self.model, _under(tensors, "model/"), moving_only=True)
        _load_optimizer(self.optimizer, _under(tensors, "optimizer/"), facts["scalars"])
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
        look = run.watch_every and (done % run.watch_every == 0 or finished)
        if run.watch and look and (not run.history or run.history[-1]["step"] != done):
            self._measure(done)
        elapsed = time.perf_counter() - self.saved_at
        due = elapsed >= run.checkpoint_seconds or (epoch_ended and elapsed >= 20 * self.save_seconds)
        # Clocks differ, and Ctrl-C reaches processes at different steps: all do what one of them has to.
        due, run.stop.requested = run.parallel.agreed(due, run.stop.requested)
        if run.checkpoints is not None and (due or finished or run.stop.requested):
            self._save(done)
        run.interrupt_point()

    def _measure(self, done: int) -> None:
        run, keep = self.run, self.run.keep
        assert run.watch is not None
        start = Moment()
        values = dict(run.watch(self.model))
        run.cost.spend(start.passed(), -1)  # watching is not unlearning
        self.prepare()
        run.history.append({"step": done, **values})
        if keep is None:
            return
        if keep.metric not in values:
            raise ConfigurationError(f"cannot keep the best '{keep.metric}'{nearest(keep.metric, values)}")
        value = keep.sign * values[keep.metric]
        if self.best is None or value > self.best[0]:
            self.best = (value, {name: t.clone() for name, t in models.moving_tensors(self.model).items()})
            if run.checkpoints is not None and run.leads:
                run.checkpoints.save("best", self.best[1], {"value": value, "step": done})

    def _save(self, done: int) -> None:
        run = self.run
        assert run.checkpoints is not None
        start, spent = time.perf_counter(), self.started.passed()
        optimizer, scalars = _dump_optimizer(self.optimizer)
        tensors = {f"model/{k}": v for k, v in models.moving_tensors(self.model).items()} | optimizer
        cost = {k: v - self.first[k] if k != "peak_bytes" else v for k, v in run.cost.as_dict().items()}
        cost |= {name: cost[name] + spent[name] for name in spent}
        facts = {
            "step": done,
            "scalars": scalars,
            "cost": cost,
            "history": run.history,
            "flops_per_example": run.flops_per_example,
        }
        if run.leads:
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
        self.run.parallel.wait()
        found = self.run.checkpoints.load("loop")
        if found is not None and found[1]["step"] == failed > 0:
            self.run.parallel.wait()
            if self.run.leads:
                self.run.checkpoints.also_as("before", "loop")
            self.run.parallel.wait()
            found = self.run.checkpoints.load("loop")
        if found is None:
            return ""
        models.assign(self.model, _under(found[0], "model/"), moving_only=True)
        return f"; the weights after step {found[1]['step']}, the last checkpoint, are kept"

    def finish(self) -> None:
        """Take the best state, where one was asked for."""
        if self.best is not None:
            models.assign(self.model, self.best[1], moving_only=True)


def _under(tensors: Named, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _dump_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the optimiser's tensors and its other values, both named "position/key"."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for position, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{position}/{key}"] = models.whole(value).detach().cpu().contiguous()
            else:
                scalars[f"{position}/{key}"] = value
    return tensors, scalars


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Named, scalars: Mapping[str, Any]) -> None:
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*tensors.items(), *scalars.items()]:
        position, key = name.split("/", 1)
        kept = models.laid_out_like(value, weights[int(position)]) if isinstance(value, Tensor) else value
        state.setdefault(int(position), {})[key] = kept
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
