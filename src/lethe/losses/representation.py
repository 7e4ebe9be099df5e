"""Losses on hidden states: send those of forget text elsewhere, keep those of retain text where they were."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.precision import full_precision
from lethe.segments import mean_by_row


def control_vector(width: int, length: float, generator: torch.Generator) -> Tensor:
    """Draw RMU's control vector v = c · u: u is uniform on [0, 1) in each dimension, then scaled to unit length.

    Draw it once a topic and keep it. All its entries are positive (a cosine of about 0.87 to the vector of ones), as
    published. A length below the usual norm of the activations makes no model forget.

    Args:
        width: d, the number of dimensions of the hidden state.
        length: c.
        generator: where the randomness comes from.

    Returns:
        [d] float32 on the generator's device.

    Source: Li et al. 2024, arXiv:2403.03218.

    >>> drawn = control_vector(8, 6.5, torch.Generator().manual_seed(0))
    >>> round(drawn.norm().item(), 4), bool((drawn >= 0).all())
    (6.5, True)
    """
    drawn = torch.rand(width, generator=generator, device=generator.device, dtype=torch.float32)
    return length * drawn / drawn.norm()


def activation_loss(
    hidden: Tensor,
    target: Tensor,
    rows: Tensor,
    count: int,
    over_width: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Return the squared distance of hidden states to their target, averaged over the tokens of each sequence.

    With the control vector as target it is RMU's forget loss, with the frozen model's hidden states its retain loss.

    Args:
        hidden: [n, D] hidden states of the tokens that count (no padding).
        target: [D], one for all, or [n, D], one a token; it gets no gradient.
        rows: [n] sorted indices of the sequences that the tokens belong to.
        count: number B of sequences.
        over_width: "mean" divides by D, as all published weights of this loss assume; "sum" is the squared norm of
            the paper's formula.

    Returns:
        [B] values, at least 0; each sequence is averaged over its own tokens.

    Source: Li et al. 2024, arXiv:2403.03218.

    >>> hidden = torch.tensor([[1.0, 1.0], [3.0, 1.0], [0.0, 2.0]])
    >>> activation_loss(hidden, torch.zeros(2), torch.tensor([0, 0, 1]), 2)  # (1 + 5)/2 and 2
    tensor([3., 2.])
    """
    squared = (full_precision(hidden) - full_precision(target).detach()).square()
    return mean_by_row(squared.mean(-1) if over_width == "mean" else squared.sum(-1), rows, count)


def hidden_distance(hidden: Tensor, before: Tensor) -> Tensor:
    """Return ‖h_0 - h_θ‖_2 of each token, the retain loss of Tamper-Attack Resistance; the gradient at 0 is 0.

    Args:
        hidden: [n, D] hidden states.
        before: [n, D] the frozen model's; they get no gradient.

    Returns:
        [n] values, at least 0; the published loss averages them over tokens and layers.

    Source: Tamirisa et al. 2024, TAR, arXiv:2408.00761.

    >>> hidden_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)).item()
    5.0
    """
    return torch.linalg.vector_norm(full_precision(hidden) - full_precision(before).detach(), dim=-1)


def random_mapping(hidden: Tensor, vectors: Tensor) -> Tensor:
    """Return 1 - |cos(h_t, r_t)| of each token, which pulls hidden states to the line of a fixed random vector.

    Args:
        hidden: [n, D] hidden states of forget text.
        vectors: [n, D] the random vector of each token's id.

    Returns:
        [n] values between 0 and 1.

    Source: Tamirisa et al. 2024, TAR, arXiv:2408.00761 (the initial safeguard).

    >>> random_mapping(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    tensor([0., 1.])
    """
    return 1 - F.cosine_similarity(full_precision(hidden), full_precision(vectors).detach(), dim=-1).abs()
