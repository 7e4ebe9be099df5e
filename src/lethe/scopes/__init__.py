"""Which weights may move: masks, layers, and the passes that score weights."""

from lethe.scopes.base import All, Both, Bound, BoundMask, Mask, Scope
from lethe.scopes.layers import LastLayers, Layers
from lethe.scopes.lora import LoRA
from lethe.scopes.magnitude import Magnitude, NonZero, RandomMask
from lethe.scopes.saliency import Saliency

__all__ = [
    "All",
    "Both",
    "Bound",
    "BoundMask",
    "LastLayers",
    "Layers",
    "LoRA",
    "Magnitude",
    "Mask",
    "NonZero",
    "RandomMask",
    "Saliency",
    "Scope",
]
