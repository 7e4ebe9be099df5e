"""Whatever is wrong with the input ends in one line on stderr that names it, exit code 2, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from lethe.examples import concatenate
from lethe.store import RunFolder
from tests.cli.conftest import write_data

EPOCH = ("--set", "epochs=1", "--quiet")


@pytest.fixture
def refused(lethe, tmp_path):
    """Run a command that must be refused; return its one line."""

    def run(arguments, code=2):
        outcome = lethe(arguments)
        assert (outcome.code, outcome.out) == (code, "")
        assert outcome.err.startswith("error: ")
        assert outcome.err.count("\n") == 1, outcome.err
        assert not (tmp_path / "run" / "record.json").exists()
        return outcome.err

    return run


@pytest.fixture
def copied(place, tmp_path):
    """A copy of the model folder that a test may damage."""
    shutil.copytree(place.model, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("# nothing but a comment\n\n", "at least one id"),
        ("digit-9999\n", "line 1: unknown id 'digit-9999'"),
        ("{first}\n\n{first}\n", "line 3: the id '{first}' stands there twice"),
        ("{all}", "names all 1297 examples"),
    ],
)
def test_lists_of_ids(place, refused, tmp_path, text, names):
    """A mistaken list must not forget something else than was meant."""
    first = place.problem.forget.ids[0]
    everything = "\n".join(concatenate(place.problem.forget, place.problem.kept).ids)
    ids = tmp_path / "ids.txt"
    ids.write_text(text.format(first=first, all=everything))
    line = refused(place.unlearn(tmp_path / "run", forget=ids))
    assert names.format(first=first) in line
    assert "ids.txt" in line


def test_overlapping_forget_and_retain(place, refused, tmp_path):
    """An example that is to be forgotten and kept at once has no right answer."""
    line = refused(place.unlearn(tmp_path / "run", forget="label == 3", retain="label >= 3"))
    assert "--retain and --forget share" in line


@pytest.mark.parametrize(
    ("filtered", "names"),
    [
        ("label == 11", "matches none of the 1297 examples"),
        ("label >= 0", "matches all 1297 examples"),
        ("labl == 3", "there is no column 'labl'; did you mean 'label'?"),
        ("label = 3", "does not parse"),
        ("label", "is not true or false for each example"),
        ("label == @x", "does not parse"),
        ("label.to_csv('x')", "cannot contain call"),
        ("__import__('os').system('id')", "cannot contain call"),
        ("label < 'three'", "cannot be evaluated"),
        ("missing.txt", "missing.txt: no such file"),
    ],
)
def test_filters(place, refused, tmp_path, filtered, names):
    """A filter that means nothing, or more than a comparison, must not run."""
    assert names in refused(place.unlearn(tmp_path / "run", forget=filtered))


def test_a_label_the_model_does_not_know(place, refused, tmp_path):
    """Cross-entropy would fail in the middle of the run, without a name."""
    data = place.problem.holdout
    labels = data["label"].clone()
    labels[7] = 12
    path = write_data(tmp_path / "d.npz", data.with_column("label", labels))
    line = refused(place.unlearn(tmp_path / "run", data=path, forget="label == 3"))
    assert f"'{data.ids[7]}' has label 12" in line
    assert "0 to 9" in line


def test_a_nan_in_the_data(place, refused, tmp_path):
    """One NaN pixel would make every loss NaN."""
    images = place.problem.holdout["image"].float() / 16
    images[4, 0, 2, 2] = float("nan")
    path = write_data(tmp_path / "d.npz", place.problem.holdout.with_column("image", images))
    line = refused(place.unlearn(tmp_path / "run", data=path, forget="label == 3"))
    assert f"'{place.problem.holdout.ids[4]}'" in line
    assert "NaN" in line


def test_a_nan_in_the_weights(place, copied, refused, tmp_path):
    """A broken model cannot be unlearned; the tensor must be named."""
    weights = load_file(copied / "model.safetensors")
    weights["classifier.1.weight"][3, 3] = float("nan")
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    line = refused(place.unlearn(tmp_path / "run", model=copied))
    assert "classifier.1.weight" in line
    assert str(copied) in line


def test_a_truncated_checkpoint(place, copied, refused, tmp_path):
    """Half a download must be told from a whole one."""
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5_000])
    assert f"{path}: not a whole safetensors file" in refused(place.unlearn(tmp_path / "run", model=copied))


def test_a_pickled_checkpoint(place, copied, refused, tmp_path):
    """A pickle runs code when it is loaded: it must be refused, and the way to convert it named."""
    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    line = refused(place.unlearn(tmp_path / "run", model=copied))
    assert "pytorch_model.bin" in line
    assert "save_pretrained" in line


def test_a_folder_without_weights(place, copied, refused, tmp_path):
    """Otherwise transformers looks for the model elsewhere."""
    (copied / "model.safetensors").unlink()
    assert "holds no weights" in refused(place.unlearn(tmp_path / "run", model=copied))
    (copied / "config.json").unlink()
    assert "holds no config.json" in refused(place.unlearn(tmp_path / "run", model=copied))
    assert "no such folder" in refused(place.unlearn(tmp_path / "run", model=tmp_path / "nowhere"))


def test_weights_without_a_head(place, copied, refused, tmp_path):
    """Transformers draws a missing head at random and goes on: the result would be unlearned noise."""
    weights = load_file(copied / "model.safetensors")
    del weights["classifier.1.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert "lack 'classifier.1.weight'" in refused(place.unlearn(tmp_path / "run", model=copied))


def test_images_the_model_cannot_take(place, refused, tmp_path):
    """Images of three channels in a grey model would fail inside a convolution."""
    colour = place.problem.holdout["image"].float().repeat(1, 3, 1, 1) / 16
    path = write_data(tmp_path / "d.npz", place.problem.holdout.with_column("image", colour))
    line = refused(place.unlearn(tmp_path / "run", data=path, forget="label == 3"))
    assert "3 channels" in line


def test_wrong_names_and_impossible_combinations(place, refused, tmp_path):
    """Unknown names must be answered with the nearest there is, an impossible combination with its reason."""
    out = tmp_path / "run"
    assert "did you mean 'finetune'" in refused(place.unlearn(out, method="finetun"))
    assert "did you mean 'epochs'" in refused(place.unlearn(out, "--set", "epoch=3"))
    assert "did you mean 'last_layers'" in refused(place.unlearn(out, "--scope", "last_layer"))
    assert "did you mean 'sam'" in refused(place.unlearn(out, "--step", "samm"))
    assert "a whole number" in refused(place.unlearn(out, "--set", "epochs=many"))
    assert "no forget term" in refused(place.unlearn(out, "--step", "orthogonal"))
    assert "NAME=VALUE" in refused(place.unlearn(out, "--set", "epochs"))
    assert "did you mean 'retain_loss'" in refused(
        place.unlearn(out, "--evaluate-every", "5", "--keep", "best:retain_los")
    )
    assert "--evaluate-every" in refused(place.unlearn(out, "--keep", "best:retain_loss"))
    assert "best:METRIC" in refused(place.unlearn(out, "--evaluate-every", "5", "--keep", "retain_loss"))
    assert "no steps to measure between" in refused(place.unlearn(out, "--evaluate-every", "5", method="ssd"))
    assert "takes no --step" in refused(place.unlearn(out, "--step", "sam", method="ssd"))
    assert "no such device" in refused(place.unlearn(out, "--device", "abacus"))
    assert "--metod" in refused(place.unlearn(out, "--metod", "finetune"))
    assert "--method" in refused(place.unlearn(out, method=None))


def test_the_holdout_must_not_be_the_training_data(place, refused, tmp_path):
    """Everything the audit says of unseen examples would be wrong."""
    path = write_data(tmp_path / "d.npz", place.problem.holdout)
    line = refused(place.unlearn(tmp_path / "run", data=path, holdout=path, forget="label == 3"))
    assert "is the training data" in line


def test_a_run_folder_of_another_configuration(place, lethe, tmp_path):
    """A second run with other options must not overwrite the first."""
    run = tmp_path / "run"
    assert lethe(place.unlearn(run, *EPOCH)).code == 0
    before = (run / "record.json").read_bytes(), (run / "model" / "model.safetensors").read_bytes()
    other = lethe(place.unlearn(run, "--set", "epochs=2", "--quiet"))
    assert other.code == 2
    assert "another configuration (differs in method)" in other.err
    assert before == ((run / "record.json").read_bytes(), (run / "model" / "model.safetensors").read_bytes())


def test_a_second_process_in_the_run_folder(place, lethe, tmp_path):
    """Two writers would mix their checkpoints."""
    with RunFolder(tmp_path / "run").owned():
        outcome = lethe(place.unlearn(tmp_path / "run", *EPOCH))
    assert outcome.code == 2
    assert f"process {os.getpid()} is working in this folder" in outcome.err
    assert lethe(place.unlearn(tmp_path / "run", *EPOCH)).code == 0


def test_a_full_disk(place, lethe, tmp_path, monkeypatch):
    """The run stops with one line, what was there stays whole, and with room again it ends in the same bits."""
    assert lethe(place.unlearn(tmp_path / "straight", *EPOCH)).code == 0
    run, real, written = tmp_path / "run", os.fsync, []

    def full(handle):
        written.append(handle)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setenv("LETHE_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(os, "fsync", full)
    outcome = lethe(place.unlearn(run, *EPOCH))
    monkeypatch.setattr(os, "fsync", real)
    assert outcome.code == 2
    assert "the disk is full" in outcome.err
    assert outcome.err.count("\n") == 1
    assert json.loads((run / "record.json").read_text())["status"] == "running"
    assert not list(run.rglob("*.part"))
    assert lethe(place.unlearn(run, *EPOCH)).code == 0
    weights = [folder / "model" / "model.safetensors" for folder in (run, tmp_path / "straight")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_an_unwritable_place(place, refused, tmp_path):
    """A file where the run folder should be is the user's to mend, without a traceback."""
    (tmp_path / "file").write_text("mine")
    assert str(tmp_path / "file") in refused(place.unlearn(tmp_path / "file", *EPOCH))
    assert (tmp_path / "file").read_text() == "mine"


