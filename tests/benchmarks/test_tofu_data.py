from __future__ import annotations

import os
from pathlib import Path

import pytest

from lethe.benchmarks.tofu_data import read_tofu
from lethe.errors import ConfigurationError, InputError
from tests.benchmarks.conftest import Changed, Place


def real() -> str:
    folder = os.environ.get("LETHE_DATA")
    if not folder:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    return str(Path(folder) / "tofu")


@pytest.mark.parametrize(("split", "forgotten"), [("forget01", 40), ("forget05", 200), ("forget10", 400)])
def test_the_real_splits_are_whole(split: str, forgotten: int) -> None:
    data = read_tofu(real(), split)
    assert (len(data.forget), len(data.retain)) == (forgotten, 4000 - forgotten)
    sizes = {name: len(rows) for name, rows in data.tasks.items()}
    assert sizes == {"forget": forgotten, "retain": 400, "real_authors": 100, "world_facts": 117, "holdout": 200}
    for name, count in (("forget", 5), ("retain", 5), ("real_authors", 3), ("world_facts", 3)):
        assert {len(row["perturbed_answer"]) for row in data.tasks[name]} == {count}  # type: ignore[arg-type]
    assert all(row["paraphrased_answer"] for name in ("forget", "retain") for row in data.tasks[name])


def test_a_limit_keeps_whole_authors_of_either_side() -> None:
    data = read_tofu(real(), "forget10", limit=20)
    whole = read_tofu(real(), "forget10")
    assert data.forget == whole.forget[:40]
    assert len(data.retain) == 360
    assert len(data.tasks["retain"]) == 360
    assert {row["question"] for row in data.tasks["retain"]} <= {row["question"] for row in data.retain}


def test_people_are_read_like_tofu(place: Place) -> None:
    data = read_tofu(str(place.data), "forget14")
    assert len(data.forget) == 54
    assert data.tasks["forget"] == data.forget
    assert len(data.tasks["holdout"]) == 18
    evaluated = [row for row in data.retain if "perturbed_answer" in row]
    assert len(evaluated) == len(data.tasks["retain"])


def test_an_unknown_split_names_the_nearest(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="no split 'forget15'; did you mean 'forget14'"):
        read_tofu(str(place.data), "forget15")


def test_a_missing_file_is_named(changed: Changed) -> None:
    with pytest.raises(InputError, match=r"holds no world_facts_perturbed\.jsonl; did you mean 'world_facts'"):
        read_tofu(str(changed("world_facts_perturbed.jsonl", lambda _: None)), "forget14")


def test_a_missing_column_is_named_with_its_line(changed: Changed) -> None:
    folder = changed("retain_perturbed.jsonl", lambda text: text.replace('"paraphrased_answer"', '"other"', 1))
    with pytest.raises(InputError, match=r"retain_perturbed\.jsonl:1: has no text in 'paraphrased_answer'"):
        read_tofu(str(folder), "forget14")


def test_wrong_answers_have_to_be_a_list(changed: Changed) -> None:
    folder = changed(
        "forget14_perturbed.jsonl", lambda text: text.replace('"perturbed_answer": [', '"perturbed_answer": [3, ', 1)
    )
    with pytest.raises(InputError, match="has no list of texts in 'perturbed_answer'"):
        read_tofu(str(folder), "forget14")


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"\./nowhere: no such folder"):
        read_tofu("./nowhere", "forget10")


def test_a_limit_that_keeps_nobody_is_refused(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="a limit of 1 authors leaves none to retain"):
        read_tofu(str(place.data), "forget14", limit=1)
