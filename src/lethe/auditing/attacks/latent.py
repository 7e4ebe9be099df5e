"""Latent states: what each layer holds where the model is about to answer, for probes to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe import hooks
from lethe.auditing.attacks.regained import shares
from lethe.examples import Batch, Examples
from lethe.measuring import evaluation, evaluation_batches
from lethe.run import Run
from lethe.tasks import CausalLM, Task, as_classification


@dataclass(frozen=True, eq=False)
class States:
    """The states of several layers at the same places, with what has to be said there.

    Attributes:
        layers: layer name to [n, D_l] float32 on the CPU, from input to output.
        targets: [n] int64, the next token of the answer, or the label.
        hits: [n] whether the model itself finds it the likeliest.
        rows: [n] int64, the example each place belongs to.
    """

    layers: dict[str, Tensor]
    targets: Tensor
    hits: Tensor
    rows: Tensor

    def by_example(self, hits: Tensor) -> Tensor:
        """Return hits [n] as values of the examples that have a place, whose mean is the share over all places."""
        _, row = self.rows.unique(return_inverse=True)
        return shares(torch.bincount(row, hits.double()), torch.bincount(row))


def answer_states(model: nn.Module, task: Task, examples: Examples, most: int, run: Run) -> States:
    """Return the states at the tokens before those of the answers, or of whole inputs for a classifier.

    Args:
        model: on the run's device.
        task: says where the layers are: the blocks of a language model, the layers with weights of a classifier, whose
            outputs are averaged over positions.
        examples: what to read.
        most: most places that are kept, a random sample of more; the same of every model.
        run: device, progress and the sample.
    """
    parts = list(_read(model, task, examples, run))
    targets, hits, rows = (torch.cat([getattr(part, name) for part in parts]) for name in ("targets", "hits", "rows"))
    kept = (
        torch.randperm(len(targets), generator=run.generator("places read", examples.fingerprint))[:most].sort().values
    )
    # A layer that does not have a row for each example (position embeddings) says nothing about examples.
    named = {name: torch.cat([part.layers[name] for part in parts]) for name in parts[0].layers}
    layers = {name: states[kept] for name, states in named.items() if len(states) == len(targets)}
    return States(layers, targets[kept], hits[kept], rows[kept])


def _read(model: nn.Module, task: Task, examples: Examples, run: Run) -> Iterator[States]:
    with evaluation(model), run.progress.bar("reading states", len(examples)) as bar:
        for rows in evaluation_batches(examples, task):
            run.interrupt_point()
            batch = examples.batch(rows).to(run.device)
            yield _of_tokens(model, task, batch) if isinstance(task, CausalLM) else _of_inputs(model, task, batch)
            bar.advance(len(rows))


def _of_tokens(model: nn.Module, task: CausalLM, batch: Batch) -> States:
    said = hooks.places(batch, "answer")[:, 1:]  # an answer's first token has a token before it, or is not predicted
    states = hooks.all_hidden_states(model, task, batch)
    layers = {f"block {i}": state[:, :-1][said].float().cpu() for i, state in enumerate(states, start=1)}
    targets = task.targets(batch)
    hits = task.outputs(model, batch).argmax(-1) == targets
    return States(layers, targets.cpu(), hits.cpu(), batch.rows.cpu()[task.rows(batch).cpu()])


def _of_inputs(model: nn.Module, task: Task, batch: Batch) -> States:
    with hooks.reading(task.layers(model)) as seen:
        outputs = task.outputs(model, batch)
    layers = {name: _averaged(state).float().cpu() for name, state in seen.items()}
    labels = as_classification(task, "a linear probe").labels(batch)
    return States(layers, labels.cpu(), (outputs.argmax(-1) == labels).cpu(), batch.rows.cpu())


def _averaged(state: Tensor) -> Tensor:
    """Return the mean over positions, [B, D]: of an image [B, D, H, W], or of a sequence [B, T, D]."""
    if state.dim() > 3:
        return state.flatten(2).mean(2)
    return state.mean(1) if state.dim() == 3 else state
