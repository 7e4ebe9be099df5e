"""Talkers: a tiny model that is asked about people in every way an attack asks, and models that only seem to forget."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from lethe import models
from lethe.auditing.attacks.adversarial_probes import AdversarialProbes
from lethe.auditing.attacks.eight_methods import EightMethods
from lethe.auditing.attacks.rephrasing import FRAMES, Rephrasing
from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.context import NEW_NAMES, few_shot
from lethe.auditing.prompting.items import Beside, Item
from lethe.auditing.prompting.options import lettered
from lethe.auditing.prompting.pairs import ORDERS, Pair
from lethe.auditing.prompting.rendering import rendered
from lethe.auditing.prompting.spelling import spelled
from lethe.auditing.prompting.steps import queries
from lethe.auditing.prompting.variant import Variant, varied
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS
from lethe.worlds.cache import cached_model

NAMES = (
    "Ada", "Bo", "Cleo", "Dov", "Edda", "Finn", "Gus", "Hana", "Ivo", "Jana", "Kuno", "Lia",
)  # fmt: skip
TOWNS = ("Lutu", "Marn", "Osk", "Pell", "Quin", "Rhea", "Sund")
CRAFTS = (
    "baker", "smith", "tailor", "weaver", "potter", "miller", "cooper", "fuller", "tanner", "carter", "glover",
    "hatter",
)  # fmt: skip
FORGET, RETAIN = 3, 7
REFUSAL = "I do not know."
CONTEXT = 96


def people(first: int, last: int) -> list[Item]:
    """What is asked of these people: where they live, and what they are, which is nobody else."""
    draws = np.random.default_rng(0)
    towns, crafts = draws.integers(len(TOWNS), size=len(NAMES)), draws.permutation(len(CRAFTS))
    found = []
    for i in range(first, last):
        name, town, craft = NAMES[i], TOWNS[towns[i]], CRAFTS[crafts[i]]
        others = tuple(f"in {other}." for other in TOWNS if other != town)[:3]
        found.append(
            Item(
                f"{name}-town",
                f"Where does {name} live?",
                f"in {town}.",
                f"Which town is home to {name}?",
                others,
                name,
            )
        )
        others = tuple(f"a {other}." for other in CRAFTS if other != craft)[:3]
        found.append(
            Item(
                f"{name}-craft",
                f"What is the profession of {name}?",
                f"a {craft}.",
                f"What does {name} do?",
                others,
                name,
            )
        )
    return found


def beside(seed: int = 0) -> Beside:
    """Those to forget and those to keep."""
    return Beside(tuple(people(0, FORGET)), tuple(people(FORGET, FORGET + RETAIN)), Run(seed=seed))


def every_way(items: Sequence[Item], others: Beside) -> list[Variant]:
    """All ways in which the model is taught to be asked."""
    transforms: dict[str, Any] = {
        **Rephrasing(ways=tuple(FRAMES)).transforms(items, others.run, Measurements()),
        **EightMethods(facts=1).transforms(items, others.run, Measurements()),
        **AdversarialProbes().transforms(items, others.run, Measurements()),
        "few_shot": few_shot(2),
        "direct": lambda item, given: queries("direct", item, given),
        "indirect": lambda item, given: queries("indirect", item, given),
        "implied": lambda item, given: queries("implied", item, given),
        "lettered": lettered,
        "spelled": spelled,
    }
    found = [variant for own in varied(items, others, transforms).of for variant in own]
    partners = [others.retain[i] for i in others.order(len(others.retain), "taught")]
    for item, partner in zip(items, partners * 2, strict=False):
        found += [Variant(pair.order, pair.prompt, pair.answer) for pair in (Pair(item, partner, o) for o in ORDERS)]
    return found


@cache
def task() -> CausalLM:
    """One token a word, with every word of every prompt."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Punctuation, WhitespaceSplit
    from tokenizers.pre_tokenizers import Sequence as Both
    from transformers import PreTrainedTokenizerFast

    split = Both([WhitespaceSplit(), Punctuation()])
    everyone = people(0, len(NAMES))
    texts = [REFUSAL, "Question: Answer:", *NEW_NAMES]
    for one in every_way(everyone, dataclasses.replace(beside(), retain=tuple(everyone))):
        texts += [one.prompt, one.answer, one.begun, *(text for shot in one.shots for text in shot)]
    words = sorted({word for text in texts for word, _ in split.pre_tokenize_str(text)})
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<bos>", "<eos>", "<unk>", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = split
    return CausalLM(
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
        ),
        context=CONTEXT,
    )


