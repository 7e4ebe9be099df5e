"""Which systems of the catalogue fit a request, why, and the command that runs each."""

from lethe.recommend.advice import Advice, recommend
from lethe.recommend.motives import EVALUATIONS, Motive
from lethe.recommend.request import Request, seconds_of

__all__ = ["EVALUATIONS", "Advice", "Motive", "Request", "recommend", "seconds_of"]
