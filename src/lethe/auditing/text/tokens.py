"""The token log: what one language model was measured to give each answer token of a set of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.errors import InputError


@dataclass(frozen=True, eq=False)
class TokenLog:
    """N answers of different lengths, n tokens in all, kept end to end without padding, on the CPU.

    An entry is an answer token, the end-of-sequence token among them; tokens of the prompt and padding have none.
    Row i owns the entries offsets[i] to offsets[i + 1], at least one.

    Args:
        log_probs: [n] float64, log p(a_t | prompt, a_<t) of the true tokens, in nats.
        greedy: [n] bool, whether the true token is the most probable one.
        offsets: [N + 1] int64, from 0 to n.
        mean: [n] float64, μ_t = Σ_v p_v log p_v over the vocabulary at that position; None where not measured.
        std: [n] float64, σ_t = √(Σ_v p_v (log p_v - μ_t)²); None where not measured.

    Raises:
        InputError: the arrays do not fit together, a row has no token, or a number is not finite.

    >>> log_probs, greedy = torch.tensor([-1.0, -3.0, -5.0]).double(), torch.tensor([True, True, False])
    >>> log = TokenLog(log_probs, greedy, offsets_of(torch.tensor([2, 1])))
    >>> log.means(log.log_probs).tolist(), log.take([1]).log_probs.tolist()
    ([-2.0, -5.0], [-5.0])
    """

    log_probs: Tensor
    greedy: Tensor
    offsets: Tensor
    mean: Tensor | None = None
    std: Tensor | None = None

    def __post_init__(self) -> None:
        _check_offsets(self.offsets, len(self.log_probs))
        if self.greedy.shape != self.log_probs.shape or self.greedy.dtype != torch.bool:
            raise InputError("greedy must be one truth value a token; compare the argmax with the true tokens")
        if (self.mean is None) != (self.std is None):
            raise InputError("mean and std belong together; give both or neither")
        for name, values in (("log_probs", self.log_probs), ("mean", self.mean), ("std", self.std)):
            if values is not None:
                self._check_numbers(name, values)

    def __len__(self) -> int:
        """Return the number of rows N."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """Return the number of tokens of each row, [N] int64."""
        return self.offsets.diff()

    @property
    def rows(self) -> Tensor:
        """Return the row of each token, [n] int64."""
        return torch.arange(len(self)).repeat_interleave(self.lengths)

    @property
    def positions(self) -> Tensor:
        """Return the place of each token in its row, from 0, [n] int64."""
        return torch.arange(len(self.log_probs)) - self.offsets[:-1].repeat_interleave(self.lengths)

    def sums(self, values: Tensor) -> Tensor:
        """Return the sum of [n] values over each row, [N] float64."""
        return torch.zeros(len(self), dtype=torch.float64).index_add_(0, self.rows, values.double())

    def means(self, values: Tensor) -> Tensor:
        """Return the mean of [n] values over each row, [N] float64."""
        return self.sums(values) / self.lengths

    def take(self, rows: Sequence[int] | Tensor) -> TokenLog:
        """Return the log of these rows, in this order; a row may be taken more than once.

        Args:
            rows: [K] positions from 0 to N - 1.

        Raises:
            InputError: a position is not in this log, or truth values are given.
        """
        taken = torch.as_tensor(rows)
        if taken.dtype == torch.bool:
            raise InputError("rows to take are positions, not truth values; use mask.nonzero().flatten()")
        taken = taken.long()
        outside = (taken < 0) | (taken >= len(self))
        if bool(outside.any()):
            raise InputError(f"row {int(taken[outside][0])} is not among the {len(self)} of this log; count from 0")
        lengths = self.lengths[taken]
        offsets = offsets_of(lengths)
        shifts = (self.offsets[:-1][taken] - offsets[:-1]).repeat_interleave(lengths)
        return self._at(torch.arange(int(offsets[-1])) + shifts, offsets)

    def without_last(self) -> TokenLog:
        """Return the log without the last token of each row, the end-of-sequence token where it was measured.

        Published exact memorization, extraction strength and Min-k leave that token out (Dorna et al. 2025,
        arXiv:2506.12618); probabilities and truth ratios count it.

        Raises:
            InputError: a row has no other token.
        """
        keep = (self.positions < self.lengths[self.rows] - 1).nonzero().flatten()
        return self._at(keep, offsets_of(self.lengths - 1))

    def _at(self, tokens: Tensor, offsets: Tensor) -> TokenLog:
        return TokenLog(
            self.log_probs[tokens],
            self.greedy[tokens],
            offsets,
            None if self.mean is None else self.mean[tokens],
            None if self.std is None else self.std[tokens],
        )

    def _check_numbers(self, name: str, values: Tensor) -> None:
        """Raise InputError unless these are n finite float64 numbers."""
        if values.shape != self.log_probs.shape or values.dim() != 1 or values.dtype != torch.float64:
            raise InputError(
                f"{name} must be one float64 a token, not {values.dtype} {list(values.shape)}; use .double()"
            )
        bad = (~torch.isfinite(values)).nonzero().flatten()
        if len(bad):
            raise InputError(f"{name} of row {int(self.rows[bad[0]])} is not finite; the model gave no usable logits")


def offsets_of(lengths: Tensor) -> Tensor:
    """Return where rows of these lengths begin and the last one ends, [N + 1].

    >>> offsets_of(torch.tensor([2, 1])).tolist()
    [0, 2, 3]
    """
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def joined(logs: Sequence[TokenLog]) -> TokenLog:
    """Return one log of the rows of several, in order.

    Raises:
        InputError: none is given, or some have mean and std and some do not.
    """
    if len({log.mean is None for log in logs}) != 1:
        raise InputError("token logs to join must all have mean and std, or none; measure them alike")
    means = [log.mean for log in logs if log.mean is not None]
    stds = [log.std for log in logs if log.std is not None]
    return TokenLog(
        torch.cat([log.log_probs for log in logs]),
        torch.cat([log.greedy for log in logs]),
        offsets_of(torch.cat([log.lengths for log in logs])),
        torch.cat(means) if means else None,
        torch.cat(stds) if stds else None,
    )


def _check_offsets(offsets: Tensor, count: int) -> None:
    """Raise InputError unless offsets part `count` tokens into rows of at least one."""
    if offsets.dtype != torch.int64 or offsets.dim() != 1 or len(offsets) < 1:
        raise InputError("offsets must be int64 [N + 1]; build them with offsets_of(lengths)")
    if int(offsets[0]) != 0 or int(offsets[-1]) != count:
        raise InputError(f"offsets run from {int(offsets[0])} to {int(offsets[-1])}; they must part {count} tokens")
    empty = (offsets.diff() < 1).nonzero().flatten()
    if len(empty):
        raise InputError(f"row {int(empty[0])} has no answer token; leave it out before measuring")