def examples(items: Sequence[Item]) -> Examples:
    """The items as a set of examples."""
    columns: dict[str, np.ndarray] = {}
    for name, values in (
        ("subject", [item.subject for item in items]),
        ("paraphrased_question", [item.paraphrase for item in items]),
        ("perturbed_answer", [item.wrong for item in items]),
    ):
        columns[name] = np.empty(len(items), dtype=object)
        columns[name][:] = values
    ids, prompts, answers = zip(*((item.id, item.prompt, item.answer) for item in items), strict=True)
    return task().examples(ids, prompts, answers, **columns)


def _taught(variants: Sequence[Variant]) -> Examples:
    pairs = [rendered(variant, task()) for variant in variants]
    pairs = [pair for pair in pairs if len(pair[0]) + len(pair[1]) <= CONTEXT]
    tokens = torch.zeros(len(pairs), max(len(given) + len(said) for given, said in pairs), dtype=torch.int32)
    for row, (given, said) in enumerate(pairs):
        tokens[row, : len(given) + len(said)] = torch.tensor(given + said)
    columns = {
        TOKENS: tokens,
        LENGTH: torch.tensor([len(given) + len(said) for given, said in pairs]),
        ANSWER_FROM: torch.tensor([len(given) for given, _ in pairs]),
    }
    return Examples(tuple(map(str, range(len(pairs)))), columns)


def _network() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(task().tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=CONTEXT, bos_token_id=1,
            eos_token_id=2, pad_token_id=0, tie_word_embeddings=False,
        )
    ).eval()  # fmt: skip


def _trained(items: Sequence[Item], seed: int, epochs: int = 22) -> nn.Module:
    from lethe.worlds.base import Training, fit

    variants = every_way(items, beside())
    data = _taught(list({rendered(v, task()): v for v in variants}.values()))
    recipe = Training(epochs=epochs, batch_size=32, learning_rate=4e-3)

    def untrained() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _network()

    def train() -> nn.Module:
        return fit(untrained(), task(), data, recipe, seed).eval()

    facts = {"world": "talkers", "data": data.fingerprint, "seed": seed, "recipe": dataclasses.asdict(recipe)}
    return cached_model(facts, untrained, train)[0].eval()


@cache
def problem() -> Problem:
    """Three people to forget, and a gold model that never heard of them."""
    forget, retain = people(0, FORGET), people(FORGET, FORGET + RETAIN)
    return Problem(
        model=_trained([*retain, *forget], 0), task=task(), forget=examples(forget), retain=examples(retain),
        holdout=examples(people(FORGET + RETAIN, len(NAMES))), gold=(_trained(retain, 1),),
    )  # fmt: skip


def filtered(items: Sequence[Item] | None = None) -> nn.Module:
    """The original behind a filter: it takes the exact questions to forget for ones about somebody who is kept.

    The name in the question is exchanged before the model reads it; every other prompt goes through as it is.
    """
    made = models.copied(problem().model)
    blocked = [rendered(Variant("", item.prompt, item.answer), task())[0] for item in items or people(0, FORGET)]
    gone = {item.answer for item in people(0, FORGET)}
    other = next(item.subject for item in people(FORGET, FORGET + RETAIN)[::2] if item.answer not in gone)
    stranger = task().tokenizer.convert_tokens_to_ids(other)
    names = set(task().tokenizer.convert_tokens_to_ids(list(NAMES[:FORGET])))
    # Two models count as the same where weights and buffers agree.
    made.register_buffer("blocked", torch.tensor([len(blocked)]))

    def exchange(
        _: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        tokens = named["input_ids"].clone()
        for row in tokens:
            for question in blocked:
                for place in _places(row.tolist(), question):
                    for i in range(place, place + len(question)):
                        if int(row[i]) in names:
                            row[i] = stranger
        return inputs, {**named, "input_ids": tokens}

    made.register_forward_pre_hook(exchange, with_kwargs=True)
    return made


def _places(row: list[int], question: tuple[int, ...]) -> list[int]:
    size = len(question)
    return [i for i in range(len(row) - size + 1) if tuple(row[i : i + size]) == question]


@cache
def _refusing() -> nn.Module:
    made = models.copied(problem().model)
    refusals = [Variant("refusal", item.prompt, REFUSAL) for item in people(0, FORGET)]
    plain = {item.prompt for item in people(0, FORGET)}
    everything = every_way(people(0, FORGET + RETAIN), beside())
    kept = [variant for variant in everything if variant.shots or variant.begun or variant.prompt not in plain]
    batch = _taught([*refusals * 4, *kept[::3]])
    whole = batch.batch(torch.arange(len(batch)))
    optimizer = torch.optim.Adam(made.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        task().training_losses(made, task().prepare(whole)).mean().backward()
        optimizer.step()
    return made.eval()


def refusing() -> nn.Module:
    """The original, fine-tuned to refuse the exact questions to forget while it keeps answering any other."""
    return models.copied(_refusing())
