"""Model views: a reading beside the original's and gold's, as the page is given it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lethe.ui.guessing import membership
from lethe.ui.matrices import matrix
from lethe.ui.quality import CLASSIFIER_STATISTICS, SCORED, SCORED_TEXT, TEXT_STATISTICS, attacked
from lethe.ui.readings import Reading
from lethe.ui.schema import AttackView, Matrix, ModelView, Numbers, Recovery, Statistic
from lethe.ui.similarity import by_layer


def statistics_of(reading: Reading) -> tuple[Statistic, ...]:
    """Return what membership can be guessed by, of models of this kind."""
    return CLASSIFIER_STATISTICS if reading.logits is not None else TEXT_STATISTICS


def model_view(
    setting: str,
    name: str,
    reading: Reading,
    original: Reading,
    gold: tuple[str, Reading] | None,
    layers: Sequence[str],
    classes: int,
    recovery: Sequence[Recovery] = (),
) -> ModelView:
    """Return everything measured of one model.

    Args:
        setting: id of the setting.
        name: the model's id.
        reading: what was measured of it.
        original: the same of the original.
        gold: id and reading of the gold model that is compared with; None without gold.
        layers: those that are compared.
        classes: number of classes; 0 of a language model.
        recovery: attacks that an audit carried out.
    """
    references = {"original": original, **({"gold": gold[1]} if gold is not None else {})}
    return ModelView(
        setting=setting,
        id=name,
        columns={key: _listed(key, values) for key, values in reading.columns.items()},
        means=reading.means,
        matrices=_matrices(reading, classes),
        cka={
            reference: {part: by_layer(reading.layers[part], other.layers[part], layers) for part in reading.layers}
            for reference, other in references.items()
        },
        attack=_attack(name, reading, gold),
        membership=_membership(reading),
        recovery=recovery,
    )


def _listed(key: str, values: np.ndarray) -> Numbers:
    """Return a column as a list; class indices as whole numbers."""
    if key == "prediction":
        return [int(value) for value in values]
    return [float(value) for value in values]


def _matrices(reading: Reading, classes: int) -> dict[str, Matrix]:
    if reading.logits is None or reading.labels is None:
        return {}
    counts = list(reading.sets.values())
    parts = zip(reading.sets, reading.logits.split(counts), reading.labels.split(counts), strict=True)
    return {name: matrix(logits, labels, classes) for name, logits, labels in parts}


def _attack(name: str, reading: Reading, gold: tuple[str, Reading] | None) -> AttackView | None:
    if gold is None or gold[0] == name:
        return None
    scored = SCORED if reading.logits is not None else SCORED_TEXT
    own, other = ({key: each.of(key, "forget") for key in scored} for each in (reading, gold[1]))
    return attacked(own, other, statistics_of(reading), scored, gold[0])


def _membership(reading: Reading) -> dict[str, dict[str, float]]:
    if not reading.sets.get("holdout"):
        return {}
    return {
        statistic.key: membership(reading.of(statistic.key, "forget"), reading.of(statistic.key, "holdout"), statistic)
        for statistic in statistics_of(reading)
    }


def recoveries(evidence: Mapping[str, Any] | None, role: str) -> list[Recovery]:
    """Return the attacks of an audit from the point of view of the audited model, the original or gold.

    Args:
        evidence: as plain data; None without an audit.
        role: `unlearned`, `original` or `gold`.
    """
    if evidence is None:
        return []
    found = []
    for entry in evidence["attacks"]:
        golds = entry["gold_details"]
        details = {
            "unlearned": entry["details"],
            "original": entry["original_details"],
            "gold": golds[0] if golds else {},
        }
        values = {"unlearned": entry["value"], "original": entry["original"], "gold": entry["gold_mean"]}
        found.append(
            Recovery(
                name=entry["name"],
                title=entry["title"],
                unit=entry["unit"],
                value=values[role],
                original=entry["original"],
                gold=entry["gold_mean"],
                measure=str(details[role].get("measure", "")),
                curve=_curve(details[role]),
                original_curve=_curve(details["original"]),
                gold_curve=_curve(details["gold"]),
                target=_number(details[role].get("target")),
            )
        )
    return found


def _curve(details: Mapping[str, Any]) -> Sequence[Numbers]:
    """Return the curve of an attack as [step, value]; empty where it has none of this form."""
    curve = details.get("curve")
    if not isinstance(curve, list) or not all(isinstance(point, list) and len(point) == 2 for point in curve):
        return ()
    return curve


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
