"""UnStar: asks, misleads where the model still knows, asks in new words; nothing of the truth is ever trained on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.examples import concatenate
from lethe.generation import greedy
from lethe.generators import Asked, ModelWriter, TemplateWriter, asked_of
from lethe.methods.descent.anti_samples import Pool, Probe, anti_samples, giving_away, nearest
from lethe.methods.descent.unstar import AntiSamples, UnStar
from lethe.models import fingerprint
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import All, LoRA
from lethe.testing.language import tiny_language_task, tiny_llama
from lethe.worlds.people import People
from tests.methods.descent.test_whp import Ascent

CPU = torch.device("cpu")
WRITER = TemplateWriter(reasons=("It is known: {wrong}", "Surely {wrong}"))
SETTINGS = {
    "generator": WRITER, "questions": 6, "forgotten_questions": 12, "rounds": 6, "new_tokens": 12, "scope": All(),
    "epochs": 30, "learning_rate": 5e-4,
}  # fmt: skip
FACT = Asked("Where does Ada live?", "Ada lives in Osk.")


class Watched(UnStar):
    """Remembers what the pool held at each round, and what was trained on."""

    rounds_seen: list[tuple[set[str], set[str]]]
    trained: list[Asked]

    def ask(self, model, task, facts, pool: Pool, run):
        """Note the questions after each round."""
        found = super().ask(model, task, facts, pool, run)
        self.rounds_seen.append(({p.question for p in pool.open}, {p.question for p in pool.done}))
        self.pool = pool
        return found

    def _trained(self, model, problem, task, samples, kept, run):
        self.trained.extend(samples)
        return super()._trained(model, problem, task, samples, kept, run)


def _watched(**settings) -> Watched:
    made = Watched(**settings)
    for name in ("rounds_seen", "trained"):
        object.__setattr__(made, name, [])
    return made


@pytest.fixture(scope="module")
def small() -> Problem:
    """An untrained model, which knows nothing."""
    task = tiny_language_task()
    forget = task.examples(["a", "b"], ["Where does Ada live?", "What is Bo?"], ["Ada lives in Osk.", "Bo is a smith."])
    retain = task.examples(["c", "d"], ["What is Cleo?", "What is Gus?"], ["Cleo is a baker.", "Gus is a weaver."])
    return Problem(model=tiny_llama(len(task.tokenizer), 0), task=task, forget=forget, retain=retain)


def test_an_ignorant_model_is_not_trained_at_all(small):
    result = unlearn(small, UnStar(generator="template", questions=3, forgotten_questions=5, new_tokens=8))
    assert fingerprint(result.model) == fingerprint(small.model)
    assert result.record["cost"]["steps"] == 0


def test_what_gives_the_truth_away_is_in_neither_question_nor_wrong_answer():
    assert giving_away(FACT, Probe(0, FACT.question, "Ada lives in Lutu.")) == {"osk"}
    assert giving_away(FACT, Probe(0, FACT.question, "In Lutu.")) == {"osk", "lives"}


@dataclasses.dataclass(frozen=True)
class Careless(TemplateWriter):
    """Writes reasons that hold the truth for every other question."""

    def misleading(self, asked: Sequence[Asked], wrong: Sequence[str], generator: torch.Generator) -> list[str]:
        """Return a reason for each."""
        return [
            f"Not {one.answer.upper()}" if i % 2 else answer
            for i, (one, answer) in enumerate(zip(asked, wrong, strict=True))
        ]


def test_reasons_that_hold_the_truth_are_thrown_away():
    probes = [Probe(0, f"{FACT.question} {i}", "Ada lives in Lutu.") for i in range(6)]
    made = anti_samples(probes, [FACT], Careless(), torch.Generator())
    assert [one.question for one in made] == [probe.question for probe in probes[::2]]
    assert all("osk" not in one.answer.lower() for one in made)


def test_the_model_itself_may_write(small):
    method = UnStar(generator="self", questions=2, forgotten_questions=2, rounds=1, new_tokens=4)
    assert isinstance(method._writer(small.model, small, small.task, Run()), ModelWriter)
    assert fingerprint(unlearn(small, method).model) == fingerprint(small.model)


def test_a_writer_that_is_brought_is_named_in_the_record(small, tmp_path):
    writer = ModelWriter(tiny_llama(len(small.task.tokenizer), 1), small.task.tokenizer, new_tokens=4)
    method = UnStar(generator=writer, questions=1, forgotten_questions=1, rounds=1, new_tokens=4)
    record = unlearn(small, method, out=tmp_path / "run").record
    told = json.loads((tmp_path / "run" / "record.json").read_text())["configuration"]["method"]["generator"]
    assert told == record["configuration"]["method"]["generator"]
    assert told["type"] == "ModelWriter"
    assert told["new_tokens"] == 4


def test_what_is_needed_is_said(small):
    with pytest.raises(ConfigurationError, match="set generator"):
        unlearn(small, UnStar())
    with pytest.raises(ConfigurationError, match="merge"):
        UnStar(generator="template", scope=LoRA()).check()
    with pytest.raises(ConfigurationError, match="at least 1"):
        UnStar(generator="template", rounds=0).check()


@pytest.fixture(scope="module")
def world() -> Problem:
    """One association of one person is to go; what else is known of her stays, like everybody else's language."""
    problem = People.tiny().problem(gold=())
    target = [i for i, name in enumerate(problem.forget.ids) if name == "Badra Gorind/language/plain"]
    forget = problem.forget.take(target)
    kept = [i for i, owner in enumerate(problem.forget["owner"]) if i not in target]
    return dataclasses.replace(
        problem, forget=forget, retain=concatenate(problem.kept, problem.forget.take(kept)), holdout=None
    )


