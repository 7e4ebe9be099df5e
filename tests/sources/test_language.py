"""Language models from disk: whole ones are loaded bit by bit, all others refused in one line that says why."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, ViTConfig, ViTForImageClassification

from lethe import adapters, models
from lethe.errors import InputError, LetheError, LetheWarning
from lethe.sources import load_classifier, load_language_model
from lethe.sources.companions import companions
from lethe.sources.kinds import kind_of
from lethe.sources.language import load_language_network
from tests.stories import write_stories

WEIGHTS = "model.safetensors"


def edit_json(path, **facts):
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def test_a_model_comes_back_in_the_same_bits(library):
    """In float32, with its tokenizer and its context; in bfloat16 where that was asked for."""
    loaded = load_language_model(str(library.model))
    assert models.same_weights(loaded.network, library.problem.model)
    assert not loaded.network.training
    assert loaded.tokenizer.get_vocab() == library.problem.task.tokenizer.get_vocab()
    assert loaded.context == 64
    half = load_language_model(str(library.model), torch.bfloat16).network
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


def test_a_run_folder_stands_for_its_model(library, tmp_path):
    """Whoever unlearned once goes on from the run's folder."""
    shutil.copytree(library.model, tmp_path / "model")
    (tmp_path / "record.json").write_text("{}")
    assert models.same_weights(load_language_model(str(tmp_path)).network, library.problem.model)


@pytest.mark.filterwarnings("ignore")
def test_kinds_are_told_by_architecture(library, tmp_path):
    """The same command takes both; what is neither is named."""
    with torch.random.fork_rng():
        size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        masked = BertForMaskedLM(BertConfig(vocab_size=9, **size))
        vision = ViTForImageClassification(ViTConfig(image_size=8, patch_size=4, **size))
    masked.save_pretrained(tmp_path / "masked")
    vision.save_pretrained(tmp_path / "vision")
    assert kind_of(str(library.model)) == "language model"
    assert kind_of(str(tmp_path / "vision")) == "image classifier"
    with pytest.raises(InputError, match="is a BertForMaskedLM; give"):
        load_language_model(str(tmp_path / "masked"))
    with pytest.raises(InputError, match="is an image classifier; give a causal language model"):
        load_language_model(str(tmp_path / "vision"))
    with pytest.raises(InputError, match="cannot be loaded as an image classifier"):
        load_classifier(str(library.model))
    # Configurations written by hand name no architecture.
    for name in ("masked", "vision"):
        edit_json(tmp_path / name / "config.json", architectures=None)
    assert kind_of(str(tmp_path / "vision")) == "image classifier"
    # A field that does not fit its type.
    edit_json(tmp_path / "masked" / "config.json", model_type="t5")
    with pytest.raises(InputError, match=r"config\.json cannot be read"):
        kind_of(str(tmp_path / "masked"))
    (tmp_path / "masked" / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(InputError, match="of type 't5'"):
        kind_of(str(tmp_path / "masked"))


def without(name):
    def remove(folder):
        weights = load_file(folder / WEIGHTS)
        del weights[name]
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    return remove


def with_nan(folder):
    weights = load_file(folder / WEIGHTS)
    weights["lm_head.weight"][3, 3] = float("nan")
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def pickled(folder):
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def truncated(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:5_000])


def remote(folder):
    edit_json(folder / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"})
    (folder / "mine.py").write_text("raise SystemExit('remote code ran')")


def no_tokenizer(folder):
    for file in folder.glob("*token*"):
        file.unlink()


def larger_tokenizer(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["Zoe", "Yan"])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (without("lm_head.weight"), "lack 'lm_head.weight' and 0 others of a LlamaForCausalLM"),
        (with_nan, "lm_head.weight"),
        (pickled, "pytorch_model.bin: a pickle can run any code.*AutoModelForCausalLM.from_pretrained"),
        (truncated, "not a whole safetensors file"),
        (lambda folder: (folder / WEIGHTS).unlink(), "holds no weights"),
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: edit_json(folder / "config.json", hidden_size=16), "cannot be loaded as a causal lang"),
        (remote, "config.json cannot be read"),
        (no_tokenizer, "holds no tokenizer"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "its tokenizer cannot be read"),
        (larger_tokenizer, r"gives 'Zoe' the number \d+, but the model has embeddings for 0 to"),
        (shutil.rmtree, "no such folder"),
    ],
)  # fmt: skip
def test_models_that_are_not_whole(copied, damage, names):
    """Each would fail in the middle of a run, or unlearn noise."""
    damage(copied)
    with pytest.raises(InputError, match=names) as caught:
        load_language_model(str(copied))
    assert str(copied) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_token_for_padding_needs_no_embedding(copied):
    """Many tokenizers were given one afterwards; nothing here is padded with it."""
    edit_json(copied / "tokenizer_config.json", pad_token=None)
    tokenizer = AutoTokenizer.from_pretrained(copied)
    tokenizer.add_special_tokens({"pad_token": "<padding>"})
    tokenizer.save_pretrained(copied)
    assert load_language_model(str(copied)).tokenizer.pad_token_id == len(tokenizer) - 1


