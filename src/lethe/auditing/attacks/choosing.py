"""Choosing: which of several options a language model finds likeliest."""

from __future__ import annotations

from collections.abc import Sequence

from lethe.auditing.prompting.asking import Asker, cut
from lethe.auditing.prompting.options import Choice, option_variants


def chosen(asker: Asker, choices: Sequence[Choice]) -> list[int]:
    """Return for each question the option with the largest mean log-probability a token, the first of equals."""
    variants = [option_variants(choice) for choice in choices]
    values = cut(asker.log_probs([one for own in variants for one in own]), variants)
    return [max(range(len(own)), key=lambda i: own[i]) for own in values]
