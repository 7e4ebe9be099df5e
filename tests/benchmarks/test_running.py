"""`lethe bench tofu` as somebody runs it: what it leaves, how it goes on, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lethe.benchmarks import running
from lethe.cli import main
from lethe.cli.bench import method_slug
from lethe.models import fingerprint
from lethe.sources import load_language_model
from tests.benchmarks.conftest import Changed, Place


def results(out: Path) -> dict[str, Any]:
    """What results.json says, without the seconds."""
    found = json.loads((out / "results.json").read_text())
    for model in found["models"]:
        del model["seconds"], model["folder"]
    return found


@pytest.fixture(scope="module")
def done(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    assert main(place.arguments(out, seeds="0,1")) == 0
    return out


def test_everything_is_left_in_one_folder(done: Path, place: Place) -> None:
    found = results(done)
    assert [(model["name"], model["seed"]) for model in found["models"]] == [
        ("target", 0), ("gold", 1), ("npo", 0), ("npo", 1)
    ]  # fmt: skip
    assert found["rows"] == {"forget": 12, "retain": 12, "real_authors": 12, "world_facts": 12, "holdout": 12}
    runs = [model["values"]["forget_probability"] for model in found["models"][2:]]
    summary = found["summary"]["npo"]["forget_probability"]
    assert summary["mean"] == pytest.approx(sum(runs) / 2)
    assert summary["spread"] == pytest.approx(abs(runs[0] - runs[1]) / 2**0.5)
    assert runs[0] != runs[1]
    for model in ("target", "gold", "runs/npo-0"):
        load_language_model(str(done / model))  # with a tokenizer of its own
    with (done / "results.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["model"] for line in lines] == ["target", "gold", "npo", "npo"]
    assert float(lines[2]["forget_probability"]) == runs[0]


def test_the_same_command_again_trains_and_reads_nothing(
    done: Path, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = results(done)

    def refuse(*_: object) -> None:
        raise AssertionError("a model was forwarded")

    handle = torch.nn.modules.module.register_module_forward_pre_hook(refuse)
    try:
        assert main(place.arguments(done, seeds="0,1")) == 0
    finally:
        handle.remove()
    assert results(done) == before
    table = capsys.readouterr().out
    assert "forget_quality" in table
    assert "npo" in table


def test_a_run_that_was_stopped_goes_on_to_the_same_table(
    done: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = place.arguments(tmp_path, seeds="0,1")
    points, ends = iter(range(10_000)), list[int]()

    def stop_at(number: int) -> None:
        def asked(run: running.Run) -> None:
            if next(points) == number:
                raise KeyboardInterrupt

        monkeypatch.setattr(running.Run, "interrupt_point", asked)

    for number in (3, 20, 40, 60):  # in gold's training, in evaluation, in the target's, in a method's
        points = iter(range(10_000))
        stop_at(number)
        ends.append(main(arguments))
    monkeypatch.undo()
    assert ends.count(130) >= 3
    assert main(arguments) == 0
    assert results(tmp_path) == results(done)
    for model in ("target", "gold", "runs/npo-0", "runs/npo-1"):
        assert fingerprint(load_language_model(str(tmp_path / model)).network) == fingerprint(
            load_language_model(str(done / model)).network
        )


def test_models_that_are_there_need_no_preparation(
    done: Path, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"target": done / "target", "gold": done / "gold", "model": None, "methods": None}
    arguments = place.arguments(tmp_path, "--json", **given)
    kept = [
        a
        for i, a in enumerate(arguments)
        if not a.startswith("npo.") and not (a == "--set" and arguments[i + 1].startswith("npo."))
    ]
    assert main(kept) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [model["values"] for model in printed["models"]] == [m["values"] for m in results(done)["models"][:2]]
    assert not (tmp_path / "target").exists()


def test_a_run_can_be_audited_as_any_other(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--run", str(done / "runs" / "npo-0"), "--attacks", "none", "--json"]) == 0
    names = {entry["name"] for entry in json.loads(capsys.readouterr().out)["metrics"]}
    assert {"forget_quality", "forget_truth_ratio", "retain_truth_ratio", "model_utility"} <= names


def test_methods_may_be_written_without_underlines() -> None:
    assert [method_slug(name) for name in ("graddiff", "grad_diff", "npo", "tofu")] == [
        "grad_diff", "grad_diff", "npo", "tofu"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ({"split": "forget15"}, "no split 'forget15'; did you mean 'forget14'"),
        ({"methods": "npo,nbo"}, "unknown method 'nbo'; did you mean 'npo'"),
        ({"methods": "npo,npo"}, "names npo twice"),
        ({"methods": "npo,boundary_shrink"}, "boundary_shrink: does not work on language models"),
        ({"seeds": "0,0"}, "each once"),
        ({"seeds": "one"}, "expected whole numbers"),
        ({"model": None}, "give --model"),
        ({"methods": "simnpo"}, "npo takes no part in this benchmark"),
        ({"data": "./nowhere"}, "./nowhere: no such folder"),
        ({"learning-rate": -1}, "learning_rate must be a positive number"),
    ],
)
def test_mistakes_end_in_one_line(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], instead: dict[str, Any], message: str
) -> None:
    assert main(place.arguments(tmp_path / "out", **instead)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_unknown_benchmark_and_a_model_of_another_kind_are_refused(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = place.arguments(tmp_path / "out")
    assert main(["bench", "tofo", *arguments[2:]]) == 2
    assert "tofo" in capsys.readouterr().err
    picture = tmp_path / "picture"
    picture.mkdir()
    (picture / "config.json").write_text('{"architectures": ["ViTForImageClassification"], "model_type": "vit"}')
    assert main(place.arguments(tmp_path / "out", model=picture)) == 2
    error = capsys.readouterr().err
    assert "is an image classifier, and TOFU needs a language model" in error
    assert "--data" not in error


def test_other_settings_need_a_folder_of_their_own(
    done: Path, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(place.arguments(done, epochs=3)) == 2
    assert "another configuration" in capsys.readouterr().err


def test_a_missing_file_is_named(
    changed: Changed, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = changed("real_authors_perturbed.jsonl", lambda _: None)
    assert main(place.arguments(tmp_path / "out", data=data)) == 2
    assert "holds no real_authors_perturbed.jsonl" in capsys.readouterr().err
