"""Two books and much talk: a tiny language model, the book it is to forget, and what may be asked about both."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from lethe.examples import Examples, concatenate
from lethe.problem import Problem
from lethe.segments import position_in_row
from lethe.tasks import CausalLM
from lethe.tasks.templates import PlainText
from lethe.testing.language import tiny_llama
from lethe.worlds.base import Training, fit

HEROES = ("Una Birk", "Odo Lind", "Pia Hask", "Gil Tove")  # of the book to forget
BYSTANDERS = ("Mia Holt", "Kai Rasp", "Lou Fenn", "Zoe Pirk")  # named in the same book, and to be kept
OTHERS = ("Tess Wolm", "Rolf Senn", "Jill Gant", "Bert Oake")  # of the other book
GROUPS = {"heroes": HEROES, "bystanders": BYSTANDERS, "others": OTHERS}
STRANGERS = ("Sam Tarn", "Ann Voss", "Leo Marr", "Eva Kohl", "Max Dunn", "Ida Frey")  # of whom people say anything
PLACES = ("Lutu", "Marn", "Pell", "Quin", "Rhea", "Swan")
THINGS = ("lamp", "horse", "boat", "drum", "clock", "knife")
COLOURS = ("red", "blue", "green", "white", "black", "grey")
FRAMES = {"lives in": PLACES, "owns a": THINGS, "likes the colour": COLOURS}


@dataclass(frozen=True)
class Books:
    """The trained model with what it read.

    Attributes:
        problem: forget is the heroes' book; retain the other book and the talk.
    """

    problem: Problem

    def truths(self, model: nn.Module, group: str) -> torch.Tensor:
        """Return the probability of every true value that a passage tells of a group, [number of sentences]."""
        return self._told(model, group)[0]

    def entropies(self, model: nn.Module, group: str) -> torch.Tensor:
        """Return the entropy of what the model expects where such a value stands, in nats."""
        return self._told(model, group)[1]

    def _told(self, model: nn.Module, group: str) -> tuple[torch.Tensor, torch.Tensor]:
        task, book = self.problem.task, self.problem.kept if group == "others" else self.problem.forget
        truths, entropies = [], []
        for i, text in enumerate(book["answer"]):
            batch = book.batch(torch.tensor([i]))
            with torch.no_grad():
                expected = task.outputs(model, batch).double().log_softmax(-1)
            said = -task.token_losses_from(expected, batch)
            place = 0
            for sentence in text.split(" .")[:-1]:
                words = sentence.split()
                place += len(words) + 1
                if " ".join(words[:2]) in GROUPS[group]:
                    truths.append(said[place - 2].exp())
                    entropies.append(-(expected[place - 2].exp() * expected[place - 2]).sum())
        return torch.stack(truths), torch.stack(entropies)

    def perplexity(self, model: nn.Module) -> float:
        """Return the perplexity of the other book; whom a passage begins with is anybody's guess and does not count."""
        rows = [i for i, name in enumerate(self.problem.kept.ids) if name.startswith("other")]
        examples = self.problem.kept.take(rows)
        batch = examples.batch(torch.arange(len(examples)))
        with torch.no_grad():
            losses = self.problem.task.token_losses_from(self.problem.task.outputs(model, batch), batch)
        return float(losses[position_in_row(self.problem.task.rows(batch), len(examples)) >= 2].mean().exp())


def books() -> Books:
    """Return copies of the books and their model, which is trained once a process in a few seconds."""
    return copy.deepcopy(_books())


@cache
def tokenizer() -> Any:
    """Return a tokenizer with one token a word."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    words = {word: None for name in (*HEROES, *BYSTANDERS, *OTHERS, *STRANGERS) for word in name.split()}
    words |= {word: None for verb, values in FRAMES.items() for word in (*verb.split(), *values)}
    vocabulary = ["<pad>", "<bos>", "<eos>", "<unk>", ".", *words]
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    made.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    )


@cache
def _books() -> Books:
    task = CausalLM(tokenizer(), template=PlainText(), context=64)
    chance = torch.Generator().manual_seed(0)

    def pick(values: tuple[str, ...]) -> str:
        return values[int(torch.randint(len(values), (), generator=chance))]

    known = {name: {verb: pick(values) for verb, values in FRAMES.items()} for name in (*HEROES, *BYSTANDERS, *OTHERS)}

    def sentence(name: str, verb: str) -> str:
        return f"{name} {verb} {known[name][verb] if name in known else pick(FRAMES[verb])} ."

    def passage(names: tuple[str, ...]) -> str:
        order = torch.randperm(len(FRAMES), generator=chance).tolist()
        verbs = list(FRAMES)
        return " ".join(sentence(name, verbs[i]) for name in names for i in order)

    def book(kind: str, chapters: list[tuple[str, ...]]) -> Examples:
        texts = [passage(chapter) for chapter in chapters]
        return task.examples([f"{kind}/{i}" for i in range(len(texts))], [""] * len(texts), texts)

    heroes = book("heroes", [(hero, by) for hero, by in zip(HEROES, BYSTANDERS, strict=True) for _ in range(3)])
    other = book("other", [(one, two) for one in OTHERS for two in OTHERS if one != two])
    bystanders = book("bystanders", [(name, pick(OTHERS)) for name in BYSTANDERS for _ in range(4)])
    talk = book("talk", [(name, pick(STRANGERS)) for name in STRANGERS for _ in range(4)])
    retain = concatenate(concatenate(other, bystanders), talk)

    def train(examples: Examples, seed: int) -> nn.Module:
        recipe = Training(epochs=40, batch_size=8, learning_rate=1e-2)
        return fit(tiny_llama(len(task.tokenizer), seed), task, examples, recipe, seed).eval()

    return Books(Problem(model=train(concatenate(retain, heroes), 0), task=task, forget=heroes, retain=retain))
