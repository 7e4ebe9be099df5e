"""Rendering: from a variant to the tokens that a model reads and those it is to say."""

from __future__ import annotations

from dataclasses import replace

from lethe.auditing.prompting.variant import Variant, Varied
from lethe.auditing.token_logs import Pair
from lethe.errors import AuditIncomplete
from lethe.tasks import Chat, Custom
from lethe.tasks.causal_lm import CausalLM
from lethe.tasks.templates import Conversation, Template


def rendered(variant: Variant, task: CausalLM) -> Pair:
    """Return the tokens given and the tokens of the answer.

    Solved questions become turns of a conversation under a chat template, and stand in the pattern of the question,
    a blank line between them, under any other.
    """
    tokenizer, template = task.tokenizer, task.template
    given = template.given(_with_shots(variant, template), tokenizer)
    if variant.begun:
        given = given + _open(variant.begun, task)
    return tuple(given), tuple(template.said(variant.answer, tokenizer))


def fitting(asked: Varied, task: CausalLM, new_tokens: int) -> Varied:
    """Return the variants without those ways of asking that are longer than what the model reads.

    Raises:
        AuditIncomplete: none is left.
    """
    longest: dict[str, int] = {}
    for variant in (variant for own in asked.of for variant in own[1:]):
        given, said = rendered(variant, task)
        longest[variant.tag] = max(len(given) + max(len(said), new_tokens), longest.get(variant.tag, 0))
    large = {
        tag: f"takes {size} tokens with its answer, and the model reads {task.context}"
        for tag, size in longest.items()
        if size > task.context
    }
    kept = tuple(tuple(variant for variant in own if variant.tag not in large) for own in asked.of)
    if all(len(own) == 1 for own in kept):
        raise AuditIncomplete(
            "; ".join(f"{tag} {reason}" for tag, reason in large.items()) + "; lower shots, facts or new_tokens"
        )
    return replace(asked, of=kept, left_out={**asked.left_out, **large})


def _with_shots(variant: Variant, template: Template) -> str:
    if not variant.shots:
        return variant.prompt
    if isinstance(template, Chat):
        solved = [turn for q, a in variant.shots for turn in (("user", q), ("assistant", a))]
        own = variant.prompt.turns if isinstance(variant.prompt, Conversation) else (("user", variant.prompt),)
        system = [turn for turn in own if turn[0] == "system"]
        return Conversation([*system, *solved, *(turn for turn in own if turn[0] != "system")])
    pattern = template.pattern if isinstance(template, Custom) else "{prompt} {answer}"
    before, rest = pattern.split("{prompt}")
    between, after = rest.split("{answer}")
    solved_text = [f"{question}{between}{answer}{after}\n\n{before}" for question, answer in variant.shots]
    return "".join([*solved_text, variant.prompt])


def _open(text: str, task: CausalLM) -> list[int]:
    """Return the tokens of the beginning of a reply, without what ends one."""
    whole, other = (task.template.said(one, task.tokenizer) for one in (text, text + " 1"))
    end = 0
    while end < min(len(whole), len(other)) and whole[-1 - end] == other[-1 - end]:
        end += 1
    return whole[: len(whole) - end]
