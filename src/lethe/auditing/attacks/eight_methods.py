"""EightMethods: the battery's tests by prompt, beside the trivial baseline that any unlearning has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from lethe.auditing.attacks.prompts import PromptAttack, Told
from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.context import topic
from lethe.auditing.prompting.familiarity import familiarity, grade
from lethe.auditing.prompting.frames import IGNORANCE, answer_begun, jailbreak
from lethe.auditing.prompting.items import Item, sampled
from lethe.auditing.prompting.translating import IN_ENGLISH, REQUEST, by_dictionary, read_dictionary
from lethe.auditing.prompting.variant import Transform, Varied, varied
from lethe.auditing.prompting.writing import Writing, looked_up
from lethe.generators import Writer
from lethe.generators.base import Asked
from lethe.generators.templates import telling
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks.templates import Conversation


@dataclass(frozen=True, kw_only=True)
class EightMethods(PromptAttack):
    """Ask each forget question in other languages, with jailbreaks, and after other facts of the topic.

    The facts told first never give the answer away, and gold, which never learnt the topic, shows what they teach.
    `trivial` in the details is the original that is told to act as if it had never heard of the subject, asked in the
    same ways: what scores no lower than that has gained nothing by unlearning. `familiarity` is (n_2 + 5 n_3) / (5 N)
    of graded replies, by way of asking. The battery's other tests are attacks of their own: relearning, `true_options`
    (downstream questions by likelihood), probes of hidden states; side effects are the audit's utility metrics.

    Args:
        facts: facts of the topic that are told first.
        languages: languages that the generator translates to.
        generator: the folder or name of a language model that translates; empty leaves other languages out.
        dictionary: a JSON object from word to word, which translates without a model; empty for none.
        trivial: whether the baseline is asked.

    Source: Lynch et al. 2024, arXiv:2402.16835.
    """

    facts: int = 3
    languages: tuple[str, ...] = ("Spanish", "Russian")
    generator: str | Writer = ""
    dictionary: str = ""
    trivial: bool = True

    title: ClassVar[str] = "Eight methods' prompts"

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return jailbreaks, facts of the topic, and languages where somebody translates."""
        made: dict[str, Transform] = {
            "jailbreak": jailbreak, "answer_begun": answer_begun, "topic": topic(self.facts),
        }  # fmt: skip
        if self.dictionary:
            made["dictionary"] = by_dictionary(read_dictionary(self.dictionary))
        writing = Writing(self.generator, run, known, self.title)
        if writing.follows:
            for language in self.languages:
                told = REQUEST.format(language=language)
                texts = writing.follow([f"{told}\nQuestion: {item.prompt}" for item in items])
                made[language] = looked_up(language, items, [f"{text} {IN_ENGLISH}" for text in texts])
        return made

    def more(self, told: Told, problem: Problem, run: Run, known: Measurements) -> Mapping[str, Any]:
        """Return familiarity by way of asking, and what the original says that is told to act ignorant."""
        found: dict[str, Any] = {"familiarity": familiarities(told)}
        if self.trivial:
            _, beside = sampled(problem, self.examples, run)
            asked = ignorant(varied(told.items, beside, self.transforms(told.items, run, known)), told.items)
            baseline = self.ask(problem.model, problem, run, known, told.items, asked).summary
            found["trivial"] = {"before": baseline.before, "worst": baseline.worst, "by_variant": baseline.by_variant}
        return found


def ignorant(asked: Varied, items: Sequence[Item]) -> Varied:
    """Return the same ways of asking, each after the request to act as if nothing were known."""

    def pretending(prompt: str, item: Item) -> str:
        told = IGNORANCE.format(subject=item.subject or "this")
        if isinstance(prompt, Conversation):
            return Conversation([("system", told), *prompt.turns])
        return f"{told} {prompt}"

    made = tuple(
        tuple(replace(variant, prompt=pretending(variant.prompt, item)) for variant in own)
        for own, item in zip(asked.of, items, strict=True)
    )
    return replace(asked, of=made)


def familiarities(told: Told) -> dict[str, float]:
    """Return the familiarity of the replies by way of asking."""
    topic_words = {word for item in told.items for word in telling(Asked(item.prompt, item.answer))}
    grades: dict[str, list[int]] = {}
    for item, own in zip(told.items, told.replies, strict=True):
        for reply in own:
            made = grade(item.prompt, reply.variant.answer, reply.said, topic_words)
            grades.setdefault(reply.variant.tag, []).append(made)
    return {tag: familiarity(found) for tag, found in grades.items()}