def test_what_is_worth_a_warning(copied):
    """No end, or a tokenizer for less than half of the model's tokens: possible, but the user should know."""
    edit_json(copied / "tokenizer_config.json", eos_token=None)
    with pytest.warns(LetheWarning, match="no end-of-sequence token"):
        loaded = load_language_model(str(copied))
    loaded.network.resize_token_embeddings(400, mean_resizing=False)
    models.save(loaded.network, copied)
    with pytest.warns(LetheWarning) as caught:
        load_language_model(str(copied))
    assert f"knows {len(loaded.tokenizer)} tokens, the model 400" in str(caught[0].message)


@pytest.fixture
def adapter(library, copied, tmp_path):
    """A folder with an adapter to the copied model, and what that model computes with it."""
    network = load_language_network(str(copied))
    adapters.inject(network, ("q_proj", "v_proj"), rank=2, alpha=4.0, dropout=0.0, seed=1)
    for parameter in adapters.adapter_parameters(network):
        parameter.data.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(2))
    models.save(network, tmp_path / "adapter")
    return tmp_path / "adapter", logits(network.eval())


def logits(network):
    with torch.no_grad():
        return network(input_ids=torch.arange(1, 20).unsqueeze(0))["logits"]


def test_an_adapter_is_merged_into_its_model(library, adapter):
    """The folder must stand for what it computes, in a model that can be unlearned and saved as any other."""
    folder, expected = adapter
    loaded = load_language_model(str(folder))
    assert not adapters.is_adapted(loaded.network)
    assert torch.allclose(logits(loaded.network), expected, atol=1e-5)
    assert not torch.allclose(logits(library.problem.model), expected, atol=1e-2)
    # An adapter trained on the merged model is one to this folder, not to the model below.
    assert loaded.network.name_or_path == str(folder.resolve())
    beside = load_language_network(str(folder), merge=False)
    assert adapters.is_adapted(beside)
    assert torch.allclose(logits(beside), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda folder: edit_json(folder / adapters.CONFIG, peft_type="IA3"), "of type IA3; give a LoRA adapter"),
        (lambda folder: edit_json(folder / adapters.CONFIG, base_model_name_or_path=None), "base_model_name_or_path"),
        (lambda folder: edit_json(folder / adapters.CONFIG, base_model_name_or_path=str(folder)), "its own folder"),
        (lambda folder: edit_json(folder / adapters.CONFIG, base_model_name_or_path="/no"), "/no: no such folder"),
        (lambda folder: edit_json(folder / adapters.CONFIG, r=3), "does not fit"),
        (lambda folder: (folder / adapters.CONFIG).write_text("{"), "not whole JSON"),
        (lambda folder: (folder / adapters.WEIGHTS).rename(folder / "adapter_model.bin"), "a pickle, which can run"),
        (lambda folder: (folder / adapters.WEIGHTS).write_bytes(b"1234"), "not a whole safetensors file"),
    ],
)  # fmt: skip
def test_adapters_that_are_not_whole(adapter, damage, names):
    """The file or the field must be named."""
    damage(adapter[0])
    with pytest.raises(LetheError, match=names):
        load_language_model(str(adapter[0]))


def test_the_files_beside_the_weights(copied, adapter):
    """An unlearned model without its tokenizer or its chat template cannot be used; no two tokenizers may be mixed."""
    (copied / "chat_template.jinja").write_text("x")
    (copied / "secret.py").write_text("x")
    names = {path.name for path in companions(str(copied))}
    assert names >= {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    assert not names & {"config.json", WEIGHTS, "secret.py"}
    assert {path.parent for path in companions(str(adapter[0])) if "token" in path.name} == {copied}


def test_context_is_the_smaller_of_two_limits(copied):
    """Positions beyond either are noise."""
    edit_json(copied / "tokenizer_config.json", model_max_length=40)
    assert load_language_model(str(copied)).context == 40


def test_a_real_model_tells_its_story(tmp_path):
    """Weights, rotary embedding and tokenizer of a published model, all read right: its own first sentence."""
    data = os.environ.get("LETHE_DATA")
    if not data:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    folder = write_stories(Path(data) / "stories260K", tmp_path)
    loaded = load_language_model(str(folder))
    start = torch.tensor([[loaded.tokenizer.bos_token_id]])
    told = loaded.network.generate(start, max_new_tokens=30, do_sample=False)[0]
    text = loaded.tokenizer.decode(told, skip_special_tokens=True)
    assert text.startswith("Once upon a time, there was a little girl named Lily.")
    # What it reads back are the tokens it wrote: a loss over them is a loss over its own words.
    assert loaded.tokenizer(text, add_special_tokens=False)["input_ids"] == told[1:].tolist()
    assert loaded.context == 512
