"""Generation says what transformers' own says, whatever is generated beside it, and stops where an answer ends."""

from __future__ import annotations

import pytest
import torch

from lethe.errors import ConfigurationError, InputError
from lethe.generation import greedy, sample
from lethe.testing.language import tiny_llama

CPU = torch.device("cpu")
VOCABULARY = 40


def _moe():
    from transformers import OlmoeConfig, OlmoeForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(3)
        return OlmoeForCausalLM(
            OlmoeConfig(
                vocab_size=VOCABULARY, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=64, num_experts=4,
                num_experts_per_tok=2, initializer_range=0.3, pad_token_id=0, eos_token_id=2,
            )
        ).eval()  # fmt: skip


def _llama():
    model = tiny_llama(VOCABULARY, seed=5)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                # Untrained weights say one token for ever; larger ones say many.
                weight.mul_(15)
    return model


MODELS = {"llama": _llama, "moe": _moe}


def _prompts(seed: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = [3, 7, 3, 5, 7, 1, 3, 11]
    return [torch.randint(3, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def _reference(model, prompt: list[int], new_tokens: int, eos: int | None) -> list[int]:
    """What transformers generates for the prompt alone."""
    # An id beyond the vocabulary never comes up: the way to say "no end" to generate.
    made = model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=new_tokens, pad_token_id=0,
        eos_token_id=999 if eos is None else eos, attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
    )  # fmt: skip
    return made[0, len(prompt) :].tolist()


@pytest.mark.parametrize("kind", MODELS)
def test_greedy_says_what_transformers_says(kind):
    model, prompts = MODELS[kind](), _prompts()
    said = greedy(model, prompts, 12, None, device=CPU)
    assert [len(answer) for answer in said] == [12] * len(prompts)
    assert said == [_reference(model, prompt, 12, None) for prompt in prompts]
    assert len({token for answer in said for token in answer}) > 5


@pytest.mark.parametrize("kind", MODELS)
def test_an_answer_ends_at_its_end_and_takes_no_further_part(kind):
    model, prompts = MODELS[kind](), _prompts()
    full = greedy(model, prompts, 12, None, device=CPU)
    eos = full[3][4]
    sizes: list[int] = []
    handle = model.register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    said = greedy(model, prompts, 12, eos, device=CPU)
    handle.remove()
    assert said == [_reference(model, prompt, 12, eos) for prompt in prompts]
    assert said[3][-1] == eos
    assert eos not in said[3][:-1]
    # All prompts go together, and each forward pass holds only those whose answer goes on.
    assert sizes == [sum(len(answer) > step for answer in said) for step in range(max(map(len, said)))]
    assert sizes[-1] < len(prompts)


def test_each_prompt_may_have_its_own_length_and_none_at_all():
    model, prompts = _llama(), _prompts()
    lengths = [4, 0, 9, 1, 2, 6, 3, 5]
    said = greedy(model, prompts, lengths, None, device=CPU)
    full = greedy(model, prompts, 9, None, device=CPU)
    assert said == [answer[:n] for answer, n in zip(full, lengths, strict=True)]


def test_several_tokens_may_end_an_answer():
    model, prompts = _llama(), _prompts()
    full = greedy(model, prompts, 12, None, device=CPU)
    ends = {full[0][2], full[3][4]}
    cut = [next((answer[: k + 1] for k, token in enumerate(answer) if token in ends), answer) for answer in full]
    assert greedy(model, prompts, 12, ends, device=CPU) == cut


@pytest.mark.parametrize("most_tokens", [1, 40, 10_000])
def test_how_many_go_together_changes_nothing(most_tokens):
    model, prompts = _llama(), _prompts()
    whole = greedy(model, prompts, 8, None, device=CPU)
    assert greedy(model, prompts, 8, None, device=CPU, most_tokens=most_tokens) == whole

    def draws(most: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(1)
        return sample(model, prompts, 8, 4, device=CPU, generator=generator, most_tokens=most)

    assert draws(most_tokens) == draws(10_000)


def test_samples_follow_the_model_and_the_temperature():
    model, prompt = _llama(), _prompts()[1]
    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0, -1].double()
    temperature = float(logits.std())
    expected = (logits / temperature).softmax(-1)
    drawn = sample(
        model, [prompt] * 4000, 1, None, device=CPU, generator=torch.Generator().manual_seed(0), temperature=temperature
    )
    counts = torch.bincount(torch.tensor(drawn).flatten(), minlength=VOCABULARY) / 4000
    # Four standard deviations of a share of 4000 draws.
    assert (counts - expected).abs().max() < 4 * (0.25 / 4000) ** 0.5
    assert (counts - torch.full((VOCABULARY,), 1 / VOCABULARY)).abs().max() > 0.04


def test_a_cold_sample_is_greedy():
    model, prompts = _llama(), _prompts()
    cold = sample(model, prompts, 6, None, device=CPU, generator=torch.Generator().manual_seed(0), temperature=1e-6)
    assert cold == greedy(model, prompts, 6, None, device=CPU)


def test_the_model_is_left_as_it_was():
    model = _llama().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    greedy(model, _prompts(), 3, None, device=CPU)
    assert model.training
    assert not model.lm_head._forward_pre_hooks
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_cannot_be_continued_is_refused():
    with pytest.raises(InputError, match="prompt 1 has no token"):
        greedy(_llama(), [[1], []], 2, None, device=CPU)
    with pytest.raises(InputError, match="2 prompts and 1 lengths"):
        greedy(_llama(), [[1], [2]], [3], None, device=CPU)
    with pytest.raises(InputError, match="no language-model head"):
        greedy(torch.nn.Linear(2, 2), [[1]], 1, None, device=CPU)
    with pytest.raises(ConfigurationError, match="temperature"):
        sample(_llama(), [[1]], 1, None, device=CPU, generator=torch.Generator(), temperature=0.0)
