"""What attacks brought back: the cost of each, and what the models said when they were asked, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lethe.numbers import NOTHING, duration
from lethe.report.reading import Evidence, found, names, names_of

MOST = 6
"""Exchanges an attack, of all models together."""

LONGEST = 400
"""Characters of a text that are shown; a page that quotes whole documents is read by nobody."""


@dataclass(frozen=True)
class Exchange:
    """One question and what was said to it.

    Args:
        prompt: what was asked.
        answer: what was to be forgotten.
        said: (model, its reply), a dash where a model's reply to this question was not kept.
    """

    prompt: str
    answer: str
    said: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Interview:
    """The exchanges of one attack.

    Args:
        title: the attack.
        exchanges: what was asked and said.
    """

    title: str
    exchanges: tuple[Exchange, ...]


def interviews(evidences: Sequence[Evidence]) -> list[Interview]:
    """Return the examples that attacks kept, those of original and gold beside the models'."""
    given = []
    for name in names_of(evidences, "attacks"):
        entries = [found(evidence, "attacks", name) for evidence in evidences]
        first = next(entry for entry in entries if entry is not None)
        sides = [("original", _replies(first["original_details"]))]
        sides += [("gold", _replies(details)) for details in first["gold_details"][:1]]
        audited = [
            (label, _replies(entry["details"]) if entry else {})
            for label, entry in zip(names(evidences), entries, strict=True)
        ]
        asked = {prompt: answer for _, replies in audited for prompt, (answer, _) in replies.items()}
        exchanges = tuple(
            Exchange(cut(prompt), cut(answer), tuple((who, _said(replies, prompt)) for who, replies in sides + audited))
            for prompt, answer in asked.items()
        )
        if exchanges:
            # Those that most models were asked first: what cannot be compared says little.
            known = sorted(exchanges, key=lambda one: sum(said == NOTHING for _, said in one.said))
            given.append(Interview(first["title"], tuple(known[:MOST])))
    return given


def price(details: Mapping[str, Any]) -> str:
    """Return what an attack took, in words; empty where it did not say.

    >>> price({"cost": {"steps": 40, "seconds": 75.0, "rank": 4}})
    '40 steps, 1.2 min, rank 4'
    """
    words = []
    for name, value in (details.get("cost") or {}).items():
        if name == "seconds":
            words.append(duration(value))
        elif name.endswith("s") and isinstance(value, (int, float)):
            words.append(f"{value:,.0f} {name.replace('_', ' ')}" if value >= 1 else f"{value:g} {name}")
        else:
            words.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(words)


def cut(text: str) -> str:
    """Return a text short enough to be read."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _replies(details: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {str(one["prompt"]): (str(one["answer"]), str(one["said"])) for one in details.get("examples") or ()}


def _said(replies: Mapping[str, tuple[str, str]], prompt: str) -> str:
    return cut(replies[prompt][1]) or "(nothing)" if prompt in replies else NOTHING
