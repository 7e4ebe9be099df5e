"""`lethe audit` and `lethe report`: the same evidence from a run folder and from plain model folders."""

from __future__ import annotations

import json
import shutil

import pytest

from lethe.cli import main
from lethe.store import read_json
from tests.cli.conftest import write_data

QUICK = ("--metrics", "forget_accuracy,holdout_accuracy,forget_loss", "--attacks", "none")


@pytest.fixture(scope="module")
def run(place, tmp_path_factory):
    """A finished run; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    assert main(place.unlearn(folder, "--set", "epochs=2", "--gold", str(place.gold), "--quiet")) == 0
    return folder


def metrics(evidence):
    return {entry["name"]: (entry["value"], entry["original"], entry["gold_mean"]) for entry in evidence["metrics"]}


def test_a_run_is_audited_by_its_folder_alone(place, run, lethe, monkeypatch, tmp_path):
    """The record must lead to model, data and gold from any working folder; values must tell the three apart."""
    monkeypatch.chdir(tmp_path)
    shown = lethe(["audit", "--run", str(run), *QUICK])
    assert shown.code == 0
    assert (
        shown.err == "auditing tuned: 3 models (unlearned, original, 1 gold) x 3 metrics, and 0 attacks on 3 of them\n"
    )
    assert "Forget accuracy" in shown.out
    assert f"lethe report {run}" in shown.out
    evidence = read_json(run / "evidence.json")
    assert evidence["subject"]["method"]["type"] == "FineTune"
    assert not (run / "measurements").exists()
    value, original, gold = metrics(evidence)["forget_accuracy"]
    assert gold < value < original - 0.3
    named = [
        "--model", str(run / "model"), "--original", str(place.model), "--gold", str(place.gold),
        "--data", str(place.data), "--forget", str(place.ids),
    ]  # fmt: skip
    plain = lethe(["audit", *named, *QUICK, "--json"])
    assert plain.code == 0
    assert metrics(json.loads(plain.out)) == metrics(evidence)


def test_a_run_folder_serves_as_gold(place, run, lethe, tmp_path):
    """Whoever retrains with lethe has a run folder, and names that; its cost is what retraining takes."""
    gold = tmp_path / "gold"
    assert lethe(place.unlearn(gold, "--set", "epochs=1", "--quiet", method="retrain")).code == 0
    shown = lethe(["audit", "--run", str(run), "--gold", str(gold), *QUICK, "--out", str(tmp_path / "out"), "--json"])
    evidence, retrained = json.loads(shown.out), read_json(gold / "record.json")
    assert evidence["models"]["gold"] == [retrained["result"]]
    assert evidence["cost"]["relative"] == evidence["cost"]["seconds"] / retrained["cost"]["seconds"]
    assert evidence == read_json(tmp_path / "out" / "evidence.json")


def test_the_report(run, lethe, tmp_path):
    """One page that names the audited run; without evidence the command that makes it is named."""
    assert lethe(["audit", "--run", str(run), *QUICK, "--out", str(tmp_path / "tuned")]).code == 0
    page = tmp_path / "page.html"
    assert lethe(["report", str(tmp_path / "tuned"), "--out", str(page)]).code == 0
    assert "tuned" in page.read_text()
    missing = lethe(["report", str(tmp_path / "nothing"), "--out", str(page)])
    assert missing.code == 2
    assert "lethe audit --run" in missing.err


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (("--metrics", "forget_acuracy"), "did you mean 'forget_accuracy'"),
        (("--attacks", "relern"), "did you mean 'relearn'"),
        (("--model", "x"), "leave one of them out"),
        (("--set", "max_steps=3"), "--set relearn.max_steps=3"),
        (("--set", "relern.max_steps=3"), "did you mean 'relearn'"),
        (("--set", "relearn.max_step=3"), "no option 'max_step'; did you mean 'max_steps'"),
        (("--attacks", "none", "--set", "relearn.max_steps=3"), "relearn takes no part in this audit"),
        (("--policy", "missing.yaml"), "--policy missing.yaml: cannot be read"),
    ],
)
def test_wrong_options(run, lethe, more, names):
    """Nothing is measured before all names are known."""
    shown = lethe(["audit", "--run", str(run), *more])
    assert (shown.code, shown.out) == (2, "")
    assert names in shown.err


def test_what_is_no_finished_run(run, lethe, tmp_path):
    """Half a run, no run, and a run whose result was exchanged must not be audited as if they were whole."""
    assert "holds no record.json" in lethe(["audit", "--run", str(tmp_path)]).err
    assert "--original" in lethe(["audit", "--model", str(run / "model")]).err
    half = tmp_path / "half"
    shutil.copytree(run, half)
    record = read_json(half / "record.json")
    (half / "record.json").write_text(json.dumps({**record, "status": "interrupted"}))
    shown = lethe(["audit", "--run", str(half), *QUICK])
    assert shown.code == 2
    assert "not done (interrupted)" in shown.err
    (half / "record.json").write_text(json.dumps(record))
    shutil.copy(record["inputs"]["model"] + "/model.safetensors", half / "model" / "model.safetensors")
    assert "are not those the run ended with" in lethe(["audit", "--run", str(half), *QUICK]).err


def test_data_that_changed_since_the_run(place, run, lethe, tmp_path):
    """Evidence about other examples than were forgotten would be worthless."""
    other = write_data(tmp_path / "d.npz", place.problem.kept)
    shown = lethe(["audit", "--run", str(run), "--data", str(other), "--forget", "label == 3", *QUICK])
    assert shown.code == 2
    assert "the forget set and the retain set changed" in shown.err


RELEARN = ("--metrics", "forget_accuracy,forget_loss", "--attacks", "relearn", "--quiet")


def test_the_policy_says_what_decides_and_with_what_budget(run, lethe, tmp_path):
    """A policy file is printed to start from; its bounds and attack settings hold, and stand in the evidence."""
    printed = lethe(["audit", "--print-policy"])
    assert printed.code == 0
    policy = tmp_path / "policy.yaml"
    policy.write_text(printed.out.replace("attacks: {}", "attacks: {relearn: {max_steps: 2}}").replace("0.25", "0.35"))
    out = tmp_path / "out"
    assert lethe(["audit", "--run", str(run), *RELEARN, "--policy", str(policy), "--out", str(out)]).code == 0
    evidence = read_json(out / "evidence.json")
    assert evidence["policy"]["bounds"]["nats"] == 0.35
    assert evidence["settings"]["attacks"]["relearn"]["max_steps"] == 2
    assert {"policy", "unlearned", "original", "gold 1", "data", "forget", "record"} == {
        file["role"] for file in evidence["files"]
    }
    against = lethe(["audit", "--run", str(run), *RELEARN, "--policy", str(policy), "--set", "relearn.max_steps=3"])
    assert against.code == 2
    assert "the policy asks for 2" in against.err
    left_out = lethe(["audit", "--run", str(run), *QUICK, "--policy", str(policy), "--out", str(out), "--quiet"])
    assert "the policy asks for relearn, which was not carried out" in left_out.out


def test_settings_of_attacks_hold_where_all_are_wanted(run, tmp_path, monkeypatch):
    """Without names every attack of the catalogue that fits takes part, and --set reaches the one it names."""
    from lethe.auditing.attacks.relearn import Relearn
    from lethe.cli.choosing import by_owner, parts
    from lethe.tasks import CausalLM, Classification

    settings = by_owner({"relearn.max_steps": "7"})
    made = parts("attack", "all", settings, {"generator": "", "judge": ""}, lambda: Classification)
    assert made is not None
    assert next(part for part in made if type(part) is Relearn).max_steps == 7
    assert all(issubclass(Classification, type(part).tasks) for part in made)
    assert parts("metric", "all", settings, {}, lambda: Classification) is None
    texts = parts("attack", "", {}, {"generator": "template"}, lambda: CausalLM)
    assert texts is not None
    writers = [part for part in texts if "generator" in part.__dataclass_fields__]
    assert writers
    assert all(part.generator == "template" for part in writers)


def test_an_audit_that_was_interrupted_goes_on_with_what_was_attacked(run, lethe, tmp_path, monkeypatch):
    """Attack scores are kept beside the measurements, and removed when the evidence is written."""
    from lethe.auditing.attacks.relearn import Relearn

    attacked = []
    original = Relearn.__call__

    def counted(self, model, problem, run):
        attacked.append(model)
        if len(attacked) == 2:
            raise KeyboardInterrupt
        return original(self, model, problem, run)

    monkeypatch.setattr(Relearn, "__call__", counted)
    command = ["audit", "--run", str(run), *RELEARN, "--set", "relearn.max_steps=2", "--out", str(tmp_path / "out")]
    stopped = lethe(command)
    assert stopped.code == 130
    assert "the same command goes on" in stopped.err
    assert not (tmp_path / "out" / "evidence.json").exists()
    assert (tmp_path / "out" / "measurements").exists()
    assert lethe(command).code == 0
    assert len(attacked) == 4, "the first model's attack is not carried out twice"
    assert (tmp_path / "out" / "evidence.json").exists()
    assert not (tmp_path / "out" / "measurements").exists()
