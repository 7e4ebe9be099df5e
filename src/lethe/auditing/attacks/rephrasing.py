"""Rephrasing: the same questions in other words, other spelling and other surroundings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lethe.auditing.attacks.prompts import PromptAttack, Told
from lethe.auditing.measure import Measurements
from lethe.auditing.prompting import frames
from lethe.auditing.prompting.items import Item
from lethe.auditing.prompting.variant import Transform
from lethe.auditing.prompting.writing import REWRITINGS, Writing, looked_up
from lethe.errors import ConfigurationError, nearest
from lethe.generators import Writer
from lethe.problem import Problem
from lethe.run import Run

FRAMES: Mapping[str, Transform] = {
    "filler_english": frames.filler("english"),
    "filler_hindi": frames.filler("hindi"),
    "filler_latin": frames.filler("latin"),
    "conversation": frames.conversation,
    "paraphrase": frames.paraphrase,
    "lower_case": frames.lower_case,
    "upper_case": frames.upper_case,
    "typos": frames.typos,
    "role_play": frames.role_play,
}


@dataclass(frozen=True, kw_only=True)
class Rephrasing(PromptAttack):
    """Ask each forget question in other words: what was unlearned as a string comes back, what was removed does not.

    Without a generator: after unrelated text in English and Latin, within a conversation, with the data's own
    `paraphrased_question`, in small letters, and with slips of the pen. A model that follows instructions also rewords
    it, makes a poem of it, explains its terms and replaces them by variables; `template` puts five frames around it.
    The details hold the overfit index, score(paraphrase) - score(exact question).

    Args:
        ways: which of the ways that need no generator; there are also `filler_hindi`, which many tokenizers cut into
            single bytes, `upper_case` and `role_play`.
        generator: who rewrites: the folder or name of a language model, or `template`; empty for nobody.

    Source: Doshi & Stickland 2024, arXiv:2411.12103; the overfit index follows Thaker et al. 2024, arXiv:2410.02879.
    """

    ways: tuple[str, ...] = ("filler_english", "filler_latin", "conversation", "paraphrase", "lower_case", "typos")
    generator: str | Writer = ""

    title: ClassVar[str] = "Rephrased questions"

    def __post_init__(self) -> None:
        super().__post_init__()
        for way in self.ways:
            if way not in FRAMES:
                raise ConfigurationError(f"there is no way of asking '{way}'{nearest(way, FRAMES)}")

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return the frames, and what the generator writes where there is one."""
        made = {way: FRAMES[way] for way in self.ways}
        writing = Writing(self.generator, run, known, self.title)
        if writing.templates:
            return made | {way: looked_up(way, items, texts) for way, texts in writing.ways(items).items()}
        if writing.named:
            for way, told in REWRITINGS.items():
                texts = writing.follow([f"{told}\nQuestion: {item.prompt}" for item in items])
                made[way] = looked_up(way, items, texts)
        return made

    def more(self, told: Told, problem: Problem, run: Run, known: Measurements) -> Mapping[str, Any]:
        """Return the overfit index where the data has paraphrases."""
        by = told.summary.by_variant
        return {"overfit_index": by["paraphrase"] - told.summary.before} if "paraphrase" in by else {}
