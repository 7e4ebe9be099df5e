"""From paths to a problem: the same model, texts and tokens as in memory, and a template that fits all of them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lethe import models
from lethe.errors import ConfigurationError, InputError, LetheWarning
from lethe.sources import Inputs, assemble, load_like, settled
from lethe.sources.records import read_records
from lethe.sources.text_sets import read_sets
from lethe.sources.texts import find_texts
from lethe.tasks import Chat, Custom, PlainText, QuestionAnswer
from tests.texts import rows_of, write_lines

CHAT = (
    "{% for m in messages %}<{{ m.role }}> {{ m.content }} </>{% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def inputs(library, **instead):
    files = {name: library.file(name) for name in ("forget", "retain", "holdout")}
    return Inputs(**{"model": str(library.model), **files, **instead})


def same(one, other):
    return one.fingerprint == other.fingerprint


def test_the_problem_is_the_one_in_memory(library):
    """Otherwise reading from disk changed a weight, a token or an order on its way."""
    made, expected = assemble(inputs(library, gold=(str(library.gold),))), library.problem
    assert made.fingerprint() == expected.fingerprint()
    assert models.same_weights(made.gold[0], expected.gold[0])
    batch = made.forget.batch(torch.arange(4))
    assert torch.equal(made.task.losses(made.model, batch), expected.task.losses(expected.model, batch))


def test_one_file_and_a_list(library, tmp_path):
    """The rest of the data is the retain set, whatever the order."""
    problem = library.problem
    data = write_lines(tmp_path / "all.jsonl", rows_of(problem.retain) + rows_of(problem.forget))
    (tmp_path / "ids.txt").write_text("\n".join(problem.forget.ids))
    made = assemble(inputs(library, data=data, forget=str(tmp_path / "ids.txt"), retain=None))
    assert same(made.forget, problem.forget)
    assert same(made.retain, problem.retain)


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("", QuestionAnswer()),
        ("qa", QuestionAnswer()),
        ("plain", PlainText()),
        (r"{prompt}\nAnswer: {answer}", Custom("{prompt}\nAnswer: {answer}")),
    ],
)
def test_templates_by_name(library, text, template):
    """What is recorded must make the same template again."""
    given = inputs(library, template=text)
    made = assemble(given)
    assert made.task.template == template
    again = settled(given, made)
    assert again.template
    assert assemble(again).task.template == template


def test_a_tokenizer_with_a_chat_template_is_given_turns(library, tmp_path):
    """Such a model was trained on turns, and knows its answers only there."""
    folder = shutil.copytree(library.model, tmp_path / "chat")
    (folder / "chat_template.jinja").write_text(CHAT)
    turns = [("system", "Ada"), ("user", "Bo"), ("assistant", "Cleo"), ("user", "Dov"), ("assistant", "Edda")]
    row = {"id": "x", "messages": [{"role": role, "content": content} for role, content in turns]}
    given = inputs(
        library, model=str(folder), forget=write_lines(tmp_path / "f.jsonl", [row]), retain=None, holdout=None
    )
    made = assemble(given)
    assert made.task.template == Chat()
    assert settled(given, made).template == "chat"
    start = int(made.forget.tensor("answer_from")[0])
    said = made.task.tokenizer.convert_ids_to_tokens(made.forget.tensor("tokens")[0].tolist())
    assert [word for word in said[:start] if word in ("Ada", "Bo", "Cleo", "Dov", "Edda")] == [
        "Ada",
        "Bo",
        "Cleo",
        "Dov",
    ]
    assert said[start] == "Edda"
    assert assemble(inputs(library, model=str(folder), template="qa")).task.template == QuestionAnswer()


@pytest.mark.parametrize(
    ("instead", "names"),
    [
        ({"template": "chat"}, "the tokenizer has no chat template"),
        ({"template": "chatt"}, "did you mean 'chat'"),
        ({"template": "{prompt} only"}, "once after it"),
        ({"too_long": "cut"}, "did you mean 'cut-prompt'|no such choice"),
        ({"context": 65}, "the model reads 64 tokens"),
        ({"context": 1}, "at least 2 tokens"),
        ({"columns": "prompt"}, "ROLE=COLUMN"),
    ],
)
def test_options_that_do_not_fit(library, instead, names):
    """Each is refused with what there is."""
    with pytest.raises(ConfigurationError, match=names):
        assemble(inputs(library, **instead))


def test_plain_text(library, tmp_path):
    """Text goes in windows of the context; beside prompts and answers the user has to say what is meant."""
    text = write_lines(tmp_path / "t.jsonl", [{"text": " ".join(["Ada lives in Osk."] * 40), "subject": "Ada"}])
    plain = inputs(library, forget=text, retain=None, holdout=None)
    made = assemble(plain)
    assert made.task.template == PlainText()
    assert made.forget.ids == ("t-0/0", "t-0/1", "t-0/2", "t-0/3")
    assert int(made.forget.tensor("length").max()) == 64
    assert list(made.forget["subject"]) == ["Ada"] * 4
    short = assemble(inputs(library, forget=text, retain=None, holdout=None, context=16))
    assert int(short.forget.tensor("length").max()) <= 16
    with pytest.raises(ConfigurationError, match=r"t\.jsonl holds plain text, .*retain\.jsonl prompts and answers"):
        assemble(inputs(library, forget=text))
    with pytest.raises(ConfigurationError, match=r"--template qa: .*t\.jsonl holds plain text"):
        assemble(inputs(library, forget=text, template="qa"))
    assert assemble(inputs(library, forget=text, template="plain")).retain is not None


def test_a_context_of_ones_own(library):
    """It bounds the examples, and what is dropped is said for each set."""
    with pytest.raises(InputError, match="the context is 13"):
        assemble(inputs(library, context=13))
    with pytest.warns(LetheWarning) as caught:
        made = assemble(inputs(library, context=13, too_long="drop"))
    assert {str(w.message).split(":")[0] for w in caught} == {"--forget", "--retain", "--holdout"}
    assert all(name.endswith("-craft") for name in made.forget.ids)


def test_models_to_set_beside(library, tmp_path):
    """A gold model of other tokens would be measured on noise."""
    problem = assemble(inputs(library))
    assert models.same_weights(load_like(problem, str(library.gold), "--gold"), library.problem.gold[0])
    other = Path(shutil.copytree(library.gold, tmp_path / "other"))
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["Ada"], vocabulary["Bo"] = vocabulary["Bo"], vocabulary["Ada"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match=r"--gold .*its tokenizer is not the original's"):
        load_like(problem, str(other), "--gold")
    for file in other.glob("*token*"):
        file.unlink()
    assert models.same_weights(load_like(problem, str(other), "--gold"), library.problem.gold[0])
    network = load_like(problem, str(other), "--gold")
    network.resize_token_embeddings(99, mean_resizing=False)
    models.save(network, other)
    with pytest.raises(InputError, match="has 99 token embeddings, the original"):
        load_like(problem, str(other), "--gold")


def test_bfloat16_is_the_precision_of_the_weights(library):
    """Half the memory, and models set beside it in the same type."""
    problem = assemble(inputs(library, precision="bf16", gold=(str(library.gold),)))
    assert {p.dtype for model in (problem.model, *problem.gold) for p in model.parameters()} == {torch.bfloat16}


def test_records_of_old_runs():
    """They know nothing of text; what is written for images is as it was."""
    old = {"model": "m", "data": "d", "forget": "f", "retain": None, "holdout": None, "gold": ["g"]}
    assert Inputs.from_dict(old, "record.json").as_dict() == old
    new = Inputs(model="m", forget="f", template="qa", columns="prompt=q", too_long="drop", context=9, precision="bf16")
    assert Inputs.from_dict(new.as_dict(), "record.json") == new


def test_parts_of_folders_have_absolute_paths(tmp_path, monkeypatch):
    """A record that says `people:train` would mean another folder elsewhere; a name of the hub is none."""
    (tmp_path / "people").mkdir()
    monkeypatch.chdir(tmp_path)
    absolute = Inputs(model="owner/name", forget="people:train", retain="owner/people:train").absolute()
    assert (absolute.model, absolute.retain) == ("owner/name", "owner/people:train")
    assert absolute.forget == f"{tmp_path}/people:train"


@pytest.fixture(scope="module")
def tofu() -> Path:
    data = os.environ.get("LETHE_DATA")
    if not data:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    return Path(data) / "tofu"


def test_tofu_is_read_as_it_is(tofu):
    """Forget and retain set must be disjoint, whole, and together all of it."""
    files = [str(tofu / name) for name in ("forget10.jsonl", "retain90.jsonl.gz", "holdout05.jsonl")]
    sets = read_sets("", *files, {})
    assert [len(texts) for texts in sets.values()] == [400, 3600, 200]
    full = find_texts(read_records(str(tofu / "full.jsonl.gz")), {})
    assert full.answers == sets["retain"].answers + sets["forget"].answers
    assert sets["forget"].ids[:2] == ("forget10-0", "forget10-1")


def test_tofu_from_one_file(tofu, tmp_path):
    """The same split from the whole data and a list of ids."""
    (tmp_path / "ids.txt").write_text("\n".join(f"full-{row}" for row in range(3960, 4000)))
    sets = read_sets(str(tofu / "full.jsonl.gz"), str(tmp_path / "ids.txt"), None, None, {})
    expected = find_texts(read_records(str(tofu / "forget01.jsonl")), {})
    assert (sets["forget"].prompts, sets["forget"].answers) == (expected.prompts, expected.answers)
    assert len(sets["retain"]) == 3960


def test_perturbed_answers_stay_beside_their_examples(tofu):
    """Metrics read them: lists of texts as tuples, texts as texts."""
    texts = find_texts(read_records(str(tofu / "forget10_perturbed.jsonl.gz")), {})
    assert texts.columns.keys() == {"paraphrased_answer", "perturbed_answer", "paraphrased_question"}
    assert len(np.asarray(texts.columns["perturbed_answer"][0])) == 5
