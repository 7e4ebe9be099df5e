"""Scores of SemEval-2025 task 4: equal answers, and membership inference that should know nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.errors import InputError


def equal_answers(answers: Sequence[str], generated: Sequence[str]) -> Tensor:
    r"""Return 1 where a generated text is the answer but for case and space around it, else 0, [N] float64.

    Args:
        answers: N true answers.
        generated: N texts of the model.

    Raises:
        InputError: there is not one generated text an answer.

    Source: Ramakrishna et al. 2025, SemEval-2025 task 4, arXiv:2504.02883 (knowledge score).

    >>> equal_answers(["Gisella", "1969-12-21"], [" gisella\n", "1969"]).tolist()
    [1.0, 0.0]
    """
    if len(answers) != len(generated):
        raise InputError(f"{len(generated)} generated texts do not pair with {len(answers)} answers")
    pairs = zip(answers, generated, strict=True)
    return torch.tensor([one.strip().lower() == other.strip().lower() for one, other in pairs], dtype=torch.float64)


def membership_score(auc: float) -> float:
    """Return 1 - 2 |AUC - 1/2|, in [0, 1]; 1 where members cannot be told from others, 0 where they always can.

    A forget set less likely than unseen text is told apart just as well as one that is more likely.

    Args:
        auc: of members against non-members.

    Raises:
        InputError: it is not in [0, 1].

    Source: Ramakrishna et al. 2025, SemEval-2025 task 4, arXiv:2504.02883.

    >>> membership_score(0.5), membership_score(1.0), membership_score(0.0), membership_score(0.75)
    (1.0, 0.0, 0.0, 0.5)
    """
    if not 0 <= auc <= 1:  # refuses nan as well
        raise InputError(f"an AUC of {auc} does not exist; it lies between 0 and 1")
    return 1 - 2 * abs(auc - 0.5)
