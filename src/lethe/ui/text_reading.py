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
from lethe.measuring import evaluation, evaluation_batches, over_examples
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
    compared: Mapping[str, Examples],
    run: Run,
) -> Reading:
    """Forward every answer once, generate an answer to every prompt, and read features and layers.

    Args:
        model: on the run's device.
        task: how it is fed.
        sets: the shown examples.
        compared: those of them that layers are compared on.
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
    features = [
        over_examples(model, task, examples, run, task.features, f"features of the {name} set").float().numpy()
        for name, examples in sets.items()
    ]
    return Reading(
        sets=counts,
        columns=columns,
        means=means(columns, counts),
        features=np.concatenate(features),
        layers={name: layer_outputs(model, task, some, run) for name, some in compared.items()},
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


def layer_outputs(model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> dict[str, Tensor]:
    """Return block name to its output averaged over the positions that predict the answer, [N, D]."""
    blocks = task.blocks(model)
    names = {id(module): name for name, module in model.named_modules()}
    order = evaluation_batches(examples, task)
    found: dict[str, list[Tensor]] = {names[id(block)]: [] for block in blocks}
    for rows in order:
        batch = examples.batch(rows).to(run.device)
        with evaluation(model), _hooked(blocks, names) as latest:
            tokens, said = _positions(batch)
            # Padding stands on the right, where causal attention does not look.
            model(input_ids=tokens, use_cache=False)
        for name, output in latest.items():
            kept = output[:, :-1][said].float()
            found[name].append(mean_by_row(kept, said.nonzero()[:, 0], len(batch)).cpu())
    back = torch.argsort(torch.cat(order))
    return {name: torch.cat(parts)[back] for name, parts in found.items()}


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


def _positions(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the tokens [B, T], and which of positions 0 … T-2 predict a token of the answer, [B, T-1]."""
    lengths = batch.tensor(LENGTH)
    tokens = batch.tensor(TOKENS)[:, : int(lengths.max())].long()
    following = torch.arange(1, tokens.shape[1], device=tokens.device)
    return tokens, (following >= batch.tensor(ANSWER_FROM).unsqueeze(1)) & (following < lengths.unsqueeze(1))


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
