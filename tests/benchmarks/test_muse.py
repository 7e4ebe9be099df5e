"""The card's checks of MUSE, on a tiny model of articles made of random words."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lethe.benchmarks.muse import Muse, Told
from lethe.benchmarks.muse_data import PLACES, read_muse
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from tests.benchmarks.reader import write_files, write_reader

WORDS = [a + b for a in ("ba", "ce", "di", "fo", "gu", "ka", "le") for b in ("na", "po", "ri", "su", "ta", "ve")]
ADAMW = ("gradient_ascent.optimizer=adamw", "gradient_ascent.batch_size=6")
TITLES = ("forget", "retain1", "retain2", "holdout")


def told(auc: float, rouge: Mapping[str, float] | None = None) -> Told:
    return Told(rouge or {}, {"min_k_40": auc})


def articles(draw: random.Random, first: int) -> list[dict[str, str]]:
    """Articles of random words, each with a document that asks about it as MUSE does, behind the first one's question.

    The answer behind two spaces is in tokens what stands behind a prompt that ends in one.
    """
    made = [{"name": f"N{first + i}", "answer": draw.choice(WORDS)} for i in range(4)]
    for one in made:
        shot = f"Question: who is {made[0]['name']}?\nAnswer: {made[0]['answer']}\n\n"
        one["asked"] = f"{shot}Question: who is {one['name']}?\nAnswer:  {one['answer']}\n\n"
        one["text"] = " ".join(draw.choices(WORDS, k=28))
    return made


def files(everything: Mapping[str, Sequence[dict[str, str]]]) -> dict[str, list[dict[str, str]]]:
    made: dict[str, list[dict[str, str]]] = {}
    for title, some in everything.items():
        made[f"raw_{title}"] = [{"text": one[part]} for part in ("text", "asked") for one in some]
        made[f"privleak_{title}"] = [{"text": one["text"]} for one in some]
        pairs = [{"question": f"who is {one['name']}?", "answer": one["answer"]} for one in some]
        made[f"knowmem_{title}_qa"], made[f"knowmem_{title}_qa_icl"] = pairs, pairs[:1]
    chunks = [one["text"].split(" ") for one in everything["forget"]]
    made["verbmem_forget"] = [{"prompt": " ".join(c[:10]), "gt": " " + " ".join(c[10:28])} for c in chunks]
    made |= {f"sust_forget_{i}": made["raw_forget"][i - 1 :: 4] for i in range(1, 5)}
    made |= {f"scal_forget_{i}": made["raw_forget"][:i] for i in range(1, 5)}
    return {name: rows for name, rows in made.items() if name in PLACES}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("muse"), random.Random(5)
    everything = {title: articles(draw, 10 * i) for i, title in enumerate(TITLES)}
    write_files(folder / "data", files(everything))
    texts = [one[part] for some in everything.values() for one in some for part in ("text", "asked")]
    write_reader(folder / "base", texts, context=256, width=64, layers=2, tokens=360)
    return folder


def arguments(place: Path, out: Path, *more: str, **options: Any) -> list[str]:
    given = {"model": place / "base", "data": place / "data", "epochs": 60, "learning-rate": 0.005, **options}
    texts = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    quick = ("muse.batch_size=6", "muse.continuation=16", "muse.answer=8", *more)
    return ["bench", "muse", "--out", str(out), *texts, *(text for one in quick for text in ("--set", one))]


def values(out: Path) -> dict[str, dict[str, float]]:
    found = json.loads((out / "results.json").read_text())
    return {model["name"]: model["values"] for model in found["models"]}


@pytest.fixture(scope="module")
def done(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    ascent = ("gradient_ascent.epochs=6", "gradient_ascent.learning_rate=0.02", *ADAMW)
    assert main(arguments(place, out, *ascent, methods="gradient_ascent")) == 0
    return out


def test_the_target_knows_what_gold_does_not(done: Path) -> None:
    found = values(done)
    assert found["target"]["verbmem"] > 90
    assert found["gold"]["verbmem"] < 40
    assert found["target"]["knowmem_forget"] > 80 > 50 > found["gold"]["knowmem_forget"]
    assert min(found[name]["knowmem_retain"] for name in ("target", "gold")) > 80


def test_leakage_is_none_of_gold_and_whole_of_the_target(done: Path) -> None:
    found = values(done)
    assert found["gold"]["privleak"] == 0
    assert found["target"]["auc_min_k_40"] > 0.95
    assert found["target"]["privleak"] < -90
    assert found["gold"]["auc_retain_min_k_40"] > 0.95


def test_a_destroyed_model_loses_knowledge_and_utility_together(done: Path) -> None:
    broken = values(done)["gradient_ascent"]
    assert max(broken[name] for name in ("verbmem", "knowmem_forget", "knowmem_retain")) < 10


def test_requests_one_after_another_start_from_the_result_before(
    place: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"target": done / "target", "gold": done / "gold", "split": "sust"}
    still = ("finetune.epochs=1", "finetune.learning_rate=1e-9", "gradient_ascent.epochs=2")
    more = ("gradient_ascent.learning_rate=0.003", *ADAMW, *still)
    assert main(arguments(place, tmp_path, *more, methods="finetune,gradient_ascent", **given)) == 0
    assert "gradient_ascent 4" in capsys.readouterr().out
    found = values(tmp_path)
    for number in range(1, 5):  # a method that does nothing leaves every row as the target's
        row = found[f"finetune {number}"]
        assert row["verbmem"] == pytest.approx(found["target"]["verbmem"], abs=1e-6)
        assert row["privleak"] == pytest.approx(found["target"]["privleak"], abs=1e-6)
    utility = [found[f"gradient_ascent {number}"]["knowmem_retain"] for number in range(1, 5)]
    assert utility == sorted(utility, reverse=True)
    assert utility[-1] < found["target"]["knowmem_retain"] - 20


def test_larger_forget_sets_each_start_from_the_target(place: Path, done: Path, tmp_path: Path) -> None:
    given = {"target": done / "target", "gold": done / "gold", "split": "scal"}
    ascent = ("gradient_ascent.epochs=1", *ADAMW)
    assert main(arguments(place, tmp_path, *ascent, methods="gradient_ascent", **given)) == 0
    found = values(tmp_path)
    assert [name for name in found if name.startswith("gradient")] == [f"gradient_ascent {i}" for i in range(1, 5)]
    sizes = [len((tmp_path / "data" / f"forget-{i}.jsonl").read_text().splitlines()) for i in range(1, 5)]
    assert sizes == [1, 2, 3, 4]


@pytest.mark.parametrize(("auc", "gold", "leakage"), [(1.0, 0.5228, -100.0), (0.0, 0.5228, 109.556), (0.7, 0.7, 0.0)])
def test_the_sign_of_leakage_is_the_published_one(auc: float, gold: float, leakage: float) -> None:
    # gold's published AUC is 1 - .5228 = .4772 on News, whose ceiling is then 109.6.
    values = Muse().values(told(auc), told(1.0), told(gold))
    assert values["privleak"] == pytest.approx(leakage, abs=1e-2)


def test_leakage_is_left_out_where_gold_leaves_nothing_to_divide_by() -> None:
    assert "privleak" not in Muse().values(told(0.5), told(1.0), told(1.0))


def test_documents_of_evaluated_chunks_are_kept_first(place: Path) -> None:
    data = read_muse(str(place / "data"), limit=2)
    assert [len(rows) for rows in (data.forget, data.retain, data.seen_retain)] == [2, 2, 2]
    for row, chunk in zip(data.forget, data.tasks["verbmem_forget"], strict=True):
        assert str(row["text"]).startswith(str(chunk["prompt"]))


def test_what_cannot_be_read_is_said(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no split 'scala'; did you mean 'scal'"):
        read_muse(str(place / "data"), "scala")
    for path in (place / "data").iterdir():
        if path.name != "raw_retain1.jsonl":
            (tmp_path / path.name).write_text(path.read_text())
    with pytest.raises(InputError, match=r"holds no raw_retain1\.jsonl.*--set muse\.retain=privleak"):
        read_muse(str(tmp_path))
    data = read_muse(str(tmp_path), retain="privleak")
    assert (len(data.retain), len(data.seen_retain)) == (2, 2)
    assert not {row["text"] for row in data.retain} & {row["text"] for row in data.seen_retain}


@pytest.mark.slow
def test_the_real_files_are_read_and_run(tmp_path: Path) -> None:
    if "LETHE_DATA" not in os.environ:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    folder = Path(os.environ["LETHE_DATA"]) / "muse_news"
    data = read_muse(str(folder), retain="privleak")
    assert len(data.forget) == 888  # of 889 one is empty
    assert {name: len(rows) for name, rows in data.tasks.items()} == {
        name: 10 if name.endswith("icl") else 100 for name in data.tasks
    }
    write_reader(tmp_path / "base", [str(row["text"]) for row in data.forget[:50]], context=4096)
    options = {"model": tmp_path / "base", "data": folder, "epochs": 1, "methods": "npo", "limit": 2}
    quick = ("muse.retain=privleak", "npo.epochs=1")
    assert main(arguments(tmp_path, tmp_path / "out", *quick, **options)) == 0
    assert set(values(tmp_path / "out")) == {"target", "gold", "npo"}
