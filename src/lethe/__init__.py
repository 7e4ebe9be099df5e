"""lethe removes data, knowledge or a bias from a trained model, and shows whether it is really gone.

    problem = lethe.Problem(model, lethe.Classification(classes=10), forget=…, retain=…, holdout=…, gold=…)
    result = lethe.unlearn(problem, lethe.SalUn(keep=0.5))
    evidence = lethe.audit(problem, result.model)

Every catalogued method, scope, step and weighting is an attribute of this module under its class's name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lethe.errors import (
    AuditIncomplete,
    ConfigurationError,
    Diverged,
    InputError,
    LetheError,
    NotEnoughMemory,
    StorageError,
)

if TYPE_CHECKING:
    from lethe.api import Result, unlearn
    from lethe.auditing import Audit, Evidence, audit
    from lethe.examples import Examples
    from lethe.pool import Local, Ray
    from lethe.problem import Problem
    from lethe.streams.running import Stream
    from lethe.tasks import CausalLM, Chat, Classification, Custom, PlainText, QuestionAnswer, Regression, Task

__all__ = [
    "Audit",
    "AuditIncomplete",
    "CausalLM",
    "Chat",
    "Classification",
    "ConfigurationError",
    "Custom",
    "Diverged",
    "Evidence",
    "Examples",
    "InputError",
    "LetheError",
    "Local",
    "NotEnoughMemory",
    "PlainText",
    "Problem",
    "QuestionAnswer",
    "Ray",
    "Regression",
    "Result",
    "StorageError",
    "Stream",
    "Task",
    "audit",
    "unlearn",
]

_LATER = {
    "Audit": "lethe.auditing",
    "CausalLM": "lethe.tasks",
    "Chat": "lethe.tasks",
    "Classification": "lethe.tasks",
    "Custom": "lethe.tasks",
    "Evidence": "lethe.auditing",
    "Examples": "lethe.examples",
    "Local": "lethe.pool",
    "PlainText": "lethe.tasks",
    "Problem": "lethe.problem",
    "QuestionAnswer": "lethe.tasks",
    "Ray": "lethe.pool",
    "Regression": "lethe.tasks",
    "Result": "lethe.api",
    "Stream": "lethe.streams.running",
    "Task": "lethe.tasks",
    "audit": "lethe.auditing",
    "unlearn": "lethe.api",
}


def __getattr__(name: str) -> Any:
    """Import what brings torch, scikit-learn or SciPy when it is first asked for: `lethe --help` needs none of it."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    # Not `from lethe import catalogue`: that would ask this function for it.
    kinds = import_module("lethe.catalogue").KINDS
    for kind in ("method", "scope", "step", "weighting"):
        for entry in kinds[kind]:
            if entry.path.endswith(f":{name}"):
                return entry.load()
    raise AttributeError(f"module 'lethe' has no attribute '{name}'")
