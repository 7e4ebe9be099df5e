"""Every format of text must give the same rows, and whatever is wrong with a file is named with its line."""

from __future__ import annotations

import csv
import gzip
import json

import datasets
import pytest
import torch

from lethe.errors import InputError
from lethe.sources.records import Records, read_records, stem
from lethe.sources.text_columns import further_columns
from lethe.sources.texts import find_texts
from tests.texts import write_lines

ROWS = [
    {"id": "a", "question": "Who, \"me\"?\nYes", "answer": "42", "age": 7, "score": 0.5, "group": "x", "code": "007"},
    {"id": "b", "question": "Où\u2028donc?", "answer": "là", "age": -1, "score": 2.0, "group": "y", "code": "1"},
    {"id": "c", "question": "Why?", "answer": "Because.", "age": 30, "score": 1e-3, "group": "", "code": "2"},
]  # fmt: skip


def write_gz(path):
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n\n" for row in ROWS).encode()))
    return path


def write_json(path):
    path.write_text("\ufeff" + json.dumps(ROWS, indent=1))
    return path


def write_csv(path):
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def write_parquet(path):
    datasets.Dataset.from_list(ROWS).to_parquet(str(path))
    return path


def write_saved(path):
    datasets.Dataset.from_list(ROWS).save_to_disk(str(path))
    return path


