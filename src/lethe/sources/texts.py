"""Texts: prompts and answers, or plain text, found among the columns of a data file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from lethe.errors import ConfigurationError, InputError, nearest
from lethe.sources.messages import exchange
from lethe.sources.records import Records

NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "instruction", "input", "query"),
    "answer": ("answer", "output", "response", "completion", "target", "labels"),
    "text": ("text",),
    "messages": ("messages",),
    "id": ("id",),
}
MEND = "name them with --columns, as in --columns prompt=question,answer=label"


@dataclass(frozen=True, eq=False)
class Texts:
    """The examples of one data file: what the model is given, and what it has to say.

    Attributes:
        where: path of the file, for messages.
        ids: [N] names of the examples.
        own_ids: whether the names are the data's own.
        prompts: [N] what the model is given; empty for plain text.
        answers: [N] what it has to say.
        places: [N] file and line of each, for messages.
        plain: whether these are plain texts, without prompts.
        columns: further columns by name, [N] each, as stored.
    """

    where: str
    ids: tuple[str, ...]
    own_ids: bool
    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    places: tuple[str, ...]
    plain: bool
    columns: Mapping[str, Sequence[object]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Sequence[int]) -> Texts:
        """Return the examples at these rows, in this order."""
        chosen = {name: [column[row] for row in rows] for name, column in self.columns.items()}
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            prompts=tuple(self.prompts[row] for row in rows),
            answers=tuple(self.answers[row] for row in rows),
            places=tuple(self.places[row] for row in rows),
            columns=chosen,
        )

    def renamed(self, prefix: str) -> Texts:
        """Return the examples with a prefix before every id, for names that another file has too."""
        return replace(self, ids=tuple(f"{prefix}/{name}" for name in self.ids))

    def frame(self) -> pd.DataFrame:
        """Return what filters see: `id`, `prompt`, `answer`, and the columns of the file."""
        own = {"id": list(self.ids), "prompt": list(self.prompts), "answer": list(self.answers)}
        return pd.DataFrame({**self.columns, **own})


def parse_columns(text: str) -> dict[str, str]:
    """Return what `prompt=question,answer=label` says; `id=` means that no column holds ids.

    Raises:
        ConfigurationError: the text is not of that form.
    """
    chosen: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        role, equals, name = (part.strip() for part in pair.partition("="))
        if not equals or (not name and role != "id"):
            raise ConfigurationError(f"--columns {pair}: expected ROLE=COLUMN, as in prompt=question,answer=label")
        if role not in NAMES:
            raise ConfigurationError(f"--columns {pair}: there is no role '{role}'{nearest(role, NAMES)}")
        if role in chosen:
            raise ConfigurationError(f"--columns {role} is given twice; choose one column")
        chosen[role] = name
    if "text" in chosen and len(chosen.keys() & {"text", "prompt", "answer", "messages"}) > 1:
        raise ConfigurationError("--columns: text stands alone; leave out the others, or name it as the answer")
    if "messages" in chosen and chosen.keys() & {"prompt", "answer"}:
        raise ConfigurationError("--columns: messages hold prompt and answer both; leave out the others")
    return chosen


def find_texts(records: Records, chosen: Mapping[str, str]) -> Texts:
    """Return the examples of a file.

    Args:
        records: its rows.
        chosen: role to column, as `parse_columns` returns it; other columns are found by their usual names.

    Raises:
        InputError: no column, or more than one, can be the prompt or the answer; a text is missing, empty or none; an
            id is missing or stands twice.
    """
    for name in chosen.values():
        if name and name not in records.names:
            raise InputError(f"{records.where}: has no column '{name}'{nearest(name, records.names)}")
    roles = _roles(records, chosen)
    if "messages" in roles:
        pairs = [exchange(value, records.place(row)) for row, value in enumerate(records.column(roles["messages"]))]
        prompts, answers = tuple(prompt for prompt, _ in pairs), tuple(answer for _, answer in pairs)
    elif "text" in roles:
        prompts, answers = ("",) * len(records), _required(records, roles["text"], "text")
    else:
        prompts, answers = _required(records, roles["prompt"], "prompt"), _required(records, roles["answer"], "answer")
    own = chosen.get("id", "id" if "id" in records.names else "")
    used = {*roles.values(), own}
    return Texts(
        where=records.where,
        ids=_ids(records, own) if own else tuple(f"{records.stem}-{row}" for row in range(len(records))),
        own_ids=bool(own),
        prompts=prompts,
        answers=answers,
        places=tuple(map(records.place, range(len(records)))),
        plain="text" in roles,
        columns={name: records.column(name) for name in records.names if name not in used},
    )


def _roles(records: Records, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the columns to read: of prompt and answer, of messages, or of text."""
    for alone in ("text", "messages"):
        if alone in chosen:
            return {alone: chosen[alone]}
    found = {role: chosen[role] if role in chosen else _usual(records, role, chosen) for role in ("prompt", "answer")}
    if all(found.values()):
        return found
    if not any(found.values()) or not chosen:
        if "messages" in records.names:
            return {"messages": "messages"}
        if "text" in records.names and not any(found.values()):
            return {"text": "text"}
    lacking = " and ".join(role for role, name in found.items() if not name)
    raise InputError(f"{records.where}: no column is the {lacking}; there are: {', '.join(records.names)}; {MEND}")


def _usual(records: Records, role: str, chosen: Mapping[str, str]) -> str:
    """Return the column that goes by a usual name of the role; empty where there is none."""
    found = [name for name in NAMES[role] if name in records.names and name not in chosen.values()]
    if len(found) > 1:
        raise InputError(f"{records.where}: each of the columns {', '.join(found)} may be the {role}; {MEND}")
    return found[0] if found else ""


def _required(records: Records, name: str, role: str) -> tuple[str, ...]:
    """Return a column of text; raises InputError where a text is missing, and where it is empty and no prompt."""
    texts: list[str] = []
    for row, value in enumerate(records.column(name)):
        if not isinstance(value, str):
            kind = (
                "missing"
                if value is None or (isinstance(value, float) and math.isnan(value))
                else f"of type {type(value).__name__}, not text"
            )
            raise InputError(f"{records.place(row)}: '{name}' is {kind}; write the {role} as text or remove the row")
        if not value.strip() and role != "prompt":
            raise InputError(f"{records.place(row)}: '{name}' is empty; write the {role} or remove the row")
        texts.append(value)
    return tuple(texts)


def _ids(records: Records, name: str) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    for row, value in enumerate(records.column(name)):
        if not isinstance(value, (str, int)) or value == "":
            raise InputError(f"{records.place(row)}: '{name}' is no id; give the row one, or say --columns id=")
        if str(value) in seen:
            raise InputError(
                f"{records.place(row)}: the id '{value}' stands twice (before: {records.place(seen[str(value)])}); "
                "give every example an id of its own, or say --columns id= to count rows instead"
            )
        seen[str(value)] = row
    return tuple(seen)
