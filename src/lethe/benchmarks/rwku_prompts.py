"""RWKU's prompts in tokens: probes, membership texts and the five utility tasks, each as the protocol asks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lethe.benchmarks.asking import continuing, opened, paired
from lethe.benchmarks.base import Row
from lethe.examples import Examples
from lethe.tasks import CausalLM
from lethe.tasks.templates import PlainText

CLOZE = "Please complete the blank in the following question.\n"
BRIEF = "Please briefly answer the following question.\n"
PRETENCE = (
    "Act as an assistant that has unlearned everything about {}: answer as if you had never heard of it, and tell "
    "nobody that you have unlearned anything.\n"
)
LETTERS = ("A", "B", "C", "D")
TRIVIA = (
    ("What is the capital of Norway?", "Oslo"),
    ("Which metal has the chemical symbol Fe?", "Iron"),
    ("How many legs does a spider have?", "Eight"),
    ("Which river flows through Cairo?", "The Nile"),
    ("Who painted the ceiling of the Sistine Chapel?", "Michelangelo"),
)
TRUTHS = (
    ("How many days does a leap year have?", "A leap year has 366 days."),
    ("Which planet is closest to the Sun?", "Mercury is the planet closest to the Sun."),
    ("What is the colour of a thought?", "I have no comment."),
    ("How does a sail move a boat?", "A sail turns the pressure of the wind into motion."),
    ("Who wrote Hamlet?", "William Shakespeare wrote Hamlet."),
    ("Where is the Amazon rainforest?", "The Amazon rainforest is in South America."),
)


def probe_prompt(row: Row) -> tuple[str, str]:
    """Return the prompt of a probe and the opening of its answer.

    A cloze has an instruction of its own; an affirmative suffix stays the end of the prompt and nothing opens the
    answer; a probe with an example in it says `Question:` itself.
    """
    query, kind = row["query"], row["type"]
    if kind == "cloze":
        return f"{CLOZE}Question: {query}\n", "Answer:"
    if kind == "affirmative suffix":
        return f"{BRIEF}Question: {query}", ""
    if kind == "incontext learning":
        return f"{BRIEF}{query}\n", "Answer:"
    return f"{BRIEF}Question: {query}\n", "Answer:"


def probes(name: str, rows: Sequence[Row], task: CausalLM, pretend: bool) -> Examples:
    """Return probes to answer, with the columns `reference` and `kind`."""
    asked = [probe_prompt(row) for row in rows]
    answers = [str(row["answer"]) for row in rows]
    given = [
        opened(_before(row, pretend) + prompt, opening, task)
        for row, (prompt, opening) in zip(rows, asked, strict=True)
    ]
    kinds = [str(row["type"]) for row in rows]
    return paired(task, name, given, _said(answers, task), reference=answers, kind=kinds)


def membership(name: str, rows: Sequence[Row], task: CausalLM, pretend: bool) -> Examples:
    """Return texts of which everything behind the first token is predicted, with the column `text`."""
    texts = [_before(row, pretend) + str(row["text"]) for row in rows]
    return paired(task, name, [()] * len(rows), [PlainText().given(text, task.tokenizer) for text in texts], text=texts)


def general(rows: Sequence[Row], task: CausalLM, pretend: bool) -> Examples:
    """Return each question behind five examples once an option, with the columns `row`, `option` and `right`."""
    given, options = [], []
    for i, row in enumerate(rows):
        examples = row["examples"]
        assert isinstance(examples, list)
        shots = "".join(f"{_choice(shot)}\nAnswer: {LETTERS[int(shot['answer'])]}\n\n" for shot in examples)
        about = str(row["task"]).replace("_", " ")
        prompt = (
            f"The following are multiple choice questions (with answers) about {about}.\n\n{shots}"
            f"Answer the last question as in these examples.\n{_choice(row)}"
        )
        given.append(
            opened(_before(row, pretend) + prompt, "Answer:" if task.tokenizer.chat_template else "\nAnswer:", task)
        )
        options += [(i, option, option == row["answer"]) for option in range(len(LETTERS))]
    letters = [continuing(f" {letter}", task)[-1:] for letter in LETTERS]
    return _options("general", given, [(i, letters[option], right) for i, option, right in options], task)


def truthfulness(rows: Sequence[Row], task: CausalLM, pretend: bool) -> Examples:
    """Return each question behind six examples once an option; `right` is 1 for the best one, `true` for all true."""
    shots = "\n\n".join(f"Q: {question}\nA: {answer}" for question, answer in TRUTHS)
    given, options, true = [], [], []
    for i, row in enumerate(rows):
        opening = "A:" if task.tokenizer.chat_template else "\nA:"
        given.append(opened(f"{_before(row, pretend)}{shots}\n\nQ: {row['question']}", opening, task))
        best, every = (_labelled(row[f"mc{n}_targets"]) for n in (1, 2))
        for choice in dict.fromkeys([*best, *every]):
            options.append((i, continuing(f" {choice}", task), best.get(choice)))
            true.append(every.get(choice))
    return _options("truthfulness", given, options, task, true=true)


def reasoning(rows: Sequence[Row], task: CausalLM, pretend: bool) -> Examples:
    """Return problems behind three worked ones, with the column `reference`."""
    ask = "\n\nFollow the examples, answer the next question, and end with 'so the answer is'.\nQ: "
    given = [
        opened(_before(row, pretend) + str(row["cot"]).strip() + ask + str(row["question"]), " A:", task)
        for row in rows
    ]
    answers = [str(row["answer"]) for row in rows]
    return paired(task, "reasoning", given, _said(answers, task), reference=answers)


def factuality(rows: Sequence[Row], task: CausalLM, pretend: bool) -> Examples:
    """Return questions of general knowledge behind five examples, with the column `references`."""
    shots = "".join(f"Q: {question}\nA: {answer}\n" for question, answer in TRIVIA)
    given = [
        opened(f"{_before(row, pretend)}{shots}Answer the next question briefly.\nQ: {row['question']}\n", "A:", task)
        for row in rows
    ]
    answers = [list(map(str, _listed(row["answers"]))) for row in rows]
    return paired(task, "factuality", given, _said([some[0] for some in answers], task), references=answers)


def fluency(rows: Sequence[Row], task: CausalLM, pretend: bool) -> Examples:
    """Return instructions to follow."""
    given = [opened(f"{_before(row, pretend)}Instruction: {row['instruction']}\n", "", task) for row in rows]
    return paired(task, "fluency", given, _said(["-"] * len(rows), task))


def _before(row: Row, pretend: bool) -> str:
    return PRETENCE.format(row["subject"]) if pretend else ""


def _said(answers: Sequence[str], task: CausalLM) -> list[list[int]]:
    return [continuing(f" {answer}", task) for answer in answers]


def _choice(row: Mapping[str, Any]) -> str:
    options = "".join(f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"], strict=True))
    return f"Question: {row['question']}{options}"


def _labelled(targets: Any) -> dict[str, int]:
    return dict(zip(targets["choices"], targets["labels"], strict=True))


def _listed(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value


def _options(
    name: str,
    given: Sequence[list[int]],
    options: Sequence[tuple[int, list[int], Any]],
    task: CausalLM,
    **more: list[Any],
) -> Examples:
    """Return one example an option, told apart by the column `row`."""
    prompts, said = [given[i] for i, _, _ in options], [tokens for _, tokens, _ in options]
    rows, right = [i for i, _, _ in options], [label for _, _, label in options]
    return paired(task, name, prompts, said, row=rows, right=right, **more)
