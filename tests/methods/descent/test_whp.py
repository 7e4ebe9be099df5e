"""WHP: generic labels by their formula, the rules that keep a text consistent, and a book that is forgotten."""

from __future__ import annotations

import dataclasses
import gc
import json

import pytest
import torch
from torch.nn import functional as F

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.feeds import draw
from lethe.methods.descent.translated import aligned, flattened, spans, spellings, translated
from lethe.methods.descent.whp import LEFT_OUT, WHP, generic_logits
from lethe.methods.edits.negmerge import ForgetFineTune
from lethe.models import copied, fingerprint
from lethe.run import Run
from tests.methods.descent.books import GROUPS, HEROES, STRANGERS, books, tokenizer

ANCHORS = dict(zip(HEROES, STRANGERS, strict=False))
QUICK = {"batch_size": 6, "reinforce_epochs": 5, "reinforce_learning_rate": 1e-3}


@pytest.fixture(scope="module")
def library():
    return books()


@pytest.fixture(scope="module")
def forgotten(library):
    return unlearn(library.problem, WHP(anchors=ANCHORS, epochs=30, learning_rate=1e-3, **QUICK)).model


class Ascent(ForgetFineTune):
    """Gradient ascent with the same optimiser."""

    def objective(self, problem, run):
        usual = super().objective(problem, run)
        return lambda model, draw: {"forget": -usual(model, draw)["forget"]}


def value_places(library, group: str) -> torch.Tensor:
    """Which answer tokens of the book are values told of a group, [N, L]."""
    examples = library.problem.forget
    found = torch.zeros(len(examples), int(examples.tensor("length").max()) - 1, dtype=torch.bool)
    for i, text in enumerate(examples["answer"]):
        place = 0
        for sentence in text.split(" .")[:-1]:
            words = sentence.split()
            place += len(words) + 1
            found[i, place - 2] = " ".join(words[:2]) in GROUPS[group]
    return found


def true_tokens(library) -> torch.Tensor:
    return library.problem.forget.tensor("tokens")[:, 1:].long()


def test_generic_logits_are_the_formula():
    generator = torch.Generator().manual_seed(0)
    moved, base, raised = torch.randn(3, 4, 7, generator=generator)
    expected = torch.tensor(
        [
            [float(m) - 5 * max(float(r) - float(b), 0.0) for m, b, r in zip(*rows, strict=True)]
            for rows in zip(moved.double(), base.double(), raised.double(), strict=True)
        ]
    )
    assert torch.allclose(generic_logits(moved, base, raised, 5.0), expected, atol=1e-6)
    assert torch.equal(generic_logits(moved, base, base - 1, 5.0), moved)  # only what is raised is penalised


def test_without_anchors_and_reinforcement_the_labels_are_the_originals_own_choice(library):
    problem = library.problem
    labels = WHP(anchors={}, reinforce_epochs=0).labels(problem, Run())
    batch = problem.forget.batch(torch.arange(len(problem.forget)))
    with torch.no_grad():
        own = problem.task.outputs(problem.model, batch).argmax(-1)
    assert torch.equal(flattened(labels, problem.task.answer_lengths(batch)), own)


def test_labels_are_what_a_sum_by_hand_says(library):
    problem, alpha, lowered = library.problem, 5.0, 5.0
    method = WHP(anchors=ANCHORS, alpha=alpha, lowered=lowered, **QUICK)
    labels, reinforced = method.labels(problem, Run()), method.reinforced(problem, Run())
    assert fingerprint(reinforced) != fingerprint(problem.model)
    hero, stranger = HEROES[0], STRANGERS[0]
    text = problem.forget["answer"][0]
    given = lambda words: torch.tensor([problem.task.template.given(words, tokenizer())])  # noqa: E731
    base, raised, moved = (
        model(given(words)).logits[0].double().detach()
        for model, words in (
            (problem.model, text), (reinforced, text), (problem.model, text.replace(hero, stranger)),
        )
    )  # fmt: skip
    # Names have two words on both sides, so that position t of one text is position t of the other.
    said = moved[:-1] - alpha * (raised - base)[:-1].clamp_min(0)
    said[1:, tokenizer().convert_tokens_to_ids(stranger.split())] -= lowered  # from the name's end on
    kept = labels[0] != LEFT_OUT
    assert torch.equal(labels[0][kept], said.argmax(-1)[: len(kept)][kept])
    assert kept.sum() > 20


def test_ablations_depend_on_one_thing_each(library):
    problem = library.problem
    both = WHP(anchors=ANCHORS, **QUICK).labels(problem, Run())
    names_alone = WHP(anchors=ANCHORS, alpha=0.0, **QUICK).labels(problem, Run())
    assert torch.equal(names_alone, WHP(anchors=ANCHORS, reinforce_epochs=0).labels(problem, Run()))
    contrast_alone = WHP(anchors={}, **QUICK).labels(problem, Run())
    values, truth = value_places(library, "heroes"), true_tokens(library)
    told = [(labels == truth)[values].double().mean() for labels in (both, names_alone, contrast_alone)]
    assert told[0] <= told[1] < told[2]
    assert not torch.equal(both, names_alone)
    assert told[2] > 0.7  # knowing the name, the original says what it knows, raised or not


