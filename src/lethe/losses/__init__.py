"""Pure functions, tensors in, tensors out, one published formula each."""

from lethe.losses.adjusted_targets import ceu, undial
from lethe.losses.angles import cosine_logits, cosines
from lethe.losses.divergence import js_divergence, kl_divergence, soft_cross_entropy
from lethe.losses.embeddings import bounded_exponential, contrastive_alignment
from lethe.losses.f_divergence import F_DIVERGENCES, FDivergence, flat
from lethe.losses.feature_targets import (
    class_distance,
    contraction,
    cosine_distance,
    largest_probability,
    tukey,
)
from lethe.losses.flattening import correct_logit, logit_margin_flattening, negative_entropy
from lethe.losses.hinge import inverted_hinge
from lethe.losses.information import log_mean_exp, mutual_information
from lethe.losses.preference import dpo, kto, kto_scaled, npo, simnpo
from lethe.losses.representation import activation_loss, control_vector, hidden_distance, random_mapping
from lethe.losses.routing import router_anchor
from lethe.losses.scores import entropy, margin, modified_entropy
from lethe.losses.token_weighting import satimp, wga
from lethe.losses.tokens import likeliest_other, token_log_probs
from lethe.losses.transport import as_matrix, sliced_wasserstein, unit_directions

__all__ = [
    "F_DIVERGENCES",
    "FDivergence",
    "activation_loss",
    "as_matrix",
    "bounded_exponential",
    "ceu",
    "class_distance",
    "contraction",
    "contrastive_alignment",
    "control_vector",
    "correct_logit",
    "cosine_distance",
    "cosine_logits",
    "cosines",
    "dpo",
    "entropy",
    "flat",
    "hidden_distance",
    "inverted_hinge",
    "js_divergence",
    "kl_divergence",
    "kto",
    "kto_scaled",
    "largest_probability",
    "likeliest_other",
    "log_mean_exp",
    "logit_margin_flattening",
    "margin",
    "modified_entropy",
    "mutual_information",
    "negative_entropy",
    "npo",
    "random_mapping",
    "router_anchor",
    "satimp",
    "simnpo",
    "sliced_wasserstein",
    "soft_cross_entropy",
    "token_log_probs",
    "tukey",
    "undial",
    "unit_directions",
    "wga",
]