WRITERS = [
    (lambda path: write_lines(path, ROWS), "d.jsonl"), (write_gz, "d.jsonl.gz"), (write_json, "d.json"),
    (lambda path: write_lines(path, ROWS), "e.json"), (write_csv, "d.csv"), (write_csv, "d.tsv"),
    (write_parquet, "d.parquet"), (write_saved, "d"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_all_formats_agree(write, name, tmp_path):
    """Texts, ids and numbers must not depend on the file they came in: 42 is an answer, 007 no number."""
    texts = find_texts(read_records(str(write(tmp_path / name))), {})
    assert texts.ids == ("a", "b", "c")
    assert texts.own_ids
    assert texts.prompts == tuple(row["question"] for row in ROWS)
    assert texts.answers == ("42", "là", "Because.")
    columns = further_columns({"forget": texts})["forget"]
    assert torch.equal(columns["age"], torch.tensor([7, -1, 30]))
    assert torch.equal(columns["score"], torch.tensor([0.5, 2.0, 1e-3], dtype=torch.float64))
    assert list(columns["group"]) == ["x", "y", ""]
    assert list(columns["code"]) == ["007", "1", "2"]


def test_splits_of_a_folder(tmp_path):
    """The split that was named must be read, and none be guessed where there are several."""
    one, two = datasets.Dataset.from_list(ROWS[:1]), datasets.Dataset.from_list(ROWS[1:])
    datasets.DatasetDict(train=one, spare=two).save_to_disk(str(tmp_path / "d"))
    datasets.DatasetDict(train=two).save_to_disk(str(tmp_path / "e"))
    assert [row["id"] for row in read_records(f"{tmp_path}/d:spare").rows] == ["b", "c"]
    assert len(read_records(f"{tmp_path}/e")) == 2
    with pytest.raises(InputError, match=r"several splits \(train, spare\); name one"):
        read_records(f"{tmp_path}/d")
    with pytest.raises(InputError, match="has no split 'trian'; did you mean 'train'"):
        read_records(f"{tmp_path}/d:trian")


def test_a_copy_of_a_data_set_of_the_hub(tmp_path, monkeypatch):
    """Its folder must work as its name does: by configuration and split."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "people"
    folder.mkdir()
    write_lines(folder / "f.jsonl", ROWS[:1])
    write_lines(folder / "r.jsonl", ROWS[1:])
    listed = "".join(f"- config_name: {name}\n  data_files: {name[0]}.jsonl\n" for name in ("forget", "retain"))
    (folder / "README.md").write_text(f"---\nconfigs:\n{listed}---\n")
    for spec in (f"{folder}:retain", f"{folder}:retain:train"):
        records = read_records(spec)
        assert [row["id"] for row in records.rows] == ["b", "c"]
        assert records.stem == "people-retain-train"
    with pytest.raises(InputError, match=r"several configurations \(forget, retain\)"):
        read_records(str(folder))
    with pytest.raises(InputError, match="no configuration 'retian'; did you mean 'retain'"):
        read_records(f"{folder}:retian:train")


def test_a_name_of_the_hub_goes_to_load_dataset(monkeypatch):
    """owner/name:config:split must reach the library as that, and remote code must not be asked for."""
    asked = []

    def load(*arguments, **named):
        asked.append((arguments, named))
        return datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS))

    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda name: ["default", "forget10"])
    monkeypatch.setattr(datasets, "load_dataset", load)
    assert len(read_records("owner/name:forget10:train")) == 3
    assert len(read_records("owner/name:forget10")) == 3
    assert asked == [(("owner/name", "forget10"), {})] * 2


def test_rows_without_ids_are_named_after_their_file(tmp_path):
    """Such names must tell two files apart."""
    path = tmp_path / "forget10.jsonl"
    write_lines(path, [{"prompt": "a", "answer": "b"}, {"prompt": "c", "answer": "d"}])
    assert find_texts(read_records(str(path)), {}).ids == ("forget10-0", "forget10-1")
    assert stem(tmp_path / "retain.v2.csv.gz") == "retain.v2"


def test_a_row_is_named_by_its_line():
    """Empty lines, and line breaks inside quotes, must not shift the number."""
    records = Records("d.jsonl", "d", [{}, {}], [1, 7])
    assert records.place(1) == "d.jsonl:7"
    assert Records("d.parquet", "d", [{}, {}]).place(1) == "d.parquet, row 1"


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("d.jsonl", "", "d.jsonl: is empty"),
        ("d.jsonl", "\n\n", "d.jsonl: holds no rows"),
        ("d.json", "[]", "d.json: holds no rows"),
        ("d.csv", "prompt,answer\n", "d.csv: holds no rows"),
        ("d.jsonl", '{"prompt": "a"}\n\n{"prompt": \n', "d.jsonl:3: not JSON"),
        ("d.jsonl", '{"prompt": "a"}\n["b"]\n', "d.jsonl:2: not an object"),
        ("d.jsonl", b'{"prompt": "a"}\n{"prompt": "\xff"}', "d.jsonl:2: not UTF-8"),
        ("d.json", '[{"prompt": "a"},\n {"prompt" "b"}]', "d.json:2: not whole JSON"),
        ("d.json", '[{"prompt": "a"}, 3]', "d.json, row 1: not an object"),
        ("d.jsonl", "[" * 100_000, "d.jsonl:1: not JSON"),
        ("d.json", "[" * 100_000, "d.json: not JSON"),
        ("d.jsonl", '{"prompt": "\\uD83D\\uDE00"}\n{"prompt": "\\uD83D"}', "d.jsonl:2: not JSON (it escapes half"),
        ("d.json", '[{"prompt": "\\uD83D"}]', "d.json: not JSON (it escapes half"),
        ("d.csv", 'prompt,answer\na,b\n"c\nd",e,f\n', "d.csv:3: has 3 fields, the first line names 2"),
        ("d.csv", 'prompt,answer\n"a\nb",c\nd\n', "d.csv:4: has 1 fields"),
        ("d.csv", 'prompt,answer\na,b\n"c"d,e\n', "d.csv:3: not CSV"),
        ("d.csv", 'prompt,answer\na,b\n"c', "d.csv:3: not CSV"),
        ("d.csv", "prompt,prompt\na,b\n", "d.csv:1: the name 'prompt' stands twice"),
        ("d.csv", "prompt,\na,b\n", "d.csv:1: column 2 has no name"),
        ("d.jsonl.gz", gzip.compress(b'{"prompt": "a"}', mtime=0)[:-9], "not a whole .gz"),
        ("d.parquet", b"PAR1 and no more", "not a whole Parquet"),
        ("d.bin", "what is this", "d.bin: not a data file lethe reads"),
        ("d.bin", None, "d.bin: no such file"),
        ("nowhere/d.jsonl", None, "d.jsonl: no such file"),
    ],
)
def test_damaged_and_unknown_files(name, content, names, tmp_path):
    """One line that names the file, and the line where there are lines."""
    path = tmp_path / name
    if content is not None:
        put(path, content)
    with pytest.raises(InputError) as caught:
        read_records(str(path))
    assert f"{tmp_path}/" in str(caught.value)
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_relative_path_is_no_name_of_the_hub(tmp_path, monkeypatch):
    """A mistyped path must be said to be missing, and nobody be asked for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda name: pytest.fail("asked the hub"))
    with pytest.raises(InputError, match=r"data/forget\.jsonl: no such file"):
        read_records("data/forget.jsonl")
    with pytest.raises(InputError, match=r"^forget: no such file"):
        read_records("forget")
