"""Attribution: which training sets a model owes what it says to."""

from lethe.attribution.gradients import gradient_influence, hessian_influence, tracin
from lethe.attribution.influence import Influence, leave_one_out
from lethe.attribution.untrac import Ascent, untrac, untrac_inverse

__all__ = [
    "Ascent",
    "Influence",
    "gradient_influence",
    "hessian_influence",
    "leave_one_out",
    "tracin",
    "untrac",
    "untrac_inverse",
]
