"""The checks every system passes, for the packages of others too.

>>> from lethe.methods.baselines.gradient_ascent import GradientAscent
>>> check_method(GradientAscent(epochs=1), tiny_problem())
"""

from lethe.testing.methods import (
    check_deterministic,
    check_mask_exact,
    check_method,
    check_needs,
    check_original_untouched,
    check_resumable,
    check_saves_and_loads,
)
from lethe.testing.metrics import check_attack, check_metric
from lethe.testing.parts import check_declared, check_scope, check_step, check_weighting
from lethe.testing.problems import tiny_problem

__all__ = [
    "check_attack",
    "check_declared",
    "check_deterministic",
    "check_mask_exact",
    "check_method",
    "check_metric",
    "check_needs",
    "check_original_untouched",
    "check_resumable",
    "check_saves_and_loads",
    "check_scope",
    "check_step",
    "check_weighting",
    "tiny_problem",
]