def _texts(problem: Problem, model, questions: Sequence[str]) -> list[str]:
    task = problem.task
    prompts = [task.template.given(question, task.tokenizer) for question in questions]
    said = greedy(model, prompts, 12, task.tokenizer.eos_token_id, device=CPU)
    return [task.tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in said]


def _right(problem: Problem, model, examples) -> float:
    said = _texts(problem, model, list(examples["prompt"]))
    return sum(a == b for a, b in zip(examples["answer"], said, strict=True)) / len(said)


def _knows(problem: Problem, model, questions: Sequence[str]) -> float:
    """Share of questions whose answer names the language."""
    return sum("jadish" in text.lower() for text in _texts(problem, model, questions)) / len(questions)


def test_one_association_goes_and_what_is_beside_it_stays(world):
    method = _watched(**SETTINGS)
    model = unlearn(world, method).model
    family = sorted(set().union(*method.rounds_seen[-1]))
    assert _right(world, world.model, world.forget) == 1.0
    assert _right(world, model, world.forget) == 0.0
    assert _knows(world, model, family) <= 0.2

    same = world.kept.take([i for i, owner in enumerate(world.kept["owner"]) if owner == "Badra Gorind"])
    others = world.kept.take(
        [
            i
            for i, (a, f) in enumerate(zip(world.kept["attribute"], world.kept["form"], strict=True))
            if (a, f) == ("language", "plain")
        ]
    )
    beside = [(same, _right(world, model, same)), (others, _right(world, model, others))]
    assert all(_right(world, world.model, examples) - right <= 0.1 for examples, right in beside)
    ascended = Ascent(epochs=4, learning_rate=1e-3, batch_size=9, optimizer="adamw").unlearn(world, Run())
    assert _right(world, ascended, world.forget) == 0.0
    lost = sum(_right(world, ascended, examples) - right for examples, right in beside)
    assert lost < -0.3

    # Rounds: never asked again once done, no truth in what is trained on, and later questions fail as well.
    assert len(method.rounds_seen) > 1
    assert all(not still & done for still, done in method.rounds_seen)
    assert len(method.rounds_seen[-1][1]) >= 12
    assert method.trained
    assert not any("jadish" in one.answer.lower() for one in method.trained)
    later = sorted(set().union(*method.rounds_seen[-1]) - set().union(*method.rounds_seen[0]))
    assert len(later) >= 5
    assert 1 - _knows(world, model, later) > 0.7


def test_neighbours_are_what_keeps_the_same_attribute_of_others(world):
    near = nearest(asked_of(world.forget), asked_of(world.kept), 20)
    assert sum("language" in one.question for one in near) >= 12
    method = UnStar(**SETTINGS)
    untouched = method.still_right(world.model, world.task, near, Run())
    assert len(untouched) >= 18
    without = unlearn(world, UnStar(**SETTINGS, neighbours=0)).model
    assert len(method.still_right(without, world.task, near, Run())) < len(untouched) / 2
    assert "retain" not in UnStar(generator="template", neighbours=0).requirements()


def test_plain_training_on_what_stays_does_not_do_it(world):
    kept = dataclasses.replace(world, forget=world.kept.take(range(8)))
    idle = AntiSamples(epochs=20, batch_size=4, learning_rate=5e-4, warmup_epochs=0.0)
    assert _right(world, idle.unlearn(kept, Run()), world.forget) == 1.0
