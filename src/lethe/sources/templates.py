"""Templates by name: `qa`, `chat`, `plain`, or a pattern of one's own with `{prompt}` and `{answer}`."""

from __future__ import annotations

from typing import Any

from lethe.errors import ConfigurationError, nearest
from lethe.tasks.templates import Chat, Custom, PlainText, QuestionAnswer, Template

NAMED: dict[str, type[Template]] = {"qa": QuestionAnswer, "chat": Chat, "plain": PlainText}


def template_named(text: str, tokenizer: Any) -> Template:
    r"""Return the template of that name, or the pattern; `\n` and `\t` in a pattern are a new line and a tab.

    Raises:
        ConfigurationError: there is none of that name, the pattern lacks a place, or there is no chat template.
    """
    if "{" in text:
        return Custom(text.replace("\\n", "\n").replace("\\t", "\t"))
    if text not in NAMED:
        raise ConfigurationError(
            f"--template {text}: there is no such template{nearest(text, NAMED)}, "
            "or write one of your own: 'Q: {prompt}\\nA: {answer}'"
        )
    if text == "chat" and not tokenizer.chat_template:
        raise ConfigurationError("--template chat: the tokenizer has no chat template; choose qa, or write one")
    return NAMED[text]()


def template_for(tokenizer: Any, plain: bool) -> Template:
    """Return the template for data where none was chosen: plain text as it is, else the tokenizer's chat form or qa."""
    if plain:
        return PlainText()
    return Chat() if tokenizer.chat_template else QuestionAnswer()


def spelled(template: Template) -> str:
    """Return the text that `template_named` makes the template of."""
    if isinstance(template, Custom) and template != QuestionAnswer():
        return template.pattern
    return next(name for name, kind in NAMED.items() if type(template) is kind)
