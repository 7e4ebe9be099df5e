"""Which texts are forgotten and which are kept: files of their own, or a choice among those of one; never both."""

from __future__ import annotations

import pytest

from lethe.errors import ConfigurationError, InputError
from lethe.sources.text_sets import read_sets
from tests.texts import write_lines


def rows(*texts, **more):
    return [{"prompt": f"Q{text}", "answer": f"A{text}", **more} for text in texts]


def sets(data="", forget="", retain=None, holdout=None, columns=None):
    return read_sets(data, str(forget), retain and str(retain), holdout and str(holdout), columns or {})


def test_a_file_a_set(tmp_path):
    """The three files must not be exchanged, and their ids not clash."""
    paths = [write_lines(tmp_path / f"{name}.jsonl", rows(number)) for number, name in enumerate("frh")]
    found = sets("", *paths)
    assert {name: (texts.ids, texts.answers) for name, texts in found.items()} == {
        "forget": (("f-0",), ("A0",)), "retain": (("r-0",), ("A1",)), "holdout": (("h-0",), ("A2",)),
    }  # fmt: skip
    assert sets("", paths[0]).keys() == {"forget"}


def test_files_of_one_name(tmp_path):
    """forget/data.jsonl and retain/data.jsonl number their rows alike; that makes no example one of both."""
    for name in ("forget", "retain", "holdout"):
        (tmp_path / name).mkdir()
    paths = [
        write_lines(tmp_path / name / "data.jsonl", rows(number))
        for number, name in enumerate(["forget", "retain", "holdout"])
    ]
    found = sets("", *paths)
    assert [texts.ids for texts in found.values()] == [("data-0",), ("retain/data-0",), ("holdout/data-0",)]


def test_a_choice_among_the_training_data(tmp_path):
    """A filter on any column, or a list of ids; the rest is kept."""
    data = write_lines(tmp_path / "full.jsonl", [*rows(0, 1, who="x"), *rows(2, 3, who="y"), *rows(4, who="z")])
    ids = tmp_path / "ids.txt"
    ids.write_text("full-2\nfull-3\n")
    for forget in (ids, "who == 'y'", "prompt in ['Q2', 'Q3']"):
        found = sets(data, forget)
        assert found["forget"].answers == ("A2", "A3")
        assert found["retain"].answers == ("A0", "A1", "A4")
    assert sets(data, ids, "who == 'x'")["retain"].answers == ("A0", "A1")


def test_the_same_text_under_two_ids(tmp_path):
    """What is to be forgotten would be trained on as retain data."""
    forget = write_lines(tmp_path / "f.jsonl", rows(0, 1))
    retain = write_lines(tmp_path / "r.jsonl", rows(2, 1, 0))
    with pytest.raises(InputError, match=r"r\.jsonl:2: says the same as .*f\.jsonl:2 \(2 such examples\)"):
        sets("", forget, retain)
    data = write_lines(tmp_path / "d.jsonl", rows(0, 1, 2, 1))
    with pytest.raises(InputError, match=r"d\.jsonl:4: says the same as .*d\.jsonl:2"):
        sets(data, "id == 'd-1'")
    # The same question with another answer is another example.
    other = write_lines(tmp_path / "o.jsonl", [{"prompt": "Q0", "answer": "A7"}])
    assert len(sets("", forget, other)["retain"]) == 1


def test_the_same_id_in_two_files(tmp_path):
    """Own ids mean the same example everywhere; where they only count rows the user is told what to say."""
    forget = write_lines(tmp_path / "f.jsonl", rows(0, id=5))
    retain = write_lines(tmp_path / "r.jsonl", rows(1, id=5))
    with pytest.raises(InputError, match=r"r\.jsonl:1: the id '5' is that of .*f\.jsonl:1 too .*--columns id="):
        sets("", forget, retain)
    assert len(sets("", forget, retain, columns={"id": ""})["retain"]) == 1
    with pytest.raises(InputError, match="holdout set"):
        sets("", forget, None, forget)


def test_options_that_do_not_say_which_data(tmp_path):
    """A list of ids is no data, and data are no list of ids."""
    forget = write_lines(tmp_path / "f.jsonl", rows(0))
    with pytest.raises(ConfigurationError, match="is a file of data, and so is --data"):
        sets(forget, forget)
    (tmp_path / "ids.txt").write_text("f-0")
    for spec in (tmp_path / "ids.txt", "who == 'x'"):
        with pytest.raises(ConfigurationError, match="chooses from --data"):
            sets("", spec)
    with pytest.raises(InputError, match="no such file"):
        sets("", tmp_path / "f.json")
