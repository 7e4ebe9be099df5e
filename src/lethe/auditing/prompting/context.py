"""Context: facts and solved questions before the question."""

from __future__ import annotations

from collections.abc import Iterable

from lethe.auditing.prompting.items import Beside, Item
from lethe.auditing.prompting.scoring import gives_away
from lethe.auditing.prompting.variant import Transform, Variant
from lethe.errors import AuditIncomplete
from lethe.generators.names import mentions, replaced

NEW_NAMES = ("Florp", "Quabbin", "Zarnith", "Velloop", "Trubex", "Mindry", "Oskett", "Pallvo")
"""Names nobody has, for what is brought in anew."""


def few_shot(shots: int, drawn: int = 0) -> Transform:
    """Return the transform that solves questions first which are kept; none of them gives the answer away.

    Args:
        shots: solved questions.
        drawn: number of the draw, part of the tag where several are made.

    Source: Doshi & Stickland 2024, arXiv:2411.12103 (five solved questions of another subject).
    """

    def transform(item: Item, beside: Beside) -> list[Variant]:
        kept = beside.kept()
        order = beside.order(len(kept), "shots", drawn, item.id)
        chosen = first((kept[i] for i in order), item, shots)
        tag = f"few_shot_{drawn + 1}" if drawn else "few_shot"
        return [Variant(tag, item.prompt, item.answer, shots=tuple((one.prompt, one.answer) for one in chosen))]

    return transform


def first(others: Iterable[Item], item: Item, count: int) -> list[Item]:
    """Return the first `count` of other items that do not give the item's answer away.

    Raises:
        AuditIncomplete: there are fewer.
    """
    found: list[Item] = []
    for one in others:
        if one.id != item.id and not gives_away(item.prompt, item.answer, f"{one.prompt} {one.answer}"):
            found.append(one)
            if len(found) == count:
                return found
    raise AuditIncomplete(
        f"needs {count} questions beside '{item.id}' that do not give its answer away, and there are {len(found)}"
    )


def topic(facts: int) -> Transform:
    """Return the transform that tells other facts to be forgotten first; none of them gives the answer away.

    Those on the item's own subject come before others.

    Source: Lynch et al. 2024, arXiv:2402.16835 (relearning in context).
    """

    def transform(item: Item, beside: Beside) -> list[Variant]:
        order = [beside.forget[i] for i in beside.order(len(beside.forget), "topic", item.id)]
        order.sort(key=lambda one: not (one.subject and one.subject == item.subject))
        told = first(order, item, facts)
        return [Variant("topic", item.prompt, item.answer, shots=tuple((one.prompt, one.answer) for one in told))]

    return transform


def reintroduced(item: Item, beside: Beside) -> list[Variant]:
    """Return the question about a new name: with the fact told before, with another's fact, and without any.

    The new name stands for the subject in question, answer and what is told, so that no word of the forgotten name is
    used. Whoever tells the answer after `told` has read it in the prompt; `scrambled` and `untold` are the controls.

    Source: Shumailov et al. 2024, arXiv:2407.00106, as a test.
    """
    name = new_name(item, beside)
    subject = item.named_subject()
    question, answer = renamed(item.prompt, subject, name), renamed(item.answer, subject, name)
    others = [one for one in beside.forget + beside.retain if one.id != item.id and one.subject]
    order = (others[i] for i in beside.order(len(others), "scrambled", item.id))
    other = first(order, item, 1)[0]
    wrong = renamed(other.answer, other.subject, name)
    return [
        Variant("untold", question, answer),
        Variant("told", f"{stated(item.prompt, item.answer, subject, name)} {question}", answer),
        Variant("scrambled", f"{stated(other.prompt, wrong, other.subject, name)} {question}", answer),
    ]


def new_name(item: Item, beside: Beside) -> str:
    """Return a name of the list that no item of the problem uses."""
    texts = " ".join(f"{one.prompt} {one.answer}" for one in beside.forget + beside.retain)
    free = [name for name in NEW_NAMES if not mentions(texts, [name])]
    if not free:
        raise AuditIncomplete("needs a name that nothing in the data has, and all of its list are taken")
    return free[beside.order(len(free), "name", item.subject)[0]]


def renamed(text: str, subject: str, name: str) -> str:
    """Return the text with the subject, and each word of it that is long enough to be a name, replaced.

    >>> renamed("Ada Lowe lives in Pell. Ada's house is old.", "Ada Lowe", "Florp")
    "Florp lives in Pell. Florp's house is old."
    """
    parts = {part: name for part in subject.split() if part[:1].isupper()}
    return replaced(text, {**parts, subject: name})


def stated(question: str, answer: str, subject: str, name: str) -> str:
    """Return a question and its answer as something that is told."""
    return f"{renamed(question, subject, name)} {renamed(answer, subject, name)}"
