"""References: whether what a model is set beside can be trusted, before anything is concluded from it."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from torch import nn

from lethe.auditing.metric import Rows
from lethe.auditing.metrics.signals import log_probability
from lethe.auditing.records import Caution
from lethe.auditing.text_rows import answer_probability
from lethe.examples import Examples
from lethe.tasks import CausalLM, Classification, Regression
from lethe.tasks.causal_lm import LENGTH, TOKENS

APART = 0.1
"""The least difference of mean probability between original and gold, or retain and holdout, that is looked at."""

ALIKE = 0.5
"""From which part of the way to the original on a gold model is taken to have seen the forget set."""

TRAINED = 0.75
"""From which part of the way from unseen data to training data on the forget set looks like training data."""

OVERLAP = 0.05
"""Share of a set from which its overlap with another makes it no reference at all."""


def weights_alike(unlearned: str, original: str, given: Sequence[str]) -> list[Caution]:
    """Return what is wrong with the hashes of the weights.

    Args:
        unlearned: hash of the audited model.
        original: that of the original.
        given: those of the gold models, in the order they were given.
    """
    found = [
        Caution(f"gold {i}", "its weights are those of the original, which was trained on the forget set", True)
        for i, gold in enumerate(given, start=1)
        if gold == original
    ]
    if unlearned == original:
        found.append(Caution("unlearned", "its weights are those of the original: nothing was changed"))
    for i, gold in enumerate(given, start=1):
        if gold == unlearned:
            found.append(Caution(f"gold {i}", "it is the audited model itself, and was left out of its references"))
        elif gold in given[: i - 1]:
            found.append(Caution(f"gold {i}", f"it is the same model as gold {given.index(gold) + 1}; it counts once"))
    return found


def structures(original: nn.Module, others: Mapping[str, nn.Module]) -> list[Caution]:
    """Return which models are not built as the original is: what sets them apart may be that.

    Args:
        original: the original.
        others: the models beside it, by what they are called.
    """
    own = _structure(original)
    found = []
    for name, model in others.items():
        shapes = _structure(model)
        if shapes != own:
            apart = next(layer for layer in (*own, *shapes) if own.get(layer) != shapes.get(layer))
            there, here = (" x ".join(map(str, some[apart])) if apart in some else "missing" for some in (own, shapes))
            sentence = f"it is not built as the original: '{apart}' is {there} there and {here} here"
            found.append(Caution(name, f"{sentence}; differences may be those of architectures"))
    return found


def _structure(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights by name, adapters left out."""
    names = ((name.replace(".base_layer", ""), tuple(weight.shape)) for name, weight in model.named_parameters())
    return {name: shape for name, shape in names if ".lora_" not in name}


def overlaps(task: Classification | CausalLM | Regression, sets: Mapping[str, Examples]) -> list[Caution]:
    """Return which sets hold the same content under other names: the holdout may hold nothing that was trained on."""
    contents = {name: list(_contents(task, examples)) for name, examples in sets.items()}
    pairs = (("holdout", "forget"), ("holdout", "retain"), ("retain", "forget"))
    found = []
    for part, other in pairs:
        if part in contents and other in contents:
            there = set(contents[other])
            both = [i for i, content in enumerate(contents[part]) if content in there]
            if both:
                found.append(_overlap(part, other, sets[part], both, set(contents[part]) & there, contents[other]))
    return found


def _overlap(
    part: str, other: str, examples: Examples, both: Sequence[int], shared: set[bytes], others: Sequence[bytes]
) -> Caution:
    share = max(len(both) / len(examples), sum(content in shared for content in others) / len(others))
    sentence = (
        f"{len(both)} of its {len(examples)} examples are in the {other} set too (for one '{examples.ids[both[0]]}')"
    )
    return Caution(part, sentence, share > OVERLAP)


def _contents(task: Classification | CausalLM | Regression, examples: Examples) -> Iterator[bytes]:
    """Yield a hash of what each example shows the model."""
    if isinstance(task, CausalLM):
        tokens, lengths = examples.tensor(TOKENS).numpy(), examples.tensor(LENGTH).tolist()
        shown = (np.asarray(row[:length], dtype=np.int64) for row, length in zip(tokens, lengths, strict=True))
    else:
        shown = (np.ascontiguousarray(row) for row in examples.tensor(task.input).numpy())
    for row in shown:
        yield hashlib.sha256(row.tobytes()).digest()


def gold_that_saw(original: Rows, golds: Mapping[str, Rows]) -> list[Caution]:
    """Return which gold models know the forget set as if they had been trained on it.

    With P a model's mean probability of the true labels or answers of the forget set: a gold model is named where the
    others' median m leaves a way to the original, P_o - m > 0.1, and it has gone half of it, P - m > (P_o - m) / 2; or
    where, with a holdout, its forget set looks like its training data: P > P_holdout + ¾ (P_retain - P_holdout).

    Args:
        original: what was measured of the original.
        golds: the same of each gold model, by what it is called.
    """
    top = _known(original, "forget")
    found = []
    for name, rows in golds.items():
        own = _known(rows, "forget")
        others = [_known(other, "forget") for key, other in golds.items() if key != name]
        middle = statistics.median(others) if others else top
        if top - middle > APART and own - middle > ALIKE * (top - middle):
            found.append(Caution(name, _saw(own, f"{100 * middle:.0f} % in the other gold models", top), True))
        elif _looks_trained(rows, own, top):
            found.append(Caution(name, _saw(own, f"{100 * _known(rows, 'holdout'):.0f} % on the holdout", top), True))
    return found


def _saw(own: float, beside: str, top: float) -> str:
    return (
        f"it seems to have been trained on the forget set, whose answers it gives {100 * own:.0f} %, against {beside} "
        f"and {100 * top:.0f} % in the original"
    )


def _looks_trained(rows: Rows, own: float, top: float) -> bool:
    if not {"retain", "holdout"} <= rows.counts.keys():
        return False
    seen, unseen = _known(rows, "retain"), _known(rows, "holdout")
    # Examples that are easy for everybody say nothing: the original must know them from training too.
    return seen - unseen > APART and own > unseen + TRAINED * (seen - unseen) and own > TRAINED * top


def _known(rows: Rows, part: str) -> float:
    """Return the mean probability of the true labels or answers of a set, or the mean closeness of its values."""
    if part in rows.texts:
        return rows.texts[part].mean(answer_probability)
    return float(log_probability(rows, part).exp().mean())
