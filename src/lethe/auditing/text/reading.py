"""Read logits into a token log: the only step from a model's output to numbers that metrics score."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.auditing.text.tokens import TokenLog, offsets_of
from lethe.errors import InputError


def token_log(logits: Tensor, targets: Tensor, lengths: Tensor, moments: bool = True) -> TokenLog:
    """Return the token log of rows whose logits stand end to end.

    Logits of row t are those that predict token t: the caller has shifted them. Half precision is computed in float32.
    The variance is a sum of squared deviations: the difference E[x²] - E[x]² would lose the small ones to rounding,
    and may turn negative. Of equally large logits the first counts as the most probable token.

    Args:
        logits: [n, V].
        targets: [n] int64 true tokens.
        lengths: [N] int64 tokens of each row, n in all.
        moments: whether to measure mean and std of log p, which Min-k++ alone reads.

    Returns:
        The log, on the CPU.

    Raises:
        InputError: shapes do not fit, or a log-probability is not finite.

    >>> log = token_log(torch.zeros(2, 4).double(), torch.tensor([0, 3]), torch.tensor([2]))
    >>> log.log_probs.exp().tolist(), log.greedy.tolist()
    ([0.25, 0.25], [True, False])
    """
    if logits.dim() != 2 or targets.shape != logits.shape[:1]:
        raise InputError(f"logits {list(logits.shape)} and targets {list(targets.shape)} must be [n, V] and [n]")
    precise = logits if logits.dtype == torch.float64 else logits.float()
    log_p = precise.log_softmax(-1)
    mean, std = _moments(log_p) if moments else (None, None)
    return TokenLog(
        log_p.gather(1, targets.unsqueeze(1)).squeeze(1).double().cpu(),
        (precise.argmax(-1) == targets).cpu(),
        offsets_of(lengths.cpu()),
        mean,
        std,
    )


def _moments(log_p: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of log p under p itself, [n] each; tokens with p = 0 add nothing."""
    p = log_p.exp()
    possible = p > 0
    mean = (p * torch.where(possible, log_p, 0)).sum(-1)
    deviations = torch.where(possible, log_p - mean.unsqueeze(-1), 0)
    return mean.double().cpu(), (p * deviations.square()).sum(-1).sqrt().double().cpu()
