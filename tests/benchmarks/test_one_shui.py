"""1-SHUI as somebody runs it, card 032: one image of each person, and no training data when the request comes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from torch import nn

from lethe.benchmarks.faces import read_celeba_hq
from lethe.benchmarks.image_running import ImageBench
from lethe.benchmarks.images import Reader
from lethe.benchmarks.one_shui import OneShui
from lethe.benchmarks.one_shui_data import PARTS, split_one_shot
from lethe.cli import main
from lethe.errors import ConfigurationError, InputError
from lethe.methods.base import Method
from lethe.methods.descent.meta_unlearn import MetaUnlearn
from lethe.models import copied
from lethe.problem import Problem
from lethe.progress import Silent
from lethe.run import Run
from lethe.sources.classifier import load_classifier
from tests.benchmarks.classifiers import write_classifier, write_real_faces
from tests.benchmarks.test_mufac import CLASSES, PEOPLE, SHOTS, SIZE, faces

FORGOTTEN = 3
SETTINGS = ("epochs=2", "learning_rate=0.001", "weigh=false", "step_size=0.005", "width=32", "identity_width=8")
LEARNING = tuple(word for one in SETTINGS for word in ("--set", f"meta_unlearn.{one}"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one_shui")
    np.savez(folder / "faces.npz", **faces())
    write_classifier(folder / "start", SIZE, CLASSES)
    return folder


@pytest.fixture(scope="module")
def done(place: Path) -> tuple[dict, Path]:
    """What the command leaves after the strict protocol with two methods."""
    out = place / "out"
    assert main(arguments(place, out, "--methods", "meta_unlearn,gradient_ascent", *LEARNING)) == 0
    return json.loads((out / "results.json").read_text()), out


def arguments(place: Path, out: Path, *more: str) -> list[str]:
    sets = (f"people={FORGOTTEN}", "batch_size=16", "weight_decay=0")
    return [
        "bench", "one_shui", "--model", str(place / "start"), "--data", str(place / "faces.npz"), "--out", str(out),
        "--epochs", "25", "--learning-rate", "0.05", *(word for one in sets for word in ("--set", f"one_shui.{one}")),
        *more,
    ]  # fmt: skip


def test_the_command_runs_the_strict_protocol_to_its_table(done) -> None:
    found, out = done
    kept = round(0.6 * PEOPLE) - FORGOTTEN
    rows = {"forget": FORGOTTEN * (SHOTS - 1), "retain": kept * SHOTS, "holdout": 8 * SHOTS, "test": 8 * SHOTS}
    assert found["rows"] == rows
    values = {model["name"]: model["values"] for model in found["models"]}
    assert values["gold"]["tow"] == 1
    assert values["target"]["tow"] < 0.9
    names = ("retain_accuracy", "forget_accuracy", "test_accuracy")
    for one in values.values():
        assert one["tow"] == pytest.approx(np.prod([1 - abs(one[name] - values["gold"][name]) for name in names]))
    assert values["target"]["forget_accuracy"] > values["gold"]["forget_accuracy"] + 0.1
    # Who was trained on is found in the target, and not in gold.
    assert values["target"]["membership_forest"] < values["gold"]["membership_forest"] - 0.3
    assert values["target"]["rmia"] > 0.6
    assert "rmia" not in values["gold"]
    assert 0 <= values["meta_unlearn"]["rmia"] <= 1
    assert values["meta_unlearn"] != values["target"]
    # The loss was learnt once for the target and once for gold, each from its own model.
    losses = [one / "ahead" / "meta_unlearn-0" / "meta_loss.json" for one in (out, out / "gold-runs")]
    facts = json.loads((out / "data.json").read_text())
    people = {*facts["forget_identities"], *facts["retain_identities"]}
    assert [set(json.loads(path.read_text())["identities"]) for path in losses] == [people, people]


def test_the_same_command_goes_on_with_what_is_there(place: Path, done, monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(*_: object, **__: object) -> None:
        raise AssertionError("the loss is there")

    monkeypatch.setattr(MetaUnlearn, "learn", learn)
    assert main(arguments(place, done[1], "--methods", "meta_unlearn", *LEARNING)) == 0
    again = json.loads((done[1] / "results.json").read_text())
    assert again["models"] == [model for model in done[0]["models"] if model["name"] != "gradient_ascent"]


@dataclass(frozen=True, kw_only=True)
class Peek(Method):
    """Fails where it is given more than it should be, and asks for what is read of the images."""

    needs: ClassVar[frozenset[str]] = frozenset()
    shown: tuple[str, ...] = ()
    everybody: int = 0
    unseen: int = 0
    relaxed: bool = False
    called: bool = False

    def ahead(self, problem: Problem, run: Run, folder: Path, count: int) -> Peek:
        assert problem.holdout is not None
        assert (len(problem.forget), len(problem.kept), len(problem.holdout)) == (0, self.everybody, self.unseen)
        assert not set(self.shown) & problem.kept.position.keys()
        assert count == len(self.shown)
        return Peek(shown=self.shown, relaxed=self.relaxed, unseen=self.unseen, called=True)

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        assert self.called
        assert problem.forget.ids == self.shown
        assert problem.parts == (frozenset({"retain", "holdout"}) if self.relaxed else frozenset())
        if self.relaxed:
            assert problem.holdout is not None
            assert len(problem.holdout) == self.unseen
        return copied(problem.model)


@pytest.mark.parametrize("relaxed", [False, True])
def test_a_method_is_given_the_shown_images_and_nothing_else(place: Path, tmp_path: Path, relaxed: bool) -> None:
    bench = OneShui(people=FORGOTTEN, epochs=1, learning_rate=0.05, relaxed=relaxed)
    data = bench.read(str(place / "faces.npz"), Reader(load_classifier(str(place / "start")), Silent()))
    peek = Peek(
        shown=data.request.ids, everybody=len(data.forget) + len(data.retain), unseen=len(data.evaluated["holdout"]),
        relaxed=relaxed,
    )  # fmt: skip
    results = ImageBench(
        benchmark=bench, model=str(place / "start"), data=str(place / "faces.npz"), out=tmp_path, methods={"peek": peek}
    )()
    assert [model.name for model in results.models] == ["target", "gold", "peek"]
    target, _, same = (model.values for model in results.models)
    assert same == target


def test_methods_that_need_the_training_data_are_refused_before_anything_is_trained(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(place, tmp_path / "out", "--methods", "gradient_ascent,finetune")) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "finetune" in line
    assert "needs retain" in line
    assert "--set one_shui.relaxed=true" in line
    assert not (tmp_path / "out").exists()


def test_nobody_is_in_two_sets_and_what_is_shown_is_not_trained_on() -> None:
    people = [f"p{i % 30}" for i in range(150)]
    rows = split_one_shot(people, 4, (0.6, 0.2, 0.2), 0)
    assert {part: len(rows[part]) for part in PARTS} == {
        "support": 4, "forget": 16, "retain": 70, "holdout": 30, "test": 30
    }  # fmt: skip
    assert sorted(row for some in rows.values() for row in some) == list(range(150))
    seen = {part: {people[row] for row in rows[part]} for part in PARTS}
    assert seen["support"] == seen["forget"]
    assert sum(len(seen[part]) for part in PARTS[1:]) == 30
    assert split_one_shot(people, 4, (0.6, 0.2, 0.2), 0) == rows != split_one_shot(people, 4, (0.6, 0.2, 0.2), 1)
    fewer = split_one_shot(people, 4, (0.5, 0.25, 0.25), 0, limit=20)
    assert len({people[row] for some in fewer.values() for row in some}) == 20


def test_shares_are_of_the_images_and_people_with_one_image_are_not_asked_for() -> None:
    people = [f"p{i}" for i in range(40) for _ in range(1 + 4 * (i % 2))]
    for seed in range(5):
        rows = split_one_shot(people, 8, (0.6, 0.2, 0.2), seed)
        trained = len(rows["support"] + rows["forget"] + rows["retain"])
        assert trained == pytest.approx(0.6 * 120, abs=3)
        assert len(rows["holdout"]) == pytest.approx(0.2 * 120, abs=5)
        assert (len(rows["support"]), len(rows["forget"])) == (8, 32)
    with pytest.raises(ConfigurationError, match=r"2 people to forget are too many: [01] of the \d+ .* 2 images"):
        split_one_shot([f"p{i}" for i in range(20)], 2, (0.6, 0.2, 0.2), 0)
    with pytest.raises(ConfigurationError, match=r"1 people to forget are too many: 0 of the 12 .* 6 images"):
        split_one_shot([f"p{i % 20}" for i in range(100)], 1, (0.6, 0.2, 0.2), 0)
    assert len(split_one_shot([f"p{i % 20}" for i in range(120)], 1, (0.6, 0.2, 0.2), 0)["forget"]) == 5
    with pytest.raises(ConfigurationError, match="somebody has to be retained"):
        split_one_shot([f"p{i % 20}" for i in range(100)], 12, (0.6, 0.2, 0.2), 0)
    with pytest.raises(ConfigurationError, match="nobody is left for"):
        split_one_shot(["a", "a", "b", "b"], 1, (0.6, 0.2, 0.2), 0)
    with pytest.raises(ConfigurationError, match="add up to 1"):
        split_one_shot(["a", "a", "b", "b"], 1, (0.6, 0.2), 0)


def test_a_wrong_column_and_wrong_settings_get_one_line(place: Path, tmp_path: Path) -> None:
    reader = Reader(load_classifier(str(place / "start")), Silent())
    with pytest.raises(InputError, match=r"has no column 'identities' .* did you mean 'identity'"):
        OneShui(identity="identities").read(str(place / "faces.npz"), reader)
    with pytest.raises(ConfigurationError, match="24 people to forget are too many"):
        OneShui(people=24).read(str(place / "faces.npz"), reader)
    with pytest.raises(ConfigurationError, match="people must be at least 1"):
        OneShui(people=0)


def test_celeba_hq_is_read_with_any_attribute_of_its_file(tmp_path: Path) -> None:
    names = ("Bald", "Smiling", "Young")
    (tmp_path / "CelebA-HQ-img").mkdir()
    for i in range(12):
        Image.fromarray(np.full((SIZE, SIZE, 3), i, np.uint8)).save(tmp_path / "CelebA-HQ-img" / f"{i:02d}.jpg")
    (tmp_path / "CelebA-HQ-identity.txt").write_text("".join(f"{i:02d}.jpg {100 + i % 6}\n" for i in range(12)))
    lines = [f"{i:02d}.jpg -1 {1 if i % 3 else -1} -1" for i in range(12)]
    (tmp_path / "CelebAMask-HQ-attribute-anno.txt").write_text("\n".join(["12", " ".join(names), *lines]))
    found = read_celeba_hq(str(tmp_path), "smiling", "CelebA-HQ")
    assert found.table.labels == [int(bool(i % 3)) for i in range(12)]
    assert list(found.people) == [str(100 + i % 6) for i in range(12)]
    with pytest.raises(ConfigurationError, match="has no attribute 'smilling'; did you mean 'smiling'"):
        read_celeba_hq(str(tmp_path), "smilling", "CelebA-HQ")
    write_classifier(tmp_path / "start", SIZE, 2, channels=3)
    bench = OneShui(kind="celeba_hq", people=2)
    data = bench.read(str(tmp_path), Reader(load_classifier(str(tmp_path / "start")), Silent()))
    assert len(data.request) == len(data.forget) == 2
    assert set(data.request["identity"]) == set(data.forget["identity"])
    assert not set(data.request["identity"]) & set(data.retain["identity"])


@pytest.mark.slow
def test_real_faces_are_forgotten_from_one_image_each(tmp_path: Path) -> None:
    write_real_faces(tmp_path / "faces.npz")
    write_classifier(tmp_path / "start", 28, 2)
    sets = ("people=5", "batch_size=16", "weight_decay=0")
    assert main([
        "bench", "one_shui", "--model", str(tmp_path / "start"), "--data", str(tmp_path / "faces.npz"),
        "--out", str(tmp_path / "out"), "--epochs", "8", "--learning-rate", "0.05", "--methods", "meta_unlearn",
        *(word for one in sets for word in ("--set", f"one_shui.{one}")), *LEARNING,
    ]) == 0  # fmt: skip
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    values = {model["name"]: model["values"] for model in found["models"]}
    assert values["gold"]["tow"] == 1 > values["target"]["tow"]
    assert values["target"]["rmia"] > 0.6
    assert values["target"]["membership_forest"] < values["gold"]["membership_forest"]
