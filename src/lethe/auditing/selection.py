"""Selection: which metrics and attacks an audit runs, each under a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from lethe import catalogue
from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import Metric
from lethe.errors import ConfigurationError
from lethe.tasks import Task

Part = TypeVar("Part", Metric, Attack)


def named(kind: str, chosen: Sequence[Part] | None, task: Task) -> list[tuple[str, Part]]:
    """Return the metrics (or attacks) by name: those chosen, or all of the catalogue for the task with their defaults.

    One that the catalogue does not know is called after its class; one that stands twice, with other settings, is
    numbered.

    Args:
        kind: `metric` or `attack`.
        chosen: instances; None for all of the catalogue that work on models of the task.
        task: the kind of model that is audited.

    Raises:
        ConfigurationError: one that was chosen works on another kind of model, or another package's entry point is
            broken.
    """
    known = {entry.load(): slug for slug, entry in catalogue.entries(kind).items()}
    if chosen is None:
        return [(slug, loaded()) for loaded, slug in known.items() if isinstance(task, loaded.tasks)]
    seen = Counter[str]()
    result: list[tuple[str, Part]] = []
    for part in chosen:
        slug = known.get(type(part)) or catalogue.snake(type(part).__name__)
        if not isinstance(task, part.tasks):
            kinds = " or ".join(kind.__name__ for kind in part.tasks)
            raise ConfigurationError(f"{slug} works on {kinds}, and the problem's task is {type(task).__name__}")
        seen[slug] += 1
        result.append((f"{slug}_{seen[slug]}" if seen[slug] > 1 else slug, part))
    return result
