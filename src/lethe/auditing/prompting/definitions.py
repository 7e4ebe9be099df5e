"""Definitions: concepts as sets of axioms, and a filter that knows a forgotten concept by what a prompt defines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lethe.errors import ConfigurationError, InputError

_DEFINES = re.compile(r"^(?:an?\s+|the\s+)?(\w+)\s+(?:is|are|means)\s+(.+)$", re.IGNORECASE)
_SENTENCE = re.compile(r"[.:!?\n;]+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Concepts:
    """What concepts are made of; a word that is defined nowhere is an axiom.

    Args:
        definitions: name to the names and axioms it is made of, in lower case.
    """

    definitions: Mapping[str, Sequence[str]]

    def axioms(self, name: str, _above: tuple[str, ...] = ()) -> frozenset[str]:
        """Return the axioms of a concept, an axiom's own being itself.

        Raises:
            InputError: a concept is defined by itself.

        >>> concepts = Concepts({"cat": ["ear", "eye", "tail"], "tiger": ["cat", "big", "striped"]})
        >>> sorted(concepts.axioms("tiger"))
        ['big', 'ear', 'eye', 'striped', 'tail']
        """
        if name in _above:
            raise InputError(f"'{name}' is defined by itself; define it by other words")
        if name not in self.definitions:
            return frozenset([name])
        return frozenset().union(*(self.axioms(part, (*_above, name)) for part in self.definitions[name]))

    @property
    def words(self) -> frozenset[str]:
        """All names and axioms."""
        return frozenset(self.definitions).union(*self.definitions.values())


@dataclass(frozen=True)
class DefinitionFilter:
    """Blocks a prompt or response that names a forbidden concept, or defines anything that is as good as one.

    Every sentence `a NAME is …` defines its name by the known words in it, and by names defined before or after; the
    axioms A of each such name are compared with those F of every forbidden concept: it is blocked where the Jaccard
    index |A ∩ F| / |A ∪ F| is at least the threshold. Order and wording do not matter.

    Args:
        concepts: what concepts are made of.
        forbidden: names of concepts that may not be used.
        threshold: Jaccard index from which a definition counts as the concept's, in (0, 1].

    Source: Shumailov et al. 2024 (UnUnlearning), arXiv:2407.00106, which asks for such filters; this one is lethe's.
    """

    concepts: Concepts
    forbidden: tuple[str, ...]
    threshold: float = 1.0
    _targets: tuple[frozenset[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigurationError(f"the threshold must lie above 0 and not above 1, not {self.threshold}")
        unknown = [name for name in self.forbidden if name not in self.concepts.definitions]
        if unknown:
            raise ConfigurationError(f"'{unknown[0]}' is forbidden and no concept; define it")
        object.__setattr__(self, "_targets", tuple(map(self.concepts.axioms, self.forbidden)))

    def __call__(self, prompt: str, response: str = "") -> bool:
        """Return whether prompt and response together are blocked."""
        text = f"{prompt}\n{response}".lower()
        if set(self.forbidden) & set(_WORD.findall(text)):
            return True
        return any(
            len(made & target) / len(made | target) >= self.threshold
            for made in self.defined(text).values()
            for target in self._targets
        )

    def defined(self, text: str) -> dict[str, frozenset[str]]:
        """Return the axioms of every name that a text defines; names without any known word are left out."""
        found: dict[str, list[str]] = {}
        for sentence in _SENTENCE.split(text):
            match = _DEFINES.match(sentence.strip())
            if match and match.group(1) not in self.concepts.words:
                found.setdefault(match.group(1), []).extend(_WORD.findall(match.group(2)))
        made = {name: frozenset[str]() for name in found}
        # Names defined by each other add nothing to each other: a prompt cannot send this round in circles.
        for _ in made:
            for name, words in found.items():
                made[name] = frozenset().union(*(self._meant(word, made) for word in words))
        return {name: axioms for name, axioms in made.items() if axioms}

    def _meant(self, word: str, made: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """Return the axioms of a word; nothing where it means nothing."""
        return self.concepts.axioms(word) if word in self.concepts.words else made.get(word, frozenset())
