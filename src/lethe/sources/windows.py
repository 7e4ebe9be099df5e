"""Windows: a long text cut into pieces that fit, between words where there are words."""

from __future__ import annotations

from collections.abc import Callable


def first_that(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the smallest number in low … high for which a monotone condition holds; `high` is not tried.

    >>> first_that(lambda n: n * n >= 30, 0, 10)
    6
    """
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high


def windows(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Return the text in as few pieces as fit one after another; joined they are the text.

    A piece ends before a space, or inside a word where a single word does not fit.

    Args:
        text: what to cut.
        fits: whether a piece is short enough; a single character must be.

    >>> windows("to be or not to be", lambda piece: len(piece) <= 8)
    ['to be or', ' not to', ' be']
    """
    pieces: list[str] = []
    guess = len(text)
    while text:
        end = _longest(text, fits, guess)
        pieces.append(text[:end])
        text, guess = text[end:], end
    return pieces


def _longest(text: str, fits: Callable[[str], bool], guess: int) -> int:
    """Return how many characters make the longest piece at the text's beginning; `guess` is a length to start with."""
    high = min(2 * max(guess, 1), len(text))
    # Doubled first, so that the search does not tokenise all of a long text again and again.
    while high < len(text) and fits(text[:high]):
        high = min(2 * high, len(text))
    if high == len(text) and fits(text):
        return len(text)
    breaks = [n for n in range(1, high) if text[n].isspace() and not text[n - 1].isspace()]
    fitting = first_that(lambda n: not fits(text[: breaks[n]]), 0, len(breaks))
    if fitting:
        return breaks[fitting - 1]
    return max(first_that(lambda n: not fits(text[:n]), 1, high) - 1, 1)