def test_whatever_the_system_refuses(place, refused, tmp_path):
    """A folder where a file is meant, a file nobody may read: the system's own word, with the path, no traceback."""
    (tmp_path / "ids.txt").mkdir()
    assert f"{tmp_path / 'ids.txt'}: Is a directory" in refused(
        place.unlearn(tmp_path / "run", forget=tmp_path / "ids.txt")
    )


def test_no_memory(place, lethe, tmp_path, monkeypatch):
    """Torch's own message is a page long; the way out is a smaller batch."""

    def greedy(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …")

    monkeypatch.setattr("lethe.api.unlearn", greedy)
    shown = lethe(place.unlearn(tmp_path / "run", *EPOCH))
    assert (shown.code, shown.err.count("\n")) == (2, 1)
    assert "batch_size" in shown.err


def test_a_diverging_run(place, lethe, tmp_path):
    """It must stop, exit with 3, say so, and leave weights that are finite."""
    run = tmp_path / "run"
    more = ("--set", "epochs=5", "--set", "learning_rate=1e30", "--quiet")
    outcome = lethe(place.unlearn(run, *more))
    assert outcome.code == 3
    assert outcome.err.count("\n") == 1
    assert "lower the learning rate" in outcome.err
    assert str(run / "model") in outcome.err
    weights = load_file(run / "model" / "model.safetensors")
    assert all(bool(torch.isfinite(w).all()) for w in weights.values() if w.is_floating_point())
    assert json.loads((run / "record.json").read_text())["status"] == "diverged"
