"""`lethe unlearn` on a language model and texts from disk: what it writes, that it forgets, and what it refuses."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lethe import adapters, api, configure, models
from lethe.cli import main
from lethe.errors import LetheWarning
from lethe.sources import Inputs, assemble
from lethe.store import read_json
from tests.texts import Library, rows_of, write_library, write_lines

QUICK = ("--set", "epochs=2", "--set", "batch_size=4", "--set", "learning_rate=0.003", "--quiet")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return write_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def refused(lethe, tmp_path):
    """Run a command that must be refused; return its one line."""

    def run(arguments):
        outcome = lethe(arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("error: ")
        assert outcome.err.count("\n") == 1, outcome.err
        assert not (tmp_path / "run" / "record.json").exists()
        return outcome.err

    return run


def loss(problem, model, examples):
    task = problem.task
    with torch.no_grad():
        return float(task.losses(model, examples.batch(torch.arange(len(examples)))).mean())


def test_the_command_gives_the_very_bits_of_the_python_call(library, lethe, tmp_path):
    """Otherwise reading from disk changed a token, an order or an option; the folder must be one of the ecosystem."""
    run = tmp_path / "run"
    made = lethe(library.unlearn(run, *QUICK))
    assert (made.code, made.out, made.err) == (0, "", "")
    method = configure.build("npo", {"epochs": "2", "batch_size": "4", "learning_rate": "0.003"})
    problem = library.problem
    loaded = AutoModelForCausalLM.from_pretrained(run / "model")
    assert models.same_weights(loaded, api.unlearn(problem, method, device="cpu").model)
    assert AutoTokenizer.from_pretrained(run / "model").get_vocab() == problem.task.tokenizer.get_vocab()
    assert loss(problem, loaded, problem.forget) > loss(problem, problem.model, problem.forget) + 0.1


def test_the_record_leads_back_to_the_problem(library, lethe, tmp_path, monkeypatch):
    """An audit from another working folder needs absolute paths, and the template that was chosen."""
    monkeypatch.chdir(library.folder)
    files = {name: f"{name}.jsonl" for name in ("forget", "retain", "holdout")}
    assert lethe(library.unlearn(tmp_path / "run", *QUICK, model="model", gold="gold", **files)).code == 0
    record = read_json(tmp_path / "run" / "record.json")
    assert record["inputs"] == {
        "model": str(library.model), "data": "", "forget": library.file("forget"), "retain": library.file("retain"),
        "holdout": library.file("holdout"), "gold": [str(library.gold)], "template": "qa",
    }  # fmt: skip
    again = assemble(Inputs.from_dict(record["inputs"], "record.json"))
    assert again.fingerprint() == record["configuration"]["problem"]


def test_text_options_reach_the_problem_and_its_record(library, lethe, tmp_path):
    """A template or columns that are lost on the way train on other text."""
    rows = [{"q": row["question"], "a": row["answer"]} for row in rows_of(library.problem.forget)]
    forget = write_lines(tmp_path / "f.jsonl", rows)
    kept = [{"q": row["question"], "a": row["answer"]} for row in rows_of(library.problem.kept)]
    retain = write_lines(tmp_path / "r.jsonl", kept)
    more = ("--template", "{prompt} {answer}", "--columns", "prompt=q,answer=a", "--context", "11")
    shown = lethe(library.unlearn(tmp_path / "run", *QUICK, *more, "--too-long", "drop", forget=forget, retain=retain))
    assert shown.code == 0
    assert "--forget: dropped 2 of 4 examples" in shown.err
    assert "--retain: dropped 9 of 18 examples" in shown.err
    record = read_json(tmp_path / "run" / "record.json")
    chosen = {"template": "{prompt} {answer}", "columns": "prompt=q,answer=a", "too_long": "drop", "context": 11}
    assert {name: record["inputs"][name] for name in chosen} == chosen
    with pytest.warns(LetheWarning):
        task = assemble(Inputs.from_dict(record["inputs"], "record.json")).task
    assert (task.template.pattern, task.context) == ("{prompt} {answer}", 11)


def test_what_is_measured_on_the_way_chooses_the_result(library, lethe, tmp_path):
    """The best state is that of the step with the best figure, and the figures reach the record and TensorBoard."""
    run, sets = tmp_path / "run", ("forget", "retain")
    more = ("--evaluate-every", "1", "--keep", "max:forget_loss", "--log-to", "tensorboard", "--gold")
    assert lethe(library.unlearn(run, *QUICK, *more, str(library.gold))).code == 0
    history = read_json(run / "record.json")["history"]
    kinds = ("probability", "loss", "probability_gap", "loss_gap")
    assert {f"{name}_{kind}" for name in sets for kind in kinds} <= {*history[-1]}
    gaps = [history[0][f"{name}_probability_gap"] for name in sets]
    assert history[0]["probability_gap"] == pytest.approx(sum(gaps) / 2)
    problem, kept = library.problem, AutoModelForCausalLM.from_pretrained(run / "model")
    assert loss(problem, kept, problem.forget) == pytest.approx(max(h["forget_loss"] for h in history), abs=1e-4)
    assert list((run / "logs").rglob("events.out.tfevents*"))


def test_options_for_large_models(library, lethe, tmp_path):
    """Cut batches and recomputed activations give the same update; bfloat16 gives weights of that type."""
    assert lethe(library.unlearn(tmp_path / "plain", *QUICK)).code == 0
    assert lethe(library.unlearn(tmp_path / "cut", *QUICK, "--micro-batch", "2", "--checkpointing")).code == 0
    method = read_json(tmp_path / "cut" / "record.json")["configuration"]["method"]
    assert (method["micro_batch"], method["checkpointing"]) == (2, True)
    plain, cut = (models.read_weights(tmp_path / name / "model" / models.WEIGHTS) for name in ("plain", "cut"))
    assert all(torch.allclose(plain[name], cut[name], atol=2e-4) for name in plain)
    assert lethe(library.unlearn(tmp_path / "half", *QUICK, "--precision", "bf16")).code == 0
    half = models.read_weights(tmp_path / "half" / "model" / models.WEIGHTS)
    assert {weight.dtype for weight in half.values()} == {torch.bfloat16}
    assert read_json(tmp_path / "half" / "record.json")["inputs"]["precision"] == "bf16"
    # The same command again finds its own result.
    assert lethe(library.unlearn(tmp_path / "half", *QUICK, "--precision", "bf16")).code == 0


def test_adapters(library, lethe, tmp_path):
    """--scope lora leaves an adapter beside the model, --merge a whole model; both load, and both go on from there."""
    lora = ("--scope", "lora", "--set", "scope.rank=2")
    assert lethe(library.unlearn(tmp_path / "beside", *QUICK, *lora)).code == 0
    assert (tmp_path / "beside" / "model" / adapters.WEIGHTS).exists()
    assert lethe(library.unlearn(tmp_path / "merged", *QUICK, *lora, "--merge")).code == 0
    outputs = []
    for name in ("beside", "merged"):
        problem = assemble(Inputs(model=str(tmp_path / name), forget=library.file("forget")))
        with torch.no_grad():
            outputs.append(problem.task.outputs(problem.model, problem.forget.batch(torch.arange(4))))
    assert torch.allclose(*outputs, atol=1e-4)
    assert AutoTokenizer.from_pretrained(tmp_path / "beside" / "model").eos_token == "<eos>"
    assert lethe(library.unlearn(tmp_path / "again", *QUICK, *lora, model=tmp_path / "beside")).code == 0


def test_a_small_forget_set_is_said(library, lethe, tmp_path):
    """The batch is never full; every step sees all of it."""
    shown = lethe(library.unlearn(tmp_path / "run", "--set", "epochs=1", "--set", "batch_size=8", "--quiet"))
    assert (shown.code, shown.out) == (0, "")
    assert shown.err.count("\n") == 1
    assert "the forget set has 4 examples, less than a batch of 8" in shown.err


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("{", "f.jsonl:2: not JSON"),
        ('{"question": "x", "answer": ""}', "f.jsonl:2: 'answer' is empty"),
        ('{"question": "x"}', "f.jsonl:2: 'answer' is missing"),
        ('{"question": "What is Ada?", "answer": "Ada is a baker.", "id": "one"}', "2: the id 'one' stands twice"),
        ('{"question": "x", "answer": "y", "id": "Cleo-town"}', "the id 'Cleo-town' is that of"),
        ('{{"question": "x", "answer": "{long}", "id": "two"}}', "2: 'two' has 105 tokens, but the context is 64"),
    ],
)  # fmt: skip
def test_rows_that_are_wrong(library, refused, tmp_path, row, names):
    """The file and the line are named, before the model is loaded or anything is written."""
    row = row.format(long="Ada " * 100) if "{long}" in row else row
    (tmp_path / "f.jsonl").write_text('{"question": "What is Bo?", "answer": "Bo.", "id": "one"}\n' + row + "\n")
    assert names in refused(library.unlearn(tmp_path / "run", *QUICK, forget=tmp_path / "f.jsonl"))


def test_the_same_text_is_not_forgotten_and_kept(library, refused, tmp_path):
    """Under whatever id."""
    rows = [{**row, "id": f"other-{row['id']}"} for row in rows_of(library.problem.kept)]
    forget = write_lines(tmp_path / "f.jsonl", rows[3:5])
    assert "retain.jsonl:4: says the same as" in refused(library.unlearn(tmp_path / "run", *QUICK, forget=forget))


def test_options_that_cannot_be(library, refused, place, tmp_path):
    """Each is answered with what there is instead."""
    out = tmp_path / "run"
    for more, names in (
        (("--merge",), "choose one with --scope lora"),
        (("--precision", "fp64"), "there is no such precision"),
        (("--too-long", "dropp"), "did you mean 'drop'"),
        (("--template", "chat"), "no chat template"),
        (("--columns", "prompt"), "ROLE=COLUMN"),
        (("--micro-batch", "2", "--set", "micro_batch=3"), "given twice"),
        (("--evaluate-every", "5", "--keep", "best:forget_accuracy"), "did you mean 'forget_probability'"),
        (("--log-to", "nowhere"), "there is no tracker 'nowhere'"),
    ):
        assert names in refused(library.unlearn(out, *QUICK, *more))
    assert "no such file" in refused(library.unlearn(out, *QUICK, forget="nowhere.jsonl"))
    assert "works on" in refused(library.unlearn(out, "--quiet", method="salun"))
    # Options for text on a model of images, and the other way round.
    assert "name its training data with --data" in refused(place.unlearn(out, data=None))
    assert "--template is for language models" in refused(place.unlearn(out, "--template", "qa"))
    assert "--precision bf16 is for language models" in refused(place.unlearn(out, "--precision", "bf16"))


def test_a_tokenizer_of_another_model(library, refused, tmp_path):
    """Numbers of tokens that mean other words train on nonsense."""
    model = shutil.copytree(library.model, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["Zoe"])
    tokenizer.save_pretrained(model)
    assert "gives 'Zoe' the number" in refused(library.unlearn(tmp_path / "run", *QUICK, model=model))


def test_an_audit_gets_the_same_problem(library, tmp_path, monkeypatch):
    """From a run folder or from plain folders: the texts, the model and the template that were unlearned."""
    run = tmp_path / "run"
    assert main(library.unlearn(run, *QUICK, "--template", "{prompt} {answer}")) == 0
    seen = []

    def audited(audit, subject, problem, model, run, quiet):
        seen.append((problem.fingerprint(), problem.task.template, models.fingerprint(model)))
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["lethe.cli.audit"], "_evidence", audited)
    assert main(["audit", "--run", str(run), "--quiet"]) == 130
    named = ["--model", str(run), "--original", str(library.model), "--forget", library.file("forget")]
    text = ["--retain", library.file("retain"), "--template", "{prompt} {answer}"]
    assert main(["audit", *named, *text, "--quiet"]) == 130
    record = json.loads((run / "record.json").read_text())
    assert seen[0] == seen[1]
    assert (seen[0][0], seen[0][2]) == (record["configuration"]["problem"], record["result"])
