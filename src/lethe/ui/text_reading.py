"""Reading language models: likelihoods, answers and layers of the shown examples."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.text.membership import by_min_k
from lethe.auditing.text_rows import TextRows, geometric_ratio
from lethe.errors import AuditIncomplete
from lethe.examples import Batch, Examples
from lethe.measuring import evaluation, evaluation_batches
from lethe.run import Run
from lethe.segments import mean_by_row
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS
from lethe.ui.readings import Reading, means
from lethe.ui.schema import Prediction

SPARE_TOKENS, MOST_TOKENS = 8, 100
CERTAIN = 1e-16


def read(
    model: nn.Module,
    task: CausalLM,
    sets: Mapping[str, Examples],
    run: Run,
) -> Reading:
    """Forward every answer once, generate an answer to every prompt, and read features and layers.

    Args:
        model: on the run's device.
        task: how it is fed.
        sets: the shown examples.
        run: device and progress.

    Raises:
        InputError: a log-probability is not finite.
    """
    longest = max(int(task.answer_lengths(each.batch(torch.arange(len(each)))).max()) for each in sets.values())
    asked = Asked(generated=frozenset(sets), new_tokens=min(longest + SPARE_TOKENS, MOST_TOKENS))
    rows = measure_text(model, task, sets, run, asked).texts
    counts = {name: len(examples) for name, examples in sets.items()}
    found = {name: statistics(rows[name]) for name in sets}
    columns = {
        name: np.concatenate([found[part].get(name, np.full(counts[part], np.nan)) for part in sets])
        for name in found["forget"]
    }
    seen = {
        name: features_and_layers(model, task, examples, run, f"layers on the {name} set")
        for name, examples in sets.items()
    }
    return Reading(
        sets=counts,
        columns=columns,
        means=means(columns, counts),
        features=torch.cat([features for features, _ in seen.values()]).numpy(),
        layers={name: layers for name, (_, layers) in seen.items()},
        predictions=tuple(_predictions(task, sets, rows)),
    )


def statistics(rows: TextRows) -> dict[str, np.ndarray]:
    """Return what is known of each answer, [N] each.

    With L the mean of -ln p over the answer's tokens: loss L, probability P = exp(-L), confidence ln P - ln(1 - P);
    min_k, the mean of the least likely fifth of ln p; truth_ratio, where there are wrong answers, and ROUGE-L recall of
    what the model says itself.
    """
    loss = -rows.log.means(rows.log.log_probs)
    found = {
        "probability": torch.exp(-loss),
        "loss": loss,
        # ln(1 - P) without the loss of digits near P = 1; a P of exactly 1 counts as the nearest number below.
        "confidence": -loss - torch.log(-torch.expm1(-loss.clamp_min(CERTAIN))),
        "min_k": by_min_k(rows.words),
        "rouge": rows.recall,
    }
    # A set without wrong answers has no truth ratio.
    with contextlib.suppress(AuditIncomplete):
        found["truth_ratio"] = geometric_ratio(rows).exp()
    return {name: value.double().numpy() for name, value in found.items()}


def features_and_layers(
    model: nn.Module, task: CausalLM, examples: Examples, run: Run, label: str
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what enters the head, [N, D], and block name to its output, [N, D_l], of one forward pass.

    Both are averaged over the positions that predict the answer.
    """
    blocks = task.blocks(model)
    names = {id(module): name for name, module in model.named_modules()}
    order = evaluation_batches(examples, task)
    features: list[Tensor] = []
    layers: dict[str, list[Tensor]] = {names[id(block)]: [] for block in blocks}
    with evaluation(model), _hooked(blocks, names) as latest, run.progress.bar(label, len(examples)) as bar:
        for rows in order:
            run.interrupt_point()
            batch = examples.batch(rows).to(run.device)
            _, entering = task.outputs_and_features(model, batch)
            features.append(entering.float().cpu())
            said, of_example = _positions(task, model, batch), task.rows(batch)
            for name, output in latest.items():
                layers[name].append(mean_by_row(output[said].float(), of_example, len(batch)).cpu())
            bar.advance(len(batch))
    back = torch.argsort(torch.cat(order))
    return torch.cat(features)[back], {name: torch.cat(parts)[back] for name, parts in layers.items()}


@contextmanager
def _hooked(blocks: nn.ModuleList, names: Mapping[int, str]) -> Iterator[dict[str, Tensor]]:
    """Yield a mapping that holds each block's latest output, [B, T, D]."""
    latest: dict[str, Tensor] = {}

    def keep(module: nn.Module, output: Any) -> None:
        latest[names[id(module)]] = output[0] if isinstance(output, tuple) else output

    handles = [block.register_forward_hook(lambda module, _, output: keep(module, output)) for block in blocks]
    try:
        yield latest
    finally:
        for handle in handles:
            handle.remove()


def _positions(task: CausalLM, model: nn.Module, batch: Batch) -> Tensor:
    """Return which positions of a block's output predict a token of an answer, in the layout the model was fed."""
    lengths = batch.tensor(LENGTH).unsqueeze(1)
    place = torch.arange(int(lengths.max()), device=lengths.device)
    inside = place < lengths
    said = (place + 1 >= batch.tensor(ANSWER_FROM).unsqueeze(1)) & (place + 1 < lengths)
    # Models that need no padding are fed all sequences as one row.
    return said if task.pads(model) else said[inside].unsqueeze(0)


def _predictions(task: CausalLM, sets: Mapping[str, Examples], rows: Mapping[str, TextRows]) -> Iterator[Prediction]:
    """Yield what the model says of each row: its own answer, and what it gives the tokens of the true one."""
    row = 0
    for name, examples in sets.items():
        found = rows[name]
        tokens, lengths = examples.tensor(TOKENS), examples.tensor(LENGTH).tolist()
        for i, (start, end) in enumerate(itertools.pairwise(found.log.offsets.tolist())):
            said = tokens[i, lengths[i] - (end - start) : lengths[i]].tolist()
            yield Prediction(row, generated=found.generated[i], tokens=_spelled(task, said, found, start))
            row += 1


def _spelled(task: CausalLM, said: Sequence[int], rows: TextRows, start: int) -> list[dict[str, Any]]:
    return [
        {
            "text": task.tokenizer.decode([token]),
            "log_prob": float(rows.log.log_probs[start + place]),
            "greedy": bool(rows.log.greedy[start + place]),
        }
        for place, token in enumerate(said)
    ]
