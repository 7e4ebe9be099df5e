"""Translation: the same questions in other languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lethe.auditing.attacks.prompts import PromptAttack
from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.items import Item
from lethe.auditing.prompting.translating import IN_ENGLISH, LANGUAGES, REQUEST, by_dictionary, read_dictionary
from lethe.auditing.prompting.variant import Transform
from lethe.auditing.prompting.writing import Writing, looked_up
from lethe.generators import Writer
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class Translation(PromptAttack):
    """Ask each forget question in other languages, to be answered in English.

    Args:
        languages: those that the generator translates to.
        generator: the folder or name of a language model that translates.
        dictionary: a JSON object from word to word, which translates without a model; empty for none.

    Source: Doshi & Stickland 2024, arXiv:2411.12103 (eleven languages); Lynch et al. 2024, arXiv:2402.16835.
    """

    languages: tuple[str, ...] = LANGUAGES
    generator: str | Writer = ""
    dictionary: str = ""

    title: ClassVar[str] = "Translated questions"

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return one transform a language, and the dictionary's.

        Raises:
            AuditIncomplete: there is neither generator nor dictionary.
        """
        made = {"dictionary": by_dictionary(read_dictionary(self.dictionary))} if self.dictionary else {}
        writing = Writing(self.generator, run, known, self.title)
        if made and not writing.follows:
            return made
        writing.require_model("somebody has to translate (or give dictionary=, a JSON object of words)")
        for language in self.languages:
            told = REQUEST.format(language=language)
            texts = writing.follow([f"{told}\nQuestion: {item.prompt}" for item in items])
            made[language] = looked_up(language, items, [f"{text} {IN_ENGLISH}" for text in texts])
        return made
