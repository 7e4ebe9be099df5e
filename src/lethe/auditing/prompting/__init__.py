"""Ways of asking: transforms from a question to tagged prompts, and the one place that asks a model many of them."""

from lethe.auditing.prompting.asking import Asker, Reply, cut
from lethe.auditing.prompting.items import Beside, Item, items_of, sampled
from lethe.auditing.prompting.scoring import Summary, summarised
from lethe.auditing.prompting.variant import IDENTITY, Transform, Variant, Varied, identity, varied

__all__ = [
    "IDENTITY",
    "Asker",
    "Beside",
    "Item",
    "Reply",
    "Summary",
    "Transform",
    "Variant",
    "Varied",
    "cut",
    "identity",
    "items_of",
    "sampled",
    "summarised",
    "varied",
]
