"""How the gradients of an objective become one update."""

from lethe.steps.adaptive import AdaptiveRetain
from lethe.steps.alternating import Alternating
from lethe.steps.averaging import WeightAveraging
from lethe.steps.base import Step
from lethe.steps.gradient_restriction import GradientRestriction
from lethe.steps.mudman import Disruption
from lethe.steps.pairs import Agreeing, Orthogonal
from lethe.steps.plain import Clip, Plain
from lethe.steps.primal_dual import PrimalDual
from lethe.steps.sam import SAM
from lethe.steps.smoothed import CurvatureRegularisation, GradientPenalty, RandomSmoothing
from lethe.steps.sophia import Sophia
from lethe.steps.tampering import TamperResistance
from lethe.steps.uno import UNO, Surgery
from lethe.terms import Terms

__all__ = [
    "SAM",
    "UNO",
    "AdaptiveRetain",
    "Agreeing",
    "Alternating",
    "Clip",
    "CurvatureRegularisation",
    "Disruption",
    "GradientPenalty",
    "GradientRestriction",
    "Orthogonal",
    "Plain",
    "PrimalDual",
    "RandomSmoothing",
    "Sophia",
    "Step",
    "Surgery",
    "TamperResistance",
    "Terms",
    "WeightAveraging",
]
