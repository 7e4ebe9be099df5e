"""Settings: metrics and attacks with their hyperparameters as plain data, for the evidence and the store's keys."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from lethe.models import fingerprint


def plain(value: Any) -> Any:
    """Return a configuration as plain data: a dataclass as its fields beside its `type`, anything unknown by its type.

    >>> from lethe.auditing.attacks.relearn import Relearn
    >>> plain(Relearn(max_steps=9))["max_steps"]
    9
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.repr}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, float):
        # JSON has no infinity.
        return value if math.isfinite(value) else str(value)
    if isinstance(value, nn.Module):
        return {"type": type(value).__name__, "weights": fingerprint(value)}
    return type(value).__name__


def of_parts(parts: Sequence[tuple[str, object]]) -> dict[str, Any]:
    """Return the settings of metrics or attacks by name."""
    return {name: plain(part) for name, part in parts}
