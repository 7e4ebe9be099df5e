"""Measure a model once: one forward pass over each set of examples serves every metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lethe.auditing.metric import Rows, SetRows
from lethe.auditing.units import Units, hidden_units
from lethe.errors import InputError
from lethe.examples import Examples
from lethe.measuring import EVALUATION_BATCH, evaluation
from lethe.models import fingerprint
from lethe.run import Run
from lethe.store import Checkpoints, digest
from lethe.tasks import Classification, Task


class Measurements:
    """What was measured so far, by content of model and examples: nothing is forwarded twice.

    Two models count as the same where weights, buffers and printed structure agree.

    Args:
        folder: where to keep the measurements beyond this process; None keeps them in memory alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._memory: dict[str, tuple[dict[str, Tensor], dict[str, Any]]] = {}
        self._disk = Checkpoints(folder) if folder is not None else None

    def recall(self, key: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the tensors and facts under the key, or None."""
        if key not in self._memory and self._disk is not None:
            found = self._disk.load(key)
            if found is not None:
                self._memory[key] = found
        return self._memory.get(key)

    def keep(self, key: str, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Keep the tensors and facts under the key."""
        self._memory[key] = tensors, facts
        if self._disk is not None:
            self._disk.save(key, tensors, facts)


def measure(
    model: nn.Module,
    task: Classification,
    sets: Mapping[str, Examples],
    run: Run,
    activations: bool = False,
    known: Measurements | None = None,
    units: bool = False,
) -> Rows:
    """Forward each example once, in eval mode and without gradients, and return all that metrics read.

    Args:
        model: the model, on the run's device; its modes are given back afterwards.
        task: how the model is fed and read.
        sets: `forget`, and `retain` and `holdout` where there are such.
        run: device, progress, and the meter of examples forwarded.
        activations: also keep every layer's output on the forget set (those of larger sets would fill the memory).
        known: earlier measurements, which are looked up first and added to.
        units: also find the hidden units that can be exchanged.

    Returns:
        The rows, on the CPU; head and weights refer to the model's own.

    Raises:
        InputError: the head is not linear, or an output is not finite.
    """
    known = known if known is not None else Measurements()
    structure = [fingerprint(model), repr(model), repr(task)]
    measured: dict[str, SetRows] = {}
    for name, examples in sets.items():
        layers = dict(task.layers(model)) if activations and name == "forget" else {}
        key = digest([*structure, examples.fingerprint, sorted(layers)])
        found = known.recall(key)
        if found is None:
            found = _packed(_forward(model, task, examples, run, layers, f"measuring the {name} set")), {}
            known.keep(key, *found)
        # The ids come from the examples, whose hash is in the key.
        measured[name] = _unpack(found[0], examples)
    groups = units_of(model, task, sets["forget"], run, known) if units else ()
    return Rows(measured, head_of(task, model), layer_weights(task, model), units=groups)


def units_of(model: nn.Module, task: Task, examples: Examples, run: Run, known: Measurements) -> tuple[Units, ...]:
    """Return the hidden units that can be exchanged; looked for once for all models of one structure."""
    shapes = {name: list(weight.shape) for name, weight in layer_weights(task, model).items()}
    key = digest(["units", repr(model), repr(task), shapes])
    found = known.recall(key)
    if found is not None:
        return tuple(Units.from_dict(one) for one in found[1]["units"])
    groups = hidden_units(model, task, examples.batch(torch.arange(min(2, len(examples)))).to(run.device))
    # A destroyed model may hide the structure that the next one shows.
    if groups:
        known.keep(key, {}, {"units": [asdict(group) for group in groups]})
    return groups


def layer_weights(task: Task, model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of two or more dimensions under their layer's name, `layer.name` where not called `weight`."""
    return {
        layer if name == "weight" else f"{layer}.{name}": weight.detach()
        for layer, module in task.layers(model).items()
        for name, weight in module.named_parameters(recurse=False)
        if weight.dim() >= 2
    }


def _forward(
    model: nn.Module, task: Classification, examples: Examples, run: Run, layers: Mapping[str, nn.Module], label: str
) -> SetRows:
    logits: list[Tensor] = []
    features: list[Tensor] = []
    activations: dict[str, list[Tensor]] = {name: [] for name in layers}
    with evaluation(model), _recording(layers) as latest, run.progress.bar(label, len(examples)) as bar:
        for batch in examples.batches(EVALUATION_BATCH):
            run.interrupt_point()
            outputs, entering = task.outputs_and_features(model, batch.to(run.device))
            logits.append(outputs.float().cpu())
            features.append(entering.float().cpu())
            for name, value in latest.items():
                activations[name].append(value.float().cpu())
            run.cost.examples += len(batch)
            bar.advance(len(batch))
    joined = {name: torch.cat(parts) for name, parts in activations.items() if parts}
    return SetRows(
        ids=examples.ids,
        labels=task.labels(examples.batch(torch.arange(len(examples)))),
        logits=_finite(torch.cat(logits), examples),
        features=torch.cat(features),
        # A layer without a row for each example (position embeddings) says nothing about examples.
        activations={name: value for name, value in joined.items() if len(value) == len(examples)},
    )


@contextmanager
def _recording(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Yield a mapping that holds each layer's latest output, [B, D_l]."""
    latest: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, output: object) -> None:
        # Attention and recurrent layers return their output first and their state after it.
        tensor = output[0] if isinstance(output, tuple) else output
        if not isinstance(tensor, Tensor):
            raise InputError(f"layer '{name}' puts out a {type(tensor).__name__}, no tensor; leave it out of layers()")
        latest[name] = _over_positions(module, tensor)

    handles = [
        module.register_forward_hook(lambda module, _, output, name=name: keep(name, module, output))
        for name, module in layers.items()
    ]
    try:
        yield latest
    finally:
        for handle in handles:
            handle.remove()


def _over_positions(module: nn.Module, output: Tensor) -> Tensor:
    """Return the mean over positions, [B, D]: convolutions keep channels second, all other layers last."""
    convolution = isinstance(module, nn.modules.conv._ConvNd)
    positions = tuple(range(2, output.dim()) if convolution else range(1, output.dim() - 1))
    return output.mean(positions) if positions else output


def _finite(logits: Tensor, examples: Examples) -> Tensor:
    broken = (~torch.isfinite(logits)).any(-1).nonzero().flatten()
    if len(broken):
        raise InputError(
            f"the model's output for example '{examples.ids[int(broken[0])]}' is not finite; "
            "unlearning has destroyed the model: unlearn again with a lower learning rate"
        )
    return logits


def head_of(task: Task, model: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return weight and bias of the last layer; raises InputError where it is not linear."""
    head = task.head(model)
    if not isinstance(head, nn.Linear):
        raise InputError(f"the head is a {type(head).__name__}; name the last linear layer with head_name")
    return head.weight.detach(), head.bias.detach() if head.bias is not None else None


def _packed(rows: SetRows) -> dict[str, Tensor]:
    layers = {f"activations/{name}": value for name, value in rows.activations.items()}
    return {"labels": rows.labels, "logits": rows.logits, "features": rows.features, **layers}


def _unpack(tensors: Mapping[str, Tensor], examples: Examples) -> SetRows:
    layers = {name.removeprefix("activations/"): t for name, t in tensors.items() if name.startswith("activations/")}
    return SetRows(examples.ids, tensors["labels"], tensors["logits"], tensors["features"], layers)
