"""Selection: which metrics and attacks an audit runs, each under a name of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from lethe import catalogue
from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import Metric

Part = TypeVar("Part", Metric, Attack)


def named(kind: str, chosen: Sequence[Part] | None) -> list[tuple[str, Part]]:
    """Return the metrics (or attacks) by name: those chosen, or all of the catalogue with their defaults.

    One that the catalogue does not know is called after its class; one that stands twice, with other settings, is
    numbered.

    Args:
        kind: `metric` or `attack`.
        chosen: instances; None for the whole catalogue.

    Raises:
        ConfigurationError: another package's entry point is broken.
    """
    known = {entry.load(): slug for slug, entry in catalogue.entries(kind).items()}
    if chosen is None:
        return [(slug, loaded()) for loaded, slug in known.items()]
    seen = Counter[str]()
    result: list[tuple[str, Part]] = []
    for part in chosen:
        slug = known.get(type(part)) or _snake(type(part).__name__)
        seen[slug] += 1
        result.append((f"{slug}_{seen[slug]}" if seen[slug] > 1 else slug, part))
    return result


def _snake(name: str) -> str:
    """Return a class name as a slug.

    >>> _snake("HeadRecovery")
    'head_recovery'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
