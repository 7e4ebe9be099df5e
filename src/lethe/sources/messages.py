"""Messages: a conversation as a list of turns becomes what the model is given and what it has to say."""

from __future__ import annotations

from lethe.errors import InputError
from lethe.tasks.templates import Conversation

FORM = 'write a list such as [{"role": "user", "content": …}, {"role": "assistant", "content": …}]'


def exchange(messages: object, place: str) -> tuple[str, str]:
    """Return (prompt, answer): the last turn of the assistant is the answer, all turns before it the prompt.

    A single turn of the user before it is a prompt like any other; more turns are a `Conversation`.

    Raises:
        InputError: the value is no list of turns, or the assistant has nothing to say in it.
    """
    if not isinstance(messages, (list, tuple)) or not all(_is_turn(turn) for turn in messages):
        raise InputError(f"{place}: the messages are no list of turns with role and content; {FORM}")
    turns = [(str(turn["role"]), str(turn["content"])) for turn in messages]
    said = [number for number, (role, _) in enumerate(turns) if role == "assistant"]
    if not said or not turns[said[-1]][1].strip():
        raise InputError(f"{place}: the messages hold no answer of the assistant; add one or remove the row")
    before = turns[: said[-1]]
    if not before:
        raise InputError(f"{place}: the messages begin with their last answer; add the user's turn before it")
    single = len(before) == 1 and before[0][0] == "user"
    return before[0][1] if single else Conversation(before), turns[said[-1]][1]


def _is_turn(turn: object) -> bool:
    return isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
