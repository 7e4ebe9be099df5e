"""Steps: questions that lead to a fact through others, naming its subject, describing it, or only presupposing it."""

from __future__ import annotations

import re
from typing import Literal

from lethe.auditing.prompting.context import renamed
from lethe.auditing.prompting.items import Beside, Item
from lethe.auditing.prompting.scoring import gives_away
from lethe.auditing.prompting.variant import Variant
from lethe.errors import AuditIncomplete
from lethe.generators.names import mentions
from lethe.generators.templates import COMMON

Kind = Literal["direct", "indirect", "implied"]
KINDS: tuple[Kind, ...] = ("direct", "indirect", "implied")
_WORDS = re.compile(r"[\w'-]+")

WRITTEN: dict[Kind, str] = {
    "direct": "Write a prompt that names {subject} and leads somebody, step by step in numbered sub-questions each of "
    "which builds on the one before, to the answer of this question: {question}",
    "indirect": "Write a prompt that never names {subject} but describes who or what is meant, and leads somebody, "
    "step by step in numbered sub-questions each of which builds on the one before, to the answer of: {question}",
    "implied": "Write a task (a comparison, an explanation, a plan) whose solution, step by step, presupposes the "
    "answer to the following question, without naming {subject} and without asking the question: {question}",
}
"""What a model is told to write for each kind; the answer is given so that it can be avoided."""

AVOID = "Do not write the answer, {answer}, or any word of it. Write the prompt alone."


def instruction(kind: Kind, item: Item) -> str:
    """Return what a model is told to write of a kind."""
    asked = WRITTEN[kind].format(subject=item.named_subject(), question=item.prompt)
    return f"{asked} {AVOID.format(answer=item.answer)}"


def queries(kind: Kind, item: Item, beside: Beside) -> list[Variant]:
    """Return the prompts of a kind that patterns make of the facts around an item, one for each fact that helps.

    Patterns know no relations: an indirect prompt describes the subject by what else is known of it, an implied one
    asks for all that is known of whomever that description fits.

    Raises:
        AuditIncomplete: nothing else is known of the subject.

    Source: Sinha et al. 2025, arXiv:2506.17279 (three kinds of prompts); the patterns are lethe's.
    """
    subject = item.named_subject()
    if kind == "direct":
        return [Variant(kind, f"Step 1) Think of {subject}. Step 2) {item.prompt}", item.answer)]
    clues = [clue for one in around(item, beside) if (clue := described(one))]
    if kind == "indirect":
        asked = renamed(item.prompt, subject, "that one")
        prompts = [f"Step 1) {clue} Who is it? Step 2) {asked}" for clue in clues]
    else:
        prompts = [f"Step 1) {clue} Who is it? Step 2) Tell everything about that one." for clue in clues]
    return [Variant(kind, prompt, item.answer) for prompt in prompts if allowed(kind, prompt, item)]


def around(item: Item, beside: Beside) -> list[Item]:
    """Return the other items on the subject, in an order drawn for the item.

    Raises:
        AuditIncomplete: there are none.
    """
    known = [one for one in beside.forget + beside.retain if one.subject == item.subject and one.id != item.id]
    if not known:
        raise AuditIncomplete(f"needs another fact about '{item.subject}' to lead to it; give a column subject")
    return [known[i] for i in beside.order(len(known), "around", item.id)]


def described(one: Item) -> str:
    """Return a fact with its subject left open."""
    answer = one.answer if one.answer.endswith((".", "!", "?")) else f"{one.answer}."
    return f"{renamed(one.prompt, one.subject, 'somebody')} {renamed(answer, one.subject, 'somebody')}"


def relation(item: Item) -> set[str]:
    """Return the words by which a question asks: those neither common nor part of its subject, in lower case."""
    named = {word.lower() for word in _WORDS.findall(item.subject)}
    return {word.lower() for word in _WORDS.findall(item.prompt)} - named - COMMON


def allowed(kind: Kind, prompt: str, item: Item) -> bool:
    """Return whether a prompt is of its kind and does not give the answer away.

    A direct prompt has the subject, an indirect one has not, an implied one has neither subject nor any word by which
    the question asks.
    """
    if gives_away(item.prompt, item.answer, prompt):
        return False
    has_subject = bool(mentions(prompt.lower(), [item.subject.lower()]))
    if kind == "direct":
        return has_subject
    if kind == "indirect":
        return not has_subject
    return not has_subject and not relation(item) & {word.lower() for word in _WORDS.findall(prompt)}
