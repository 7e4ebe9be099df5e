"""The forget corpus of RWKU's zero-shot setting: biographies that the model to be unlearned writes itself."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lethe.auditing.measure import Measurements
from lethe.benchmarks.asking import continuing
from lethe.benchmarks.base import Row
from lethe.errors import InputError
from lethe.generation import sample
from lethe.models import fingerprint
from lethe.run import Run
from lethe.store import digest
from lethe.tasks import CausalLM
from lethe.tasks.templates import Chat, Conversation, PlainText


def biographies(
    model: nn.Module,
    task: CausalLM,
    people: Sequence[Row],
    count: int,
    length: int,
    temperature: float,
    run: Run,
    known: Measurements,
) -> list[Row]:
    """Return texts about each person, drawn from the model: {text, subject}; those that are empty are left out.

    A model with a chat form is told what the introduction says and asked for a short biography, which begins with the
    person's name; any other goes on from the introduction. The release lets each text begin with one of a list of
    openings and draws from the likeliest 90 per cent.

    Args:
        model: the model that is to forget, on the run's device.
        task: how it is read.
        people: {text, subject}: the introduction of each.
        count: texts a person.
        length: most tokens of a text.
        temperature: of the drawing.
        run: device, progress and randomness.
        known: earlier work, which is looked up first and added to.

    Raises:
        InputError: the model wrote nothing about a person.
    """
    key = digest(["biographies", fingerprint(model), repr(task), list(map(dict, people)), count, length, temperature])
    found = known.recall(key)
    if found is None:
        found = {}, {"rows": _written(model, task, people, count, length, temperature, run)}
        known.keep(key, *found)
    rows: list[Row] = found[1]["rows"]
    return rows


def _written(
    model: nn.Module, task: CausalLM, people: Sequence[Row], count: int, length: int, temperature: float, run: Run
) -> list[Row]:
    rows: list[Row] = []
    generator = run.generator("biographies")
    with run.progress.bar("biographies written", len(people)) as bar:
        for person in people:
            run.interrupt_point()
            name, given = str(person["subject"]), _given(person, task)
            room = min(length, task.context - len(given))
            prompts = [given] * count
            made = sample(
                model, prompts, room, task.tokenizer.eos_token_id, device=run.device, generator=generator,
                temperature=temperature,
            )  # fmt: skip
            texts = [str(task.tokenizer.decode(tokens, skip_special_tokens=True)).strip() for tokens in made]
            own: list[Row] = [{"text": f"{name} {text}", "subject": name} for text in texts if text]
            if not own:
                raise InputError(f"the model wrote nothing about {name}; take --set rwku.corpus=passage")
            rows += own
            bar.advance()
    return rows


def _given(person: Row, task: CausalLM) -> list[int]:
    name, introduced = str(person["subject"]), str(person["text"])
    if not task.tokenizer.chat_template:
        return PlainText().given(f"{introduced} {name}", task.tokenizer)
    turns = (
        ("system", f"{introduced} You know {name} very well."),
        ("user", f"Please write a short biography of {name}."),
    )
    return Chat().given(Conversation(turns), task.tokenizer) + continuing(name, task)
