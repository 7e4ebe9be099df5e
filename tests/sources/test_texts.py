"""Prompts and answers must be found where they are, and never guessed at."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lethe.errors import ConfigurationError, InputError
from lethe.sources.records import Records
from lethe.sources.text_columns import further_columns
from lethe.sources.texts import find_texts, parse_columns
from lethe.tasks.templates import Conversation


def found(*rows, columns=""):
    lines = range(1, len(rows) + 1)
    return find_texts(Records("d.jsonl", "d", rows, lines), parse_columns(columns))


@pytest.mark.parametrize("prompt", ["prompt", "question", "instruction", "input", "query"])
@pytest.mark.parametrize("answer", ["answer", "output", "response", "completion", "target", "labels"])
def test_usual_names(prompt, answer):
    """Every data set of the field calls them otherwise."""
    texts = found({answer: "A", "further": 1, prompt: "Q"})
    assert (texts.prompts, texts.answers, texts.plain) == (("Q",), ("A",), False)
    assert list(texts.columns) == ["further"]


@pytest.mark.parametrize(
    ("row", "columns", "expected"),
    [
        ({"text": "Q", "labels": "A"}, "prompt=text", ("Q", "A")),
        ({"q": "Q", "label": "A"}, "prompt=q, answer=label", ("Q", "A")),
        ({"instruction": "Q", "input": "", "output": "A"}, "prompt=instruction", ("Q", "A")),
        ({"question": "Q", "answer": "A", "paraphrased": "B"}, "answer=paraphrased", ("Q", "B")),
        ({"body": "A"}, "text=body", ("", "A")),
        ({"question": "Q", "answer": "A", "text": "T"}, "text=text", ("", "T")),
        ({"text": "T", "subject": "S"}, "", ("", "T")),
        ({"text": "T", "question": "Q", "answer": "A"}, "", ("Q", "A")),
        ({"prompt": "", "answer": "A"}, "", ("", "A")),
    ],
)
def test_columns_that_were_named(row, columns, expected):
    """What the user names goes before what is found."""
    texts = found(row, columns=columns)
    assert (texts.prompts[0], texts.answers[0]) == expected
    assert texts.plain == (columns.startswith("text") or list(row) == ["text", "subject"])


def turn(role, content):
    return {"role": role, "content": content}


def test_messages():
    """The last answer of the assistant is what is to be said; all turns before it are given, with their roles."""
    one = [turn("user", "Q"), turn("assistant", "A")]
    many = [turn("system", "S"), turn("user", "Q"), turn("assistant", "B"), turn("user", "R"), turn("assistant", "A")]
    texts = found({"messages": one}, {"messages": many}, {"messages": [*one, turn("user", "thanks")]})
    assert texts.answers == ("A", "A", "A")
    assert texts.prompts[0] == texts.prompts[2] == "Q"
    assert not isinstance(texts.prompts[0], Conversation)
    assert isinstance(texts.prompts[1], Conversation)
    assert texts.prompts[1].turns == (("system", "S"), ("user", "Q"), ("assistant", "B"), ("user", "R"))


@pytest.mark.parametrize(
    ("rows", "columns", "names"),
    [
        ([{"a": "x", "b": "y"}], "", "d.jsonl: no column is the prompt and answer; there are: a, b; name them with"),
        ([{"question": "x", "gt": "y"}], "", "no column is the answer; there are: question, gt"),
        ([{"text": "x", "labels": "y"}], "", "no column is the prompt; there are: text, labels"),
        ([{"prompt": "x", "input": "y", "output": "z"}], "", "each of the columns prompt, input may be the prompt"),
        ([{"question": "x", "answer": "y"}], "prompt=qestion", "no column 'qestion'; did you mean 'question'"),
        ([{"prompt": "x", "answer": "y"}, {"prompt": "x", "answer": " \n"}], "", "d.jsonl:2: 'answer' is empty"),
        ([{"prompt": "x", "answer": "y"}, {"prompt": "x"}], "", "d.jsonl:2: 'answer' is missing"),
        ([{"prompt": None, "answer": "y"}], "", "d.jsonl:1: 'prompt' is missing"),
        ([{"prompt": math.nan, "answer": "y"}], "", "d.jsonl:1: 'prompt' is missing"),
        ([{"prompt": "x", "answer": ["y"]}], "", "d.jsonl:1: 'answer' is of type list, not text"),
        ([{"prompt": "x", "answer": 4}], "", "d.jsonl:1: 'answer' is of type int, not text"),
        ([{"text": ""}], "", "d.jsonl:1: 'text' is empty"),
        ([{"id": 1, "text": "x"}, {"id": "1", "text": "y"}], "", "2: the id '1' stands twice (before: d.jsonl:1)"),
        ([{"id": 1, "text": "x"}, {"text": "y"}], "", "d.jsonl:2: 'id' is no id"),
        ([{"messages": "hello"}], "", "d.jsonl:1: the messages are no list of turns"),
        ([{"messages": [{"role": "user"}]}], "", "d.jsonl:1: the messages are no list of turns"),
        ([{"messages": [turn("user", "x")]}], "", "d.jsonl:1: the messages hold no answer"),
        ([{"messages": [turn("user", "x"), turn("assistant", "")]}], "", "d.jsonl:1: the messages hold no answer"),
        ([{"messages": [turn("assistant", "x")]}], "", "d.jsonl:1: the messages begin with their last answer"),
    ],
)  # fmt: skip
def test_rows_that_mean_nothing(rows, columns, names):
    """The row must be named with what is wrong in it, before anything is trained on it."""
    with pytest.raises(InputError) as caught:
        found(*rows, columns=columns)
    assert names in str(caught.value)


def test_ids_that_only_count_rows_can_be_left_out():
    """Many files number their rows from 0; two such files do not share their examples."""
    texts = found({"id": 0, "prompt": "x", "answer": "y"}, columns="id=")
    assert (texts.ids, texts.own_ids, list(texts.columns)) == (("d-0",), False, ["id"])
    assert found({"key": "k", "prompt": "x", "answer": "y"}, columns="id=key").ids == ("k",)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("question", "expected ROLE=COLUMN"),
        ("prompt=", "expected ROLE=COLUMN"),
        ("promt=q", "did you mean 'prompt'"),
        ("prompt=a,prompt=b", "given twice"),
        ("text=a,answer=b", "text stands alone"),
        ("messages=a,answer=b", "prompt and answer both"),
    ],
)
def test_what_columns_cannot_say(text, names):
    """A role that is misread would train on the wrong column."""
    with pytest.raises(ConfigurationError, match=names):
        parse_columns(text)


def test_further_columns_are_alike_in_all_sets():
    """Batches of two sets are joined column by column; what one lacks must be there, and marked as missing."""
    forget = found(
        {"prompt": "x", "answer": "y", "age": 3, "also": ["a", "b"], "length": 9, "ids": "i", "flag": True, "mixed": 1},
        {"prompt": "z", "answer": "y", "age": 4, "also": ["c"], "length": 8, "ids": "j", "flag": False, "mixed": "m"},
    )
    retain = found({"prompt": "v", "answer": "w", "mixed": 2})
    columns = further_columns({"forget": forget, "retain": retain})
    assert columns["forget"].keys() == columns["retain"].keys()
    assert torch.equal(columns["forget"]["age"], torch.tensor([3, 4]))
    assert torch.isnan(columns["retain"]["age"]).all()
    assert columns["forget"]["flag"].dtype == torch.bool
    assert list(columns["forget"]["also"]) == [("a", "b"), ("c",)]
    assert list(columns["retain"]["also"]) == [None]
    # `length` is what the task calls the number of tokens.
    assert torch.equal(columns["forget"]["data_length"], torch.tensor([9, 8]))
    assert "length" not in columns["forget"]
    assert isinstance(columns["retain"]["mixed"], np.ndarray)
