"""Membership scores: how much each row looks like one that the model was trained on (larger: more so)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from lethe.auditing.text.tokens import TokenLog
from lethe.errors import ConfigurationError, InputError


def by_loss(log: TokenLog) -> Tensor:
    """Return mean_t log p_t of each row, the loss with its sign turned, [N].

    Source: Yeom et al. 2018, arXiv:1709.01604.
    """
    return log.means(log.log_probs)


def by_zlib(log: TokenLog, texts: Sequence[str], loss: Literal["total", "mean"] = "total") -> Tensor:
    """Return log-likelihood / bytes of the zlib-compressed text of each row, [N].

    Args:
        log: of N rows.
        texts: the N texts that the tokens of the log spell.
        loss: "total" divides the log-likelihood of the text, nats by bytes; "mean" that of a token, as the
            published numbers do, which lets the number of tokens weigh twice.

    Raises:
        InputError: there is not one text a row.

    Source: Carlini et al. 2021, arXiv:2012.07805, section 5.2.

    >>> log = TokenLog(torch.tensor([-9.0, -9.0]).double(), torch.tensor([False, False]), torch.tensor([0, 2]))
    >>> by_zlib(log, ["a"]).tolist(), by_zlib(log, ["a"], "mean").tolist()
    ([-2.0], [-1.0])
    """
    if len(texts) != len(log):
        raise InputError(f"there are {len(texts)} texts for {len(log)} rows; give the text of each row")
    sizes = torch.tensor([len(zlib.compress(text.encode())) for text in texts], dtype=torch.float64)
    return (log.sums if loss == "total" else log.means)(log.log_probs) / sizes


def by_min_k(log: TokenLog, share: float = 0.2) -> Tensor:
    """Return the mean of the k = max(1, ⌊share·n⌋) smallest log p_t of each row, [N].

    Args:
        log: of N rows.
        share: of the tokens, in (0, 1]; 1 gives `by_loss`.

    Raises:
        ConfigurationError: the share is not in (0, 1].

    Source: Shi et al. 2023, arXiv:2310.16789.

    >>> log = TokenLog(-torch.arange(1, 6).double(), torch.zeros(5, dtype=torch.bool), torch.tensor([0, 5]))
    >>> by_min_k(log, 0.4).tolist(), by_min_k(log, 0.01).tolist()
    ([-4.5], [-5.0])
    """
    return _mean_of_smallest(log, log.log_probs, share)


def by_min_k_plus_plus(log: TokenLog, share: float = 0.2, least_std: float = 1e-3) -> Tensor:
    """Return the mean of the k smallest z_t = (log p_t - μ_t) / max(σ_t, least_std) of each row, [N].

    Args:
        log: of N rows, with mean and std.
        share: of the tokens, in (0, 1].
        least_std: floor of σ in nats: a certain or uniform position has σ = 0.

    Raises:
        InputError: mean and std were not measured.
        ConfigurationError: the share is not in (0, 1].

    Source: Zhang et al. 2024, arXiv:2404.02936.

    >>> one = torch.ones(1).double()
    >>> by_min_k_plus_plus(TokenLog(-2 * one, torch.tensor([False]), torch.tensor([0, 1]), -one, 0.5 * one)).tolist()
    [-2.0]
    """
    if log.mean is None or log.std is None:
        raise InputError("Min-k++ reads mean and std of log p over the vocabulary; measure them with the token log")
    return _mean_of_smallest(log, (log.log_probs - log.mean) / log.std.clamp(min=least_std), share)


def by_reference(log: TokenLog, reference: TokenLog) -> Tensor:
    """Return mean_t log p_t - mean_t log p_t^ref of each row, [N]: what the model knows beyond a reference model.

    Each model may cut the text into tokens of its own.

    Raises:
        InputError: the logs are not of the same number of rows.

    Source: Carlini et al. 2021, arXiv:2012.07805, section 5.2.
    """
    if len(log) != len(reference):
        raise InputError(f"the reference was measured on {len(reference)} rows, not {len(log)}; measure the same rows")
    return by_loss(log) - by_loss(reference)


def _mean_of_smallest(log: TokenLog, values: Tensor, share: float) -> Tensor:
    """Return the mean of the smallest `share` of [n] values of each row, of one at least, [N]."""
    if not 0 < share <= 1:
        raise ConfigurationError(f"a share of {share} of the tokens does not exist; choose one above 0, at most 1")
    ascending = values.argsort(stable=True)
    ordered = values[ascending[log.rows[ascending].argsort(stable=True)]]  # rows as before, ascending in each
    # 0.29 · 100 is just below 29 in floating point.
    counts = (log.lengths.double() * share + 1e-9).long().clamp(min=1)
    return log.sums(torch.where(log.positions < counts[log.rows], ordered, 0)) / counts
