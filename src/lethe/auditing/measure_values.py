"""Measure a regression model once: one forward pass over each set of examples serves every metric."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lethe.auditing.measure import Measurements, layer_weights, units_of
from lethe.auditing.metric import Rows
from lethe.auditing.value_rows import ValueRows
from lethe.errors import InputError
from lethe.examples import Batch, Examples
from lethe.measuring import over_examples
from lethe.models import fingerprint
from lethe.run import Run
from lethe.store import digest
from lethe.tasks import Regression

_NO_HEAD = torch.empty(0), None


def measure_values(
    model: nn.Module,
    task: Regression,
    sets: Mapping[str, Examples],
    run: Run,
    known: Measurements | None = None,
    units: bool = False,
) -> Rows:
    """Forward each example once, in eval mode and without gradients, and return all that metrics read.

    Args:
        model: the model, on the run's device; its modes are given back afterwards.
        task: how the model is fed and read.
        sets: `forget`, and `retain` and `holdout` where there are such.
        run: device, progress, and the meter of examples forwarded.
        known: earlier measurements, which are looked up first and added to.
        units: also find the hidden units that can be exchanged.

    Returns:
        The rows, on the CPU; weights refer to the model's own. No metric of regression reads a head.

    Raises:
        InputError: the model does not give one finite number an example, or all targets are the same.
    """
    known = known if known is not None else Measurements()
    structure, scale = [fingerprint(model), repr(model), repr(task)], _scale(task, sets)
    values: dict[str, ValueRows] = {}
    for name, examples in sets.items():
        key = digest(["values", *structure, examples.fingerprint])
        found = known.recall(key)
        if found is None:
            found = _forward(model, task, name, examples, run), {}
            known.keep(key, *found)
        read = found[0]
        values[name] = ValueRows(examples.ids, _targets(task, examples), read["predictions"], read["losses"], scale)
    groups = units_of(model, task, sets["forget"], run, known) if units else ()
    return Rows({}, _NO_HEAD, layer_weights(task, model), units=groups, values=values)


def _forward(model: nn.Module, task: Regression, name: str, examples: Examples, run: Run) -> dict[str, Tensor]:
    def read(model: nn.Module, batch: Batch) -> Tensor:
        outputs = task.outputs(model, batch)
        if outputs.shape != (len(batch),):
            shape = tuple(outputs.shape)
            raise InputError(f"the model gives outputs of shape {shape} for {len(batch)} examples, not one number each")
        # In float64, for the losses of one set are subtracted from those of another.
        wide = outputs.double()
        return torch.stack([wide, task.losses_from(wide, batch)], 1)

    predictions, losses = over_examples(model, task, examples, run, read, f"measuring the {name} set").unbind(1)
    broken = (~torch.isfinite(losses)).nonzero().flatten()
    if len(broken):
        raise InputError(
            f"the model's output for example '{examples.ids[int(broken[0])]}' is not finite; "
            "unlearning has destroyed the model: unlearn again with a lower learning rate"
        )
    return {"predictions": predictions.contiguous(), "losses": losses.contiguous()}


def _targets(task: Regression, examples: Examples) -> Tensor:
    return examples.tensor(task.target).double()


def _scale(task: Regression, sets: Mapping[str, Examples]) -> float:
    """Return the mean loss of predicting the mean target; raises InputError where there is nothing to predict."""
    targets = torch.cat([_targets(task, examples) for examples in sets.values()])
    away = targets - targets.mean()
    scale = float((away.abs() if task.loss == "l1" else away.square()).mean())
    if scale == 0:
        raise InputError(f"all targets in '{task.target}' are the same; there is nothing to forget or to predict")
    return scale
