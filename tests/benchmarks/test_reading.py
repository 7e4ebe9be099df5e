"""What a benchmark's files may be, and what is said of wrong ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from lethe.benchmarks.reading import NUMBER, OBJECT, TEXT, TEXTS, Files
from lethe.errors import InputError

ROWS = [{"question": "Who?", "options": ["a", "b"], "right": 1, "more": {"x": 0}}, {"question": "Where?"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "asked.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "whole.jsonl").write_text(json.dumps(ROWS[0]))
    (tmp_path / "notes.txt").write_text("nothing to read")
    return tmp_path


def test_only_the_columns_asked_for_are_kept(folder: Path) -> None:
    files = Files(str(folder), "QUIZ")
    assert files.rows("asked", question=TEXT) == [{"question": "Who?"}, {"question": "Where?"}]
    every = files.rows("whole", question=TEXT, options=TEXTS, right=NUMBER, more=OBJECT)
    assert every == [ROWS[0]]
    assert sorted(files.there) == ["asked", "whole"]


def test_a_value_of_another_kind_is_named_with_its_line(folder: Path) -> None:
    files = Files(str(folder), "QUIZ")
    with pytest.raises(InputError, match=r"asked\.jsonl\.gz:2: has no list of texts in 'options'; QUIZ's own files"):
        files.rows("asked", question=TEXT, options=TEXTS)
    with pytest.raises(InputError, match="whole number in 'question'"):
        files.rows("whole", question=NUMBER)


def test_a_missing_file_is_named_with_the_nearest(folder: Path) -> None:
    files = Files(str(folder), "QUIZ")
    with pytest.raises(InputError, match=r"holds no ask\.jsonl; did you mean 'asked'.*copy QUIZ's files there"):
        files.rows("ask", question=TEXT)
    assert files.optional("ask", question=TEXT) == []
    assert len(files.optional("whole", question=TEXT)) == 1


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"\./nowhere: no such folder; give one with QUIZ's files, or quiz/quiz"):
        Files("./nowhere", "QUIZ", "quiz/quiz")


def test_an_empty_folder_is_not_taken_for_a_copy_of_the_hub(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no asked\.jsonl"):
        Files(str(tmp_path), "QUIZ").rows("asked", question=TEXT)


def test_a_copy_of_the_hub_is_read_by_configuration_and_split(tmp_path: Path) -> None:
    (tmp_path / "quiz").mkdir()
    (tmp_path / "quiz" / "easy.jsonl").write_text(json.dumps({"question": "Who?"}) + "\n")
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: quiz\n  data_files:\n  - split: easy\n    path: quiz/easy.jsonl\n"
        "- config_name: other\n  data_files:\n  - split: train\n    path: quiz/easy.jsonl\n---\n"
    )
    files = Files(str(tmp_path), "QUIZ", places={"asked": "quiz:easy"})
    assert files.rows("asked", question=TEXT) == [{"question": "Who?"}]
    assert files.rows("other", question=TEXT) == [{"question": "Who?"}]
    assert files.holds("asked")
    assert not files.holds("unknown")
