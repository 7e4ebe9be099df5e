"""Names in texts: finding them, and replacing each by another, with a record of what was replaced where."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lethe.errors import ConfigurationError, InputError

_RUN = re.compile(r"[A-Z](?:\.|[\w-]*)(?: [A-Z](?:\.|[\w-]*))*")  # a full stop belongs to an initial alone
_WORD = re.compile(r"[\w'-]+|[^\w\s]")


@dataclass(frozen=True)
class Mention:
    """One place where a name stands.

    Attributes:
        start: its first character.
        end: the character after its last.
        name: the name.
    """

    start: int
    end: int
    name: str


def mentions(text: str, names: Sequence[str]) -> list[Mention]:
    """Return where these names stand in a text, in order; of two that overlap the longer one counts.

    A name is a whole word or several: `Ada` is not found in `Adam`, but it is in `Ada's`.

    >>> [m.name for m in mentions("Harry Potter met Harry, not Harriet.", ["Harry", "Harry Potter"])]
    ['Harry Potter', 'Harry']
    """
    if not names:
        return []
    longest_first = sorted(set(names), key=lambda name: (-len(name), name))
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)")
    return [Mention(found.start(), found.end(), found.group()) for found in pattern.finditer(text)]


def replaced(text: str, substitutes: Mapping[str, str]) -> str:
    """Return the text with every name replaced by its substitute.

    >>> replaced("Harry Potter met Ron; Harry's owl left.", {"Harry Potter": "Jon Snow", "Harry": "Jon"})
    "Jon Snow met Ron; Jon's owl left."
    """
    made, last = [], 0
    for found in mentions(text, list(substitutes)):
        made += [text[last : found.start], substitutes[found.name]]
        last = found.end
    return "".join([*made, text[last:]])


def with_parts(substitutes: Mapping[str, str]) -> dict[str, str]:
    """Return the substitutes with the first and last names of those whose names have several words on both sides.

    A part that has a substitute of its own, or that belongs to several names, is left as it is given.

    >>> with_parts({"Ada Lowe": "Eva Kern"})
    {'Ada Lowe': 'Eva Kern', 'Ada': 'Eva', 'Lowe': 'Kern'}
    """
    parts: dict[str, str] = {}
    shared = Counter(part for name in substitutes for part in {name.split()[0], name.split()[-1]})
    for name, other in substitutes.items():
        if len(name.split()) > 1 and len(other.split()) > 1:
            for place in (0, -1):
                if shared[name.split()[place]] == 1:
                    parts[name.split()[place]] = other.split()[place]
    return {**substitutes, **{part: other for part, other in parts.items() if part not in substitutes}}


def distinctive_names(texts: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the names that stand in these texts and in none of the others, in order of appearance.

    A name is a run of words that begin with a capital letter; the first word of a sentence counts where it is never
    written small. What both sets name, such as a large town, tells nothing about the texts alone.

    Args:
        texts: texts to be forgotten.
        others: texts that stay.
    """
    small = _small_words([*texts, *others])
    elsewhere = "\n".join(others)
    found = dict.fromkeys(name for text in texts for name in _runs(text, small))
    return [name for name in found if not mentions(elsewhere, [name])]


def alike(names: Sequence[str], texts: Sequence[str], others: Sequence[str], count: int) -> dict[str, list[str]]:
    """Return for each name the `count` names of the other texts that are used most like it, most alike first.

    Two names are used alike where the same words stand before and after them, and they have as many words: a person is
    replaced by a person, a town by a town. A name that too few are used like is left out.

    Args:
        names: names in the texts.
        texts: where they stand.
        others: texts to take the replacements from.
        count: replacements a name.

    Raises:
        InputError: there are that many for no name.
    """
    small = _small_words([*texts, *others])
    known = dict.fromkeys(name for text in others for name in _runs(text, small))
    candidates = [name for name in known if name not in set(names)]
    contexts = _contexts(candidates, others)
    found: dict[str, list[str]] = {}
    for name, own in _contexts(names, texts).items():
        shared = {other: sum((own & seen).values()) for other, seen in contexts.items()}
        same_size = [other for other in candidates if shared[other] and len(other.split()) == len(name.split())]
        if len(same_size) >= count:
            found[name] = sorted(same_size, key=lambda other: -shared[other])[:count]
    if not found:
        raise InputError(
            f"of {len(names)} names that only the forget set holds, none has {count} in the retain set that are used "
            "like it; give the replacements as a JSON file of names"
        )
    return found


def drawn(choices: Mapping[str, Sequence[str]], generator: torch.Generator) -> dict[str, str]:
    """Return one replacement for each name, drawn at random, of which no two names get the same where that can be."""
    taken: dict[str, str] = {}
    for name, others in choices.items():
        free = [other for other in others if other not in taken.values()] or list(others)
        taken[name] = free[int(torch.randint(len(free), (), generator=generator))]
    return taken


def read_names(path: str) -> dict[str, Any]:
    """Return the JSON object of a file: from each name to its replacement or replacements.

    Raises:
        InputError: the file cannot be read, or is no object whose keys are names.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: names cannot be read ({error}); give a JSON object from name to replacement"
        ) from None
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: there are no names; give a JSON object from name to replacement")
    return found


def require_replacement(name: str, other: object) -> str:
    """Return the replacement; raises ConfigurationError where it is no text or the name has no word."""
    if not isinstance(other, str) or not other.strip() or not name.strip():
        raise ConfigurationError(f"the replacement of '{name}' is {other!r}; give a name that is not empty for each")
    return other


def _small_words(texts: Sequence[str]) -> set[str]:
    """Return the words that are written with a small letter somewhere."""
    return {word for text in texts for word in _WORD.findall(text) if word[:1].islower()}


def _runs(text: str, small: set[str]) -> Iterator[str]:
    """Yield the runs of capitalised words, without the words that only begin a sentence."""
    for found in _RUN.finditer(text):
        before, words = text[: found.start()].rstrip(), found.group().removesuffix("'s").split()
        if not before or before[-1] in ".?!:\n\"'(":
            while words and words[0].lower() in small:
                words.pop(0)
        if words:
            yield " ".join(words)


def _contexts(names: Sequence[str], texts: Sequence[str]) -> dict[str, Counter[tuple[str, str]]]:
    """Return for each name how often which word stands before it, and which after it."""
    found: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in names}
    for text in texts:
        for mention in mentions(text, names):
            before, after = _WORD.findall(text[: mention.start]), _WORD.findall(text[mention.end :])
            found[mention.name]["before", _kind(before[-1]) if before else ""] += 1
            found[mention.name]["after", _kind(after[0]) if after else ""] += 1
    return found


def _kind(word: str) -> str:
    """Return the word in lower case, or the mark that stands for any number."""
    return "#" if word.isdigit() else word.lower()
