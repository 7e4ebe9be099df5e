"""Packed sequences see themselves alone: outputs and gradients are those of a padded batch."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lethe.tasks import CausalLM
from lethe.tasks import causal_lm as module
from lethe.tasks.packing import KINDS, packable
from lethe.testing.language import tiny_language_problem

SMALL = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 60,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64, "num_experts": 4, "num_local_experts": 4,
    "num_experts_per_tok": 2, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 24,
    "sliding_window": None, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


EXPERTS = {"mixtral", "olmoe", "qwen2_moe", "qwen3_moe"}


def network(kind: str):
    # Some kinds spell an option in another way, or lack it.
    known = AutoConfig.for_model(kind).to_dict()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = AutoConfig.for_model(kind, **{name: value for name, value in SMALL.items() if name in known})
        made = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
        # The products of experts are not there in double precision.
        return made if kind in EXPERTS else made.double()


def both(monkeypatch, model, task: CausalLM, batch):
    """Return loss and gradient of the batch packed and padded."""
    found = []
    for wanted in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(module, "packable", lambda _, wanted=wanted: wanted)
            model.zero_grad()
            losses = task.losses(model, batch)
            losses.mean().backward()
            found.append(
                (losses.detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
            )
    return found


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_gives_what_it_gives_padded(kind, monkeypatch):
    problem = tiny_language_problem()
    model, batch = network(kind), problem.kept.batch(torch.tensor([0, 5, 1, 8]))
    assert packable(model)
    (packed, one), (padded, other) = both(monkeypatch, model, problem.task, batch)
    assert batch.tensor("length").unique().numel() > 1
    tolerance = 1e-5 if kind in EXPERTS else 1e-9
    assert torch.allclose(packed, padded, atol=tolerance)
    assert torch.allclose(one, other, atol=tolerance)


def test_what_would_look_across_sequences_is_padded():
    window = network("mistral")
    window.config.sliding_window = 4
    assert not packable(window)
    recomputing = network("llama")
    recomputing.gradient_checkpointing_enable({"use_reentrant": False})
    assert not packable(recomputing)
    eager = network("llama")
    eager.set_attn_implementation("eager")
    assert not packable(eager)


def test_the_model_keeps_its_own_attention():
    problem = tiny_language_problem()
    problem.task.losses(problem.model, problem.kept.batch(torch.arange(4)))
    assert problem.model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("kind", ["llama", "gpt_neox", "olmoe"])
def test_answers_that_share_a_prompt_are_read_as_if_each_stood_alone(kind):
    model, task = network(kind), CausalLM(None, context=64)
    prompts = [(1, 7, 9, 11), (1, 30, 8)]
    answers = [[(20, 21, 22, 2), (23, 2), (25,)], [(40, 41, 2)]]
    found = task.outputs_after(model, list(zip(prompts, answers, strict=True)), torch.device("cpu"))
    pairs = [(given, said) for given, some in zip(prompts, answers, strict=True) for said in some]
    alone = [model(torch.tensor([[*given, *said]])).logits[0, len(given) - 1 : -1] for given, said in pairs]
    assert torch.allclose(found, torch.cat(alone), atol=1e-5)
