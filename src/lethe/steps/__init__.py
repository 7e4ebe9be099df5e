"""How the gradients of an objective become one update."""

from lethe.steps.base import Step
from lethe.steps.pairs import Agreeing, Orthogonal
from lethe.steps.plain import Clip, Plain
from lethe.steps.sam import SAM
from lethe.terms import Terms

__all__ = ["SAM", "Agreeing", "Clip", "Orthogonal", "Plain", "Step", "Terms"]
