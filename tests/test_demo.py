"""The demonstration tells a method that hides from one that does nothing, and leaves inputs for the command line."""

from __future__ import annotations

import pytest

from lethe.auditing import Evidence
from lethe.cli import main
from lethe.demo import digits as demo
from lethe.demo import people
from lethe.progress import Silent
from lethe.store import EVIDENCE, read_json


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The demonstration with two of its five methods."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "METHODS", {name: demo.METHODS[name] for name in ("finetune", "scrub")})
        return folder, demo.demonstrate(folder, Silent())


def test_fine_tuning_is_found_out_and_scrub_is_nearer_to_gold(shown):
    tuned, scrubbed = shown[1]
    assert tuned.verdict.outcome == "not removed"
    assert tuned.average_gap.value > 20 * scrubbed.average_gap.value
    assert scrubbed.entry("forget_accuracy").finding == "like gold"
    assert scrubbed.entry("relearn").value < scrubbed.entry("relearn").gold_mean
    assert tuned.entry("u_lira").power.has_power
    assert Evidence.from_json(read_json(shown[0] / "scrub" / EVIDENCE)).verdict == scrubbed.verdict


def test_the_inputs_serve_the_readmes_commands(tmp_path, capsys):
    demo.write_inputs(tmp_path)
    options = ["--data", str(tmp_path / "digits.npz"), "--forget", str(tmp_path / "forget.txt"), "--quiet"]
    run = tmp_path / "run"
    arguments = ["unlearn", "--model", str(tmp_path / "original"), *options, "--method", "salun", "--set", "epochs=1"]
    assert main([*arguments, "--out", str(run)]) == 0
    gold = ["--gold", str(tmp_path / "gold-1"), "--gold", str(tmp_path / "gold-2")]
    assert main(["audit", "--run", str(run), *gold, "--metrics", "forget_accuracy", "--attacks", "none"]) == 0
    assert "Forget accuracy, %" in capsys.readouterr().out
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").exists()


@pytest.mark.slow
def test_the_people_serve_the_readmes_commands_and_end_in_the_demonstrations_verdict(tmp_path, capsys):
    people.write_inputs(tmp_path)
    texts = [
        word for name in ("forget", "retain", "holdout") for word in (f"--{name}", str(tmp_path / f"{name}.jsonl"))
    ]
    settings = ["--set", "learning_rate=5e-4", "--set", "batch_size=12", "--set", "beta=0.5"]
    run = str(tmp_path / "run")
    arguments = ["unlearn", "--model", str(tmp_path / "original"), *texts, "--method", "npo", *settings, "--quiet"]
    assert main([*arguments, "--out", run]) == 0
    gold = [word for seed in people.GOLDS for word in ("--gold", str(tmp_path / f"gold-{seed}"))]
    assert main(["audit", "--run", run, *gold, "--attacks", "none"]) == 0
    assert "Destroyed: forgotten together with what should stay" in capsys.readouterr().out