def test_names_that_are_told_again_are_left_out_and_replacements_are_not_said(library):
    problem = library.problem
    tokens, labels = problem.forget.tensor("tokens"), WHP(anchors=ANCHORS, **QUICK).labels(problem, Run())
    spelled = spellings(HEROES, tokenizer())
    for i in range(len(tokens)):
        found = spans(tokens[i].tolist(), spelled)
        assert len(found) == 3
        assert all(labels[i, span.start - 1] == LEFT_OUT for span in found[1:])
    # Where the model would say the replacement, it does not once its logits are lowered far enough.
    unruly = copied(problem.model)
    replacement = tokenizer().convert_tokens_to_ids(STRANGERS[0].split()[0])
    with torch.no_grad():
        unruly.lm_head.weight[replacement] = unruly.lm_head.weight.mean(0) + 3 * unruly.model.norm.weight.sign()
        unruly.lm_head.weight[replacement] += unruly.lm_head.weight[tokenizer().convert_tokens_to_ids(".")]
    willing = dataclasses.replace(problem, model=unruly)
    free, held = (
        WHP(anchors=ANCHORS, lowered=lowered, reinforce_epochs=0).labels(willing, Run())[:3] for lowered in (0.0, 50.0)
    )
    assert (free == replacement).double().sum() > 5
    assert not (held[:, 2:] == replacement).any()


def test_aligned_tokens_outside_names_are_the_same_words(library):
    problem = library.problem
    longer = {HEROES[0]: "Sam", HEROES[1]: "Ann Voss Marr"}
    other = translated(problem.forget, problem.task, longer)
    for i in range(len(problem.forget)):
        tokens = problem.forget.tensor("tokens")[i, : problem.forget.tensor("length")[i]].tolist()
        said = other.examples.tensor("tokens")[i, : other.examples.tensor("length")[i]].tolist()
        places = aligned(tokens, said)
        same = [(a, said[b]) for a, b in zip(tokens, places, strict=True) if b >= 0]
        names = set(tokenizer().convert_tokens_to_ids([w for n in (*longer, *longer.values()) for w in n.split()]))
        assert all(a == b for a, b in same if a not in names)
        outside = [token for token in tokens if token not in names]
        assert [a for a, b in same if a not in names] == outside
        # After a name the same word is predicted in both texts.
        assert all(
            tokens[a + 1] == said[b + 1] for a, b in enumerate(places[:-1]) if b >= 0 and tokens[a + 1] not in names
        )


def test_the_book_is_forgotten_and_the_other_kept_where_ascent_breaks_it(library, forgotten):
    problem = library.problem
    before, perplexity = library.truths(problem.model, "heroes").mean(), library.perplexity(problem.model)
    assert before > 0.9
    fall = 1 - library.truths(forgotten, "heroes").mean() / before
    rise = library.perplexity(forgotten) / perplexity - 1
    assert fall >= 0.8
    assert rise < 0.1
    ascended = Ascent(epochs=10, learning_rate=1e-3, batch_size=6, optimizer="adamw").unlearn(problem, Run())
    assert 1 - library.truths(ascended, "heroes").mean() / before < fall + 0.1
    assert library.perplexity(ascended) / perplexity - 1 > 2 * max(rise, 0.1)


def test_the_reinforced_model_is_gone_before_the_training_begins(library):
    kind = type(library.problem.model)

    def alive() -> int:
        gc.collect()
        return sum(isinstance(one, kind) for one in gc.get_objects())

    before, counts = alive(), []

    def watch(model):
        counts.append(alive() - before)
        return {}

    method = WHP(anchors=ANCHORS, epochs=1, batch_size=6, reinforce_epochs=1)
    unlearn(library.problem, method, watch=watch, watch_every=1)
    assert set(counts) == {1}


def test_neither_nothing_nor_random_names_do_it(library, forgotten):
    problem, fallen = library.problem, library.truths(forgotten, "heroes").mean()
    # Replacing other names leaves the heroes' text as it is.
    others = {"Tess Wolm": "Sam Tarn", "Rolf Senn": "Ann Voss"}
    unlearned = unlearn(problem, WHP(anchors=others, epochs=10, learning_rate=1e-3, batch_size=6, reinforce_epochs=0))
    assert library.truths(unlearned.model, "heroes").mean() > fallen + 0.5


def test_the_loss_is_the_mean_over_kept_tokens_of_each_text(library):
    problem = library.problem
    method = WHP(anchors=ANCHORS, reinforce_epochs=0)
    labels = method.labels(problem, Run())
    with_labels = dataclasses.replace(problem, forget=problem.forget.with_column("generic", labels))
    rows = torch.tensor([0, 5])
    drawn = draw(with_labels, (rows, None), 0, 0, torch.device("cpu"))
    term = method.forget_term(with_labels, problem.task, Run())(problem.model, drawn).detach()
    for value, row in zip(term, rows.tolist(), strict=True):
        batch = problem.forget.batch(torch.tensor([row]))
        logits = problem.task.outputs(problem.model, batch).double().detach()
        wanted = labels[row][: len(logits)]
        kept = wanted != LEFT_OUT
        assert float(value) == pytest.approx(float(F.cross_entropy(logits[kept], wanted[kept])), rel=1e-5)


def test_anchors_come_from_a_rule_or_a_file(library, tmp_path):
    problem = library.problem
    found = WHP().substitutes_of(problem, Run())
    assert set(HEROES) <= set(found)
    assert all(found[hero] not in HEROES for hero in HEROES)
    file = tmp_path / "anchors.json"
    file.write_text(json.dumps(ANCHORS))
    assert WHP(anchors=str(file)).substitutes_of(problem, Run()) == ANCHORS
    assert "retain" in WHP().requirements()
    assert "retain" not in WHP(anchors=ANCHORS).requirements()
    with pytest.raises(InputError, match="names cannot be read"):
        WHP(anchors=str(tmp_path / "none.json")).substitutes_of(problem, Run())
    with pytest.raises(ConfigurationError, match="replacement of"):
        WHP(anchors={"Una Birk": ""}).substitutes_of(problem, Run())
    with pytest.raises(ConfigurationError, match="must not be negative"):
        WHP(alpha=-1.0).check()
