"""`lethe verify`: evidence, models, data, policy and page agree, until one of them is tampered with."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lethe.auditing.evidence import digest_of
from lethe.cli import main
from lethe.store import read_json
from tests.cli.conftest import Place

QUICK = ("--metrics", "forget_accuracy,holdout_accuracy,forget_loss", "--attacks", "none")


@pytest.fixture(scope="module")
def world(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model, gold, data, policy, key, and a run that was audited and reported on; its files may be changed."""
    folder = tmp_path_factory.mktemp("verified") / "world"
    shutil.copytree(place.folder, folder)
    own = Place(folder, place.problem)
    (folder / "policy.yaml").write_text("bounds: {forget_accuracy: 0.1}\n")
    (folder / "key").write_text("0123456789abcdef0123456789abcdef")
    run = str(folder / "run")
    assert main(own.unlearn(Path(run), "--set", "epochs=1", "--gold", str(own.gold), "--quiet")) == 0
    more = ("--policy", str(folder / "policy.yaml"), "--key", str(folder / "key"), "--quiet")
    assert main(["audit", "--run", run, *QUICK, *more]) == 0
    assert main(["report", run, "--title", "Ours & theirs", "--quiet"]) == 0
    return folder


@contextlib.contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    """The file with another content, for a while."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def differing(shown) -> list[str]:
    assert shown.code == 2, shown.out
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    return [line.removeprefix("DIFFERS ") for line in shown.out.splitlines() if line.startswith("DIFFERS")]


def test_everything_agrees_as_it_was_left(world, lethe) -> None:
    shown = lethe(["verify", str(world / "run"), "--key", str(world / "key")])
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert len(lines) > 20
    assert all(line.startswith("agrees") for line in lines)
    for what in (
        "digest", "signature", "verdict", "report.html", "unlearned, ", "gold 1, ", "data, ", "forget, ", "policy, ",
        "record, ", "weights of the original", "weights of gold 1", "holdout set", "sample measured on unlearned",
        "sample measured on gold 1", "version of torch",
    ):  # fmt: skip
        assert any(line.removeprefix("agrees  ").startswith(what) for line in lines), what


def test_a_run_folder_may_be_moved(world, lethe, tmp_path) -> None:
    shutil.copytree(world / "run", tmp_path / "elsewhere")
    assert lethe(["verify", str(tmp_path / "elsewhere"), "--no-measure", "--quiet"]).code == 0


def test_without_measuring_nothing_is_forwarded(world, lethe) -> None:
    shown = lethe(["verify", str(world / "run"), "--no-measure", "--json"])
    assert shown.code == 0
    assert not [line for line in json.loads(shown.out) if line["what"].startswith("sample")]


@pytest.mark.parametrize(
    "at", ["metrics.0.value", "metrics.1.gold.0", "counts.forget", "subject.name", "policy.recovered"]
)
def test_an_edited_value_is_found_out(world, lethe, at: str) -> None:
    path = world / "run" / "evidence.json"
    evidence = read_json(path)
    *way, last = (int(step) if step.isdigit() else step for step in at.split("."))
    place = evidence
    for step in way:
        place = place[step]
    place[last] = "other" if isinstance(place[last], str) else place[last] + 0.125
    with changed(path, json.dumps(evidence).encode()):
        found = differing(lethe(["verify", str(world / "run"), "--no-measure"]))
    assert found[0] == "digest: a value was changed after the audit"


def test_who_makes_a_new_digest_too_is_found_out_by_what_follows_from_the_values_or_by_the_key(world, lethe) -> None:
    path = world / "run" / "evidence.json"
    evidence = read_json(path)
    evidence["verdict"] |= {"outcome": "removed", "sentence": "Removed: all is gone.", "failed": []}
    evidence["digest"] = digest_of(evidence)
    with changed(path, json.dumps(evidence).encode()):
        found = differing(lethe(["verify", str(world / "run"), "--no-measure"]))
        assert any(line.startswith("verdict: the values and the policy say: ") for line in found)
        assert "report.html: made from another evidence" in found
        with_key = differing(lethe(["verify", str(world / "run"), "--no-measure", "--key", str(world / "key")]))
        assert any(line.startswith("signature: ") for line in with_key)


def test_another_key_is_not_the_one_it_was_signed_with(world, lethe, tmp_path) -> None:
    (tmp_path / "key").write_text("another key of the right length")
    found = differing(lethe(["verify", str(world / "run"), "--no-measure", "--key", str(tmp_path / "key")]))
    assert found == ["signature: not made with this key, or of other values"]
    (tmp_path / "key").write_text("short")
    assert "fewer than 16" in lethe(["verify", str(world / "run"), "--key", str(tmp_path / "key")]).err


def test_a_swapped_model_is_found_out_by_its_file_its_weights_and_what_it_says(world, lethe) -> None:
    weights = world / "run" / "model" / "model.safetensors"
    with changed(weights, (world / "model" / "model.safetensors").read_bytes()):
        found = differing(lethe(["verify", str(world / "run")]))
    assert any(line.startswith("unlearned, ") for line in found)
    assert "weights of the unlearned model: not the one that was audited" in found
    assert any(line.startswith("sample measured on unlearned: log_probability on the forget set") for line in found)
    assert not any("gold" in line for line in found)


def test_a_swapped_gold_model_is_found_out(world, lethe) -> None:
    with changed(world / "gold" / "model.safetensors", (world / "model" / "model.safetensors").read_bytes()):
        found = differing(lethe(["verify", str(world / "run"), "--no-measure"]))
    assert any(line.startswith("weights of gold 1: ") for line in found)


def test_a_changed_row_of_the_data_is_found_out(world, lethe, tmp_path) -> None:
    arrays = dict(np.load(world / "data.npz"))
    images = arrays["train_images"].copy()
    images[3, ..., 0] += 1
    np.savez(tmp_path / "data.npz", **{**arrays, "train_images": images})
    with changed(world / "data.npz", (tmp_path / "data.npz").read_bytes()):
        found = differing(lethe(["verify", str(world / "run"), "--no-measure"]))
    assert any(line.startswith("data, ") for line in found)
    assert [line for line in found if "set: not the one that was audited" in line]


def test_a_missing_or_changed_file_is_named(world, lethe) -> None:
    with changed(world / "policy.yaml", b"bounds: {forget_accuracy: 0.9}\n"):
        (found,) = differing(lethe(["verify", str(world / "run"), "--no-measure"]))
        assert found == f"policy, {world / 'policy.yaml'}: its content is not what was audited"
    (world / "forget.txt").rename(world / "gone.txt")
    try:
        found = differing(lethe(["verify", str(world / "run"), "--no-measure"]))
    finally:
        (world / "gone.txt").rename(world / "forget.txt")
    assert f"forget, {world / 'forget.txt'}: is not there" in found


def test_an_edited_page_is_found_out(world, lethe) -> None:
    page = world / "run" / "report.html"
    with changed(page, page.read_bytes().replace(b"Forget accuracy", b"Forget accuracy (good)", 1)):
        (found,) = differing(lethe(["verify", str(world / "run"), "--no-measure"]))
    assert found.startswith("report.html: edited")


def test_what_is_no_evidence(world, lethe, tmp_path) -> None:
    assert "holds no evidence.json" in lethe(["verify", str(tmp_path)]).err
    evidence = read_json(world / "run" / "evidence.json")
    (tmp_path / "evidence.json").write_text(json.dumps({**evidence, "version": 1}))
    assert "evidence of version 1 cannot be read here" in lethe(["verify", str(tmp_path)]).err
    (tmp_path / "evidence.json").write_text("[]")
    assert "not the evidence of an audit" in lethe(["verify", str(tmp_path)]).err
