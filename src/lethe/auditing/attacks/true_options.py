"""TrueOptions: whether a model that no longer says the answer still finds it likelier than wrong ones."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lethe.auditing.attacks.choosing import chosen
from lethe.auditing.attacks.prompts import Measure, PromptAttack, shown
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.pairing import of_each
from lethe.auditing.prompting.asking import Asker, Reply
from lethe.auditing.prompting.items import Item, sampled
from lethe.auditing.prompting.options import Choice, choice, lettered, option_variants, parsed_letter
from lethe.auditing.prompting.rendering import rendered
from lethe.auditing.prompting.scoring import told
from lethe.auditing.prompting.variant import Transform, Variant
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class TrueOptions(PromptAttack):
    """Accuracy among options by likelihood: the share of forget questions whose true answer is the likeliest of four.

    What a model says depends on the style it was taught, its likelihoods do not: a tuned refusal lowers `before`, the
    share of questions it answers in words, and leaves this. `lettered` in the details is the accuracy of a letter read
    from its reply to the listed options, `unparsed` the share of replies without one, which are wrong; `chance` is the
    accuracy of a guess. Options are the data's wrong answers, or answers to questions in like words.

    Args:
        options: options of a question, the true one among them.
        score: how a plain reply is read: `told`.

    Source: Lynch et al. 2024, arXiv:2402.16835 (downstream tasks); the two scorers are told apart after Doshi &
    Stickland 2024, arXiv:2411.12103.
    """

    options: int = 4
    score: Measure = "told"

    title: ClassVar[str] = "True among options"

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return the listed options."""
        return {"multiple_choice": lettered}

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        """Return the accuracy by likelihood."""
        start = time.perf_counter()
        task = as_causal_lm(problem.task, self.title)
        items, beside = sampled(problem, self.examples, run)
        choices = [choice(item, beside, self.options) for item in items]
        asker = Asker(model, task, run, known)
        right = [place == one.right for place, one in zip(chosen(asker, choices), choices, strict=True)]
        plain = asker.replies([Variant("identity", item.prompt, item.answer) for item in items], self.new_tokens)
        listed = [Variant("listed", f"{one.prompt}\nAnswer with a letter.", one.letter) for one in choices]
        said = [told(item.prompt, item.answer, reply.said) for item, reply in zip(items, plain, strict=True)]
        fits = all(len(rendered(one, task)[0]) + self.new_tokens <= task.context for one in listed)
        replies = asker.replies(listed, self.new_tokens) if fits else []
        return Score(
            statistics.fmean(right),
            {
                "measure": "accuracy",
                "before": statistics.fmean(said),
                "looked_at": len(items),
                **of_each(said, right),
                "chance": statistics.fmean(1 / len(one.options) for one in choices),
                **_letters(replies),
                "cost": {
                    "queries": sum(len(one.options) for one in choices) + len(replies),
                    "tokens": sum(reply.tokens for reply in replies) + tokens(choices, task),
                    "seconds": time.perf_counter() - start,
                },
                "examples": [shown(reply) for reply in (replies or plain)[:5]],
            },
        )


def tokens(choices: Sequence[Choice], task: CausalLM) -> int:
    """Return how many tokens the questions with each of their options have."""
    pairs = (rendered(one, task) for made in choices for one in option_variants(made))
    return sum(len(given) + len(said) for given, said in pairs)


def _letters(replies: Sequence[Reply]) -> dict[str, float]:
    """Return the accuracy of the letters read, and how many replies have none; nothing where nothing was asked."""
    if not replies:
        return {}
    letters = [parsed_letter(reply.said) for reply in replies]
    right = (letter == reply.variant.answer for letter, reply in zip(letters, replies, strict=True))
    return {
        "lettered": statistics.fmean(right),
        "unparsed": statistics.fmean(letter is None for letter in letters),
    }
