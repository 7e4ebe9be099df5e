"""Names are found as whole words, replaced alike everywhere, and exchanged for names of the same kind."""

from __future__ import annotations

import pytest
import torch

from lethe.errors import InputError
from lethe.generators.names import alike, distinctive_names, drawn, mentions, read_names, replaced, with_parts

BOOK = [
    "Una Birk lives in Lutu. The baker knows Una Birk's horse.",
    "Where does Odo Lind live? In Marn, says J. K. Tarn.",
]
REST = [
    "Tess Wolm lives in Lutu. The baker knows Rolf Senn's cat.",
    "Where does Rolf Senn live? In Marn. A cat sleeps where it wants.",
    "Jill Gant lives in Pell, says Bert Oake.",
]


def test_the_longest_name_counts_and_parts_of_words_do_not():
    text = "Harry Potter, Harry's owl and Harriet saw Potter."
    found = mentions(text, ["Harry", "Harry Potter", "Potter"])
    assert [(m.name, text[m.start : m.end]) for m in found] == [(n, n) for n in ("Harry Potter", "Harry", "Potter")]
    assert replaced(text, {"Harry": "Jon", "Harry Potter": "Jon Snow"}) == "Jon Snow, Jon's owl and Harriet saw Potter."
    assert replaced(text, {}) == text


def test_parts_follow_their_name_unless_they_belong_to_several():
    assert with_parts({"Ada Lowe": "Eva Kern", "Max Lowe": "Leo Marr"}) == {
        "Ada Lowe": "Eva Kern", "Max Lowe": "Leo Marr", "Ada": "Eva", "Max": "Leo",
    }  # fmt: skip
    assert with_parts({"Ada Lowe": "Eva Kern", "Ada": "Mia"})["Ada"] == "Mia"


def test_names_of_one_set_alone_are_found_with_their_possessives_and_initials():
    assert distinctive_names(BOOK, REST) == ["Una Birk", "Odo Lind", "J. K. Tarn"]


def test_a_name_is_exchanged_for_one_that_is_used_like_it():
    found = alike(["Una Birk", "Odo Lind"], BOOK, REST, 1)
    assert found["Una Birk"] == ["Tess Wolm"]  # before "lives", and at the beginning
    assert found["Odo Lind"] == ["Rolf Senn"]  # after "does" and before "live"
    # Too few are used like Odo Lind.
    assert set(alike(["Una Birk", "Odo Lind"], BOOK, REST, 2)) == {"Una Birk"}
    with pytest.raises(InputError, match="none has 9"):
        alike(["Una Birk"], BOOK, REST, 9)


def test_no_two_names_get_the_same_replacement_where_that_can_be():
    choices = {"a": ["x", "y"], "b": ["x", "y"], "c": ["x"]}
    for seed in range(5):
        chosen = drawn(choices, torch.Generator().manual_seed(seed))
        assert chosen["a"] != chosen["b"]
        assert chosen["c"] == "x"


@pytest.mark.parametrize(
    ("text", "what"), [("[1]", "there are no names"), ("{}", "there are no names"), ("{", "cannot be read")]
)
def test_a_file_without_names_is_refused(tmp_path, text, what):
    file = tmp_path / "names.json"
    file.write_text(text)
    with pytest.raises(InputError, match=what):
        read_names(str(file))
