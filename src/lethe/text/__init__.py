"""What a language model says by itself of a text it has read: measured while it unlearns, and when it is audited."""

from lethe.text.consistency import Consistency, answer_class, consistency
from lethe.text.extraction_likelihood import extraction_likelihood, overlap
from lethe.text.memorization import extraction_likelihoods, memorization_accuracies
from lethe.text.private_decoding import mixed_with_uniform

__all__ = [
    "Consistency",
    "answer_class",
    "consistency",
    "extraction_likelihood",
    "extraction_likelihoods",
    "memorization_accuracies",
    "mixed_with_uniform",
    "overlap",
]
