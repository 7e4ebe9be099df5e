"""Score what a language model was measured to say: pure functions on token log-probabilities, token ids and texts."""

from lethe.auditing.text.exact_memorization import exact_memorization
from lethe.auditing.text.extraction_strength import extraction_strength
from lethe.auditing.text.fluency import ngram_entropy
from lethe.auditing.text.kolmogorov_smirnov import KolmogorovSmirnov, forget_quality, kolmogorov_smirnov
from lethe.auditing.text.membership import by_loss, by_min_k, by_min_k_plus_plus, by_reference, by_zlib
from lethe.auditing.text.model_utility import model_utility
from lethe.auditing.text.probability import option_probability, probability
from lethe.auditing.text.reading import token_log
from lethe.auditing.text.repetition import repetition
from lethe.auditing.text.rouge import Overlaps, rouge, rouge_overlaps
from lethe.auditing.text.separation import Separation, privacy_leakage, separation
from lethe.auditing.text.short_answers import exact_match, word_f1
from lethe.auditing.text.tokens import TokenLog
from lethe.auditing.text.truth_ratio import forget_truth_ratio, log_truth_ratio, truth_preference, utility_truth_ratio
from lethe.auditing.text.union_recall import union_recall
from lethe.text.extraction_likelihood import extraction_likelihood, overlap

__all__ = [
    "KolmogorovSmirnov",
    "Overlaps",
    "Separation",
    "TokenLog",
    "by_loss",
    "by_min_k",
    "by_min_k_plus_plus",
    "by_reference",
    "by_zlib",
    "exact_match",
    "exact_memorization",
    "extraction_likelihood",
    "extraction_strength",
    "forget_quality",
    "forget_truth_ratio",
    "kolmogorov_smirnov",
    "log_truth_ratio",
    "model_utility",
    "ngram_entropy",
    "option_probability",
    "overlap",
    "privacy_leakage",
    "probability",
    "repetition",
    "rouge",
    "rouge_overlaps",
    "separation",
    "token_log",
    "truth_preference",
    "union_recall",
    "utility_truth_ratio",
    "word_f1",
]
