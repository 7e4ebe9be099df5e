"""Pure functions, tensors in, tensors out, one published formula each."""

from lethe.losses.divergence import js_divergence, kl_divergence
from lethe.losses.scores import entropy, margin, modified_entropy

__all__ = ["entropy", "js_divergence", "kl_divergence", "margin", "modified_entropy"]
