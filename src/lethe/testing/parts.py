"""What every scope, step and weighting promises, and what everything with hyperparameters says about itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lethe import configure, models
from lethe.feeds import Draw
from lethe.measuring import evaluation
from lethe.methods.base import settings
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA, Mask, Scope
from lethe.steps import Step, Terms
from lethe.testing.require import difference, disturbed, name_of, require, require_unchanged, same_bits, state_of
from lethe.training_loss import training_loss
from lethe.weighting import Weighting


def check_declared(part: Any) -> None:
    """Check that a part is a frozen dataclass that says what it does and what each hyperparameter means.

    The command line, the documentation and the records of runs are made from this.

    Raises:
        AssertionError: something is missing; the line names it.
    """
    kind, who = type(part), name_of(part)
    require(dataclasses.is_dataclass(kind), f"{who} is not a dataclass; decorate it with @dataclass(frozen=True)")
    require(kind.__dataclass_params__.frozen, f"{who} can be changed after it was made; use @dataclass(frozen=True)")
    # A dataclass without a docstring is given its own signature for one.
    told = kind.__doc__ or f"{who}("
    require(not told.startswith(f"{who}("), f"{who} has no docstring; say in one line what it does")
    for option in configure.options(kind):
        require(bool(option.meaning), f"{who} does not say what '{option.name}' means; add it to the docstring's Args:")
    try:
        json.dumps(settings(part), allow_nan=True)
    except TypeError as error:
        raise AssertionError(f"the settings of {who} cannot be written to a record: {error}") from None


def check_scope(scope: Scope, problem: Problem) -> None:
    """Check that a scope names the model's own parameters, leaves something to move, and repeats itself.

    Raises:
        AssertionError: a promise is broken; the line names the scope and the promise.
    """
    check_declared(scope)
    if isinstance(scope, LoRA):
        _check_adapters(scope, problem)
        return
    who, before = name_of(scope), state_of(problem)
    masks: list[Mask] = []
    for disturbance in (1, 2):
        with disturbed(disturbance):
            masks.append(scope.mask(problem, Run(seed=0)))
    require_unchanged(problem, before, who)
    shapes = {name: p.shape for name, p in problem.model.named_parameters()}
    for name, flag in masks[0].allowed.items():
        require(name in shapes, f"{who} names '{name}', which is no parameter of the model")
        if isinstance(flag, Tensor):
            require(flag.dtype == torch.bool, f"{who} masks '{name}' with {flag.dtype}; a mask is boolean")
            require(flag.shape == shapes[name], f"{who} masks '{name}' with a tensor of another shape")
    require(masks[0].share(problem.model) > 0, f"{who} leaves no weight to move on a problem it is to be tried on")
    require(masks[0].allowed.keys() == masks[1].allowed.keys(), f"{who} names other parameters the second time")
    for name, flag in masks[0].allowed.items():
        same = same_bits(torch.as_tensor(flag), torch.as_tensor(masks[1].allowed[name]))
        require(same, f"{who} masks '{name}' differently with the same seed; draw from run.generator(...)")


def _check_adapters(scope: LoRA, problem: Problem) -> None:
    """Check that adapters change no output at first, leave every own weight fixed, and are the same the second time."""
    who, before, batch = name_of(scope), state_of(problem), problem.forget.batch(torch.arange(2))
    made: list[nn.Module] = []
    for disturbance in (1, 2):
        with disturbed(disturbance):
            model = models.copied(problem.model)
            scope.bind(model, problem, Run(seed=0))
            made.append(model)
    require_unchanged(problem, before, who)
    # Where the base is changed too (and given back by the adapter), outputs agree to rounding alone.
    with evaluation(problem.model), evaluation(made[0]):
        unlike = (problem.task.outputs(problem.model, batch) - problem.task.outputs(made[0], batch)).abs().max()
    require(float(unlike) < 1e-3, f"{who} changes what the model puts out before anything is trained")
    require(any(p.requires_grad for p in made[0].parameters()), f"{who} leaves no weight to move")
    differs = difference(*made)
    require(not differs, f"{who} draws '{differs}' differently with the same seed; draw from run.generator(...)")


def check_step(step: Step, problem: Problem) -> None:
    """Check that a step reports every term, moves the weights it may and no other, and leaves no trace of its trials.

    Raises:
        AssertionError: a promise is broken; the line names the step and the promise.
    """
    check_declared(step)
    who = name_of(step)
    still, values = _stepped(step, problem, learning_rate=0.0)
    wanted = _terms(step)
    require(set(values) == wanted, f"{who} reports {sorted(values)} where the terms were {sorted(wanted)}")
    require(not any(v.requires_grad for v in values.values()), f"{who} returns values with their graph; detach them")
    moved = {name for name, p in still.named_parameters() if not torch.equal(p, _weight(problem.model, name))}
    require(not moved, f"{who} leaves '{min(moved, default='')}' moved although the learning rate is 0; restore it")
    results = []
    for disturbance in (1, 2):
        with disturbed(disturbance):
            results.append(_stepped(step, problem, learning_rate=0.1)[0])
    head, *rest = reversed([name for name, _ in problem.model.named_parameters()])
    require(not torch.equal(_weight(results[0], head), _weight(problem.model, head)), f"{who} moves no weight")
    for name in rest:
        same = same_bits(_weight(results[0], name), _weight(problem.model, name))
        require(same, f"{who} moves '{name}', which the optimiser does not hold")
    differs = difference(*results)
    require(not differs, f"{who} ends in other bits of '{differs}' from the same weights and terms")


def check_weighting(weighting: Weighting, problem: Problem) -> None:
    """Check that a weighting gives each example of a batch one finite weight, at least 0, and repeats itself.

    Raises:
        AssertionError: a promise is broken; the line names the weighting and the promise.
    """
    check_declared(weighting)
    who, before = name_of(weighting), state_of(problem)
    batch = problem.forget.batch(torch.arange(min(8, len(problem.forget))))
    found: list[Tensor] = []
    for disturbance in (1, 2):
        with disturbed(disturbance):
            weigh = weighting.bind(problem, Run(seed=0))
            if weigh is not None:
                found.append(weigh(problem.model, batch))
    require_unchanged(problem, before, who)
    for weights in found:
        require(weights.shape == (len(batch),), f"{who} gives {tuple(weights.shape)} weights to {len(batch)} examples")
        require(
            bool((torch.isfinite(weights) & (weights >= 0)).all()), f"{who} gives a weight that is not finite or < 0"
        )
        require(not weights.requires_grad, f"{who} returns weights with their graph; compute them without gradient")
    require(not found or same_bits(*found), f"{who} weighs the same batch differently the second time")


def _stepped(step: Step, problem: Problem, learning_rate: float) -> tuple[nn.Module, Mapping[str, Tensor]]:
    """Return a copy of the model after one step of SGD (on the last parameter alone unless its rate is 0)."""
    model = models.copied(problem.model)
    sets = {"forget": (-1, problem.forget), "retain": (1, problem.kept)}

    def evaluated() -> Mapping[str, Tensor]:
        return {
            name: sign * problem.task.losses(model, examples.batch(torch.arange(8))).mean()
            for name, (sign, examples) in sets.items()
            if name in _terms(step)
        }

    weights = list(model.parameters())
    if learning_rate:
        for frozen in weights[:-1]:
            frozen.requires_grad_(False)
        weights = weights[-1:]
    optimizer = step.optimizer(weights, learning_rate, 0.0) or torch.optim.SGD(weights, lr=learning_rate)
    forget, retain = (problem.task.prepare(examples.batch(torch.arange(8))) for _, examples in sets.values())
    training = partial(training_loss(problem, Run(seed=0), 0), model, Draw(forget, retain, epoch=0, step=0))
    values = step(model, Terms([evaluated], training=training), optimizer)
    return model, values


def _terms(step: Step) -> frozenset[str]:
    """Return the terms to try a step on: those it needs, else the one that every method has."""
    return step.requirements() or frozenset({"forget"})


def _weight(model: nn.Module, name: str) -> Tensor:
    return model.get_parameter(name).detach()
