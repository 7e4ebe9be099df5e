"""What a list of ids or a filter selects, and what is no selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lethe.errors import InputError
from lethe.sources.selection import is_list, select
from lethe.sources.tables import Table, frame


@pytest.fixture
def columns():
    groups = ["x", "y", "x", "y", "x", "y"]
    table = Table("d", tuple("abcdef"), True, [0, 1, 2, 0, 1, 2], lambda row: np.empty(0), {"group": groups})
    return frame(table, np.array(table.labels), {0: "cat", 1: "dog", 2: "cow"})


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        ("label == 1", [1, 4]),
        ("label in [1, 2] and group == 'x'", [2, 4]),
        ("label_name == 'cow'", [2, 5]),
        ("not (label == 0 or group == 'y')", [2, 4]),
        ("label % 2 == 1", [1, 4]),
        ("0 < label <= 1", [1, 4]),
        ('id in ["f", "a"]', [0, 5]),
        ("(label == 1) & (group == 'x')", [4]),
        ("label == -1 or label == 0", [0, 3]),
    ],
)
def test_filters_select_what_they_say(columns, spec, rows):
    """Operators and names mean what they mean in pandas and in the model's config."""
    assert not is_list(spec)
    assert select(spec, columns, "--forget") == rows


def test_a_filter_longer_than_a_file_name(columns):
    """A long filter must not be taken for a path the system cannot name."""
    assert select(f"label in {[1, 7] * 1_000}", columns, "--forget") == [1, 4]


@pytest.mark.parametrize(
    "spec",
    ["label.max() == 1", "[x for x in id]", "(lambda: label)()", "label[0] == 1", "__import__('os')", "label == 1 ** 9",
     "f'{label}' == 1", "(label := 1) == 1", "label == 1; id", ""],
)  # fmt: skip
def test_a_filter_is_a_comparison_and_nothing_else(columns, spec):
    """Filters come from records as well as from the user: none may call, look up or change anything."""
    with pytest.raises(InputError, match=r"only compares columns|does not parse"):
        select(spec, columns, "--forget")


def test_lists(columns, tmp_path):
    """Comments, blank lines, order and JSON must make no difference."""
    (tmp_path / "ids.txt").write_text("\n# mine\ne\n  b  # and hers\n\n")
    (tmp_path / "ids.json").write_text('["e", "b"]')
    for name in ("ids.txt", "ids.json"):
        assert select(str(tmp_path / name), columns, "--forget") == [1, 4]


@pytest.mark.parametrize(
    ("text", "names"), [("{", "not whole JSON"), ('{"a": 1}', "not a list"), ("[]", "at least one")]
)
def test_json_that_is_no_list_of_ids(columns, tmp_path, text, names):
    """The file must be named."""
    (tmp_path / "ids.json").write_text(text)
    with pytest.raises(InputError, match=f"ids.json.*{names}"):
        select(str(tmp_path / "ids.json"), columns, "--forget")


def test_numbers_in_json_are_ids_as_text(tmp_path):
    """Row numbers are ids; JSON writes them without quotes."""
    (tmp_path / "ids.json").write_text("[2, 0]")
    numbered = pd.DataFrame({"id": ["0", "1", "2"], "label": [0, 0, 1]})
    assert select(str(tmp_path / "ids.json"), numbered, "--forget") == [0, 2]
