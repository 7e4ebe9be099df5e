"""AdversarialProbes: RWKU's nine adversarial ways of asking, on any forget set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lethe.auditing.attacks.prompts import PromptAttack
from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.items import Item
from lethe.auditing.prompting.probes import OFFLINE
from lethe.auditing.prompting.translating import IN_ENGLISH, REQUEST, by_dictionary, read_dictionary
from lethe.auditing.prompting.variant import Transform
from lethe.auditing.prompting.writing import Writing, looked_up, missing
from lethe.generators import Writer
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class AdversarialProbes(PromptAttack):
    """Ask each forget question in RWKU's nine adversarial ways: what obeys a filter of plain questions answers these.

    Prefix injection, affirmative suffix, role playing, multiple choice, reverse query (the answer is the subject),
    synonyms, background, a solved question on the same subject, and another language, which needs a generator or a
    dictionary. The benchmark's own probes were written by a language model; these come from patterns and from what
    else the data knows of the subject.

    Args:
        language: of the ninth probe.
        generator: the folder or name of a language model that translates; empty leaves the ninth probe out.
        dictionary: a JSON object from word to word, which translates without a model; empty for none.

    Source: Jin et al. 2024 (RWKU), arXiv:2406.10890.
    """

    language: str = "French"
    generator: str | Writer = ""
    dictionary: str = ""

    title: ClassVar[str] = "Adversarial probes"

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return the probes; the ninth says what it lacks where nobody translates."""
        return {**OFFLINE, "cross_lingual": self._translated(items, run, known)}

    def _translated(self, items: Sequence[Item], run: Run, known: Measurements) -> Transform:
        if self.dictionary:
            return by_dictionary(read_dictionary(self.dictionary))
        writing = Writing(self.generator, run, known, self.title)
        if not writing.follows:
            return missing("needs somebody who translates; name a language model with --generator, or a dictionary=")
        told = REQUEST.format(language=self.language)
        texts = writing.follow([f"{told}\nQuestion: {item.prompt}" for item in items])
        return looked_up("cross_lingual", items, [f"{text} {IN_ENGLISH}" for text in texts])
