"""Attribution: which training sets a model owes what it says to."""

from lethe.attribution.datamodels import SubsetModel, regression_effects, subset_models
from lethe.attribution.gradients import gradient_influence, hessian_influence, tracin
from lethe.attribution.influence import Influence, leave_one_out
from lethe.attribution.trak import trak_effects
from lethe.attribution.untrac import Ascent, untrac, untrac_inverse

__all__ = [
    "Ascent",
    "Influence",
    "SubsetModel",
    "gradient_influence",
    "hessian_influence",
    "leave_one_out",
    "regression_effects",
    "subset_models",
    "tracin",
    "trak_effects",
    "untrac",
    "untrac_inverse",
]
