"""Which weights may move: masks, layers, and the passes that score weights."""

from lethe.scopes.base import All, Both, Bound, BoundMask, Given, Mask, Scope
from lethe.scopes.blocks import Blocks
from lethe.scopes.experts import OneExpert
from lethe.scopes.layers import LastLayers, Layers
from lethe.scopes.lora import LoRA
from lethe.scopes.magnitude import Magnitude, NonZero, RandomMask
from lethe.scopes.memflex import MemFlexRegion
from lethe.scopes.saliency import Saliency
from lethe.scopes.traced import TracedLayers
from lethe.scopes.value_vectors import ValueVectors
from lethe.scopes.wagle import WAGLE

__all__ = [
    "WAGLE",
    "All",
    "Blocks",
    "Both",
    "Bound",
    "BoundMask",
    "Given",
    "LastLayers",
    "Layers",
    "LoRA",
    "Magnitude",
    "Mask",
    "MemFlexRegion",
    "NonZero",
    "OneExpert",
    "RandomMask",
    "Saliency",
    "Scope",
    "TracedLayers",
    "ValueVectors",
]
