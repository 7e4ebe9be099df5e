"""The one training loop every iterative method runs on: resumable to the bit, watched, and stopped when it diverges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lethe.errors import Diverged, NotEnoughMemory
from lethe.feeds import Draw, Rows
from lethe.memory import Memory, Named
from lethe.parts import Part, shared
from lethe.run import Run
from lethe.steps import Step, Terms
from lethe.terms import Asked, Evaluations


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
        cut: the parts it is evaluated in, one forward pass each.
        objective: (model, part) -> named scalar terms, which add up over the parts.
        step: how the gradients become an update.
        optimizer: moves the weights.
        rate: (step, total) -> factor on the learning rate.
        prepare: puts the model in the mode of training it needs.
        training: (model, what the step sees, what it asks for) -> the training loss, part by part.
        enough: says between two epochs whether the rest may be left out; None never does.
        constraints: what must hold after every step.
    """

    model: nn.Module
    epochs: int
    plan: Callable[[int], Sequence[Rows]]
    batch: Callable[[Rows, int, int], Draw]
    cut: Callable[[Draw], Sequence[Part]]
    objective: Callable[[nn.Module, Part], Named]
    step: Step
    optimizer: torch.optim.Optimizer
    rate: Callable[[int, int], float]
    prepare: Callable[[], None]
    training: Callable[[nn.Module, Draw, Asked], Evaluations] | None = None
    enough: Callable[[nn.Module], bool] | None = None
    constraints: Sequence[Constraint] = field(default_factory=tuple)


def run_loop(loop: Loop, run: Run) -> None:
    """Run the loop to its end, from its last checkpoint where there is one.

    Raises:
        Diverged: a term is not finite; the model then holds the weights of the last checkpoint.
        KeyboardInterrupt: the user asked to stop; a checkpoint was written before.
    """
    memory = Memory(loop.model, loop.optimizer, loop.prepare, run)
    done = memory.resume()
    total = sum(len(loop.plan(epoch)) for epoch in range(loop.epochs))
    base_rates = [group["initial_lr"] for group in loop.optimizer.param_groups]
    loop.prepare()
    with torch.random.fork_rng(devices=_cuda(run.device)), run.progress.bar("unlearning", total) as bar:
        bar.advance(done)
        try:
            for rows, epoch, place, length in _schedule(loop, done):
                # Asked before an epoch, not after one: a run that resumes between two asks again.
                if place == 0 and epoch and loop.enough is not None and loop.enough(loop.model):
                    memory.after_step(done, epoch_ended=True, finished=True)
                    break
                _set_rates(loop.optimizer, base_rates, loop.rate(done, total))
                _seed(run, done)
                drawn = loop.batch(rows, epoch, done)
                values = _fitting_step(loop, run, drawn, count_flops=done == 0)
                done += 1
                for constraint in loop.constraints:
                    constraint.restore(done)
                bar.advance(1, **values)
                memory.after_step(done, epoch_ended=place == length - 1, finished=done == total)
        except Diverged as error:
            kept = memory.fall_back(done)
            whole = loop.model if kept and not run.path else None
            raise Diverged(f"{error}{kept}", whole) from None
    if loop.step.finish(loop.model, loop.optimizer):
        for constraint in loop.constraints:
            constraint.restore(done)
    memory.finish()


def _schedule(loop: Loop, skip: int) -> Iterator[tuple[Rows, int, int, int]]:
    """Yield (rows, epoch, place in the epoch, steps of the epoch), the first `skip` left out."""
    for epoch in range(loop.epochs):
        plan = loop.plan(epoch)
        for i in range(min(skip, len(plan)), len(plan)):
            yield plan[i], epoch, i, len(plan)
        skip = max(0, skip - len(plan))


def _fitting_step(loop: Loop, run: Run, drawn: Draw, count_flops: bool) -> dict[str, float]:
    """Take a step; raises NotEnoughMemory, saying what to lower and how far, where it does not fit."""
    try:
        return _one_step(loop, run, drawn, count_flops)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        most = max(len(batch) for part in loop.cut(drawn) for batch in (part.draw.forget, part.draw.retain) if batch)
        mend = (
            f"set micro_batch to {most // 2}: the gradients add up to the same update "
            "(batch_size, where a method cannot cut its batches)"
            if most > 1
            else "recompute activations (checkpointing), take bfloat16 (precision bf16) or train adapters (scope lora)"
        )
        what = f"{most} examples do" if most > 1 else "one example does"
        raise NotEnoughMemory(
            f"forward and backward over {what} not fit into the memory of {run.device}; {mend}"
        ) from None


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)


def _one_step(loop: Loop, run: Run, drawn: Draw, count_flops: bool) -> dict[str, float]:
    def check(values: Named) -> None:
        for name, value in values.items():
            run.require_finite(value, f"the {name} loss")

    own = shared(loop.cut(drawn), run.parallel)
    terms = Terms(
        [partial(loop.objective, loop.model, part) for part in own],
        run.parallel,
        check,
        partial(loop.training, loop.model, drawn) if loop.training is not None else None,
        run.key("step", drawn.step),
    )
    seen = len(drawn.forget or ()) + len(drawn.retain or ())
    if count_flops and not run.parallel.sharded:
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
