from __future__ import annotations

import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer

from lethe.auditing.text import rouge, rouge_overlaps
from lethe.auditing.text.rouge import KINDS
from lethe.errors import ConfigurationError, InputError

REFERENCES = [
    "The author's writings, mostly novels, won several prizes in 1999.",
    "She was born in Lisbon.",
    "He writes mysteries.",
    "",
]
GENERATED = [
    "The author writes novels and won a prize; the novels were several.",
    "",
    "He writes mysteries.",
    "something",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stem", [True, False])
def test_figures_are_those_of_the_package(kind, stem):
    scorer = RougeScorer([kind], use_stemmer=stem)
    plain = [scorer.score(r, g)[kind] for r, g in zip(REFERENCES, GENERATED, strict=True)]
    overlaps = rouge_overlaps(REFERENCES, GENERATED, kind, stem)
    assert overlaps.recall.tolist() == [one.recall for one in plain]
    assert overlaps.precision.tolist() == [one.precision for one in plain]
    assert overlaps.f.tolist() == [one.fmeasure for one in plain]


def test_the_longest_common_subsequence_by_hand():
    # the cat … the mat: 4 of 6 words of the reference, 4 of 5 of the other.
    pair = ["the cat sat on the mat"], ["the cat on a mat"]
    assert rouge(*pair).tolist() == pytest.approx([4 / 6])
    assert rouge(*pair, figure="precision").tolist() == pytest.approx([4 / 5])
    assert rouge(*pair, figure="f").tolist() == pytest.approx([2 * 4 / 11])


def test_order_counts_for_subsequences_alone():
    assert rouge(["a b c"], ["c b a"], kind="rouge1").tolist() == [1]
    assert rouge(["a b c"], ["c b a"], kind="rougeL").tolist() == pytest.approx([1 / 3])


def test_stems_match_where_words_do_not():
    assert rouge(["writing novels"], ["writes novel"]).tolist() == [1]
    assert rouge(["writing novels"], ["writes novel"], stem=False).tolist() == [0]


def test_an_empty_generation_scores_nothing():
    assert rouge(["She was born in Lisbon."], [""]).tolist() == [0]


def test_pairs_that_come_again_are_scored_once(monkeypatch):
    calls = []
    score = RougeScorer.score
    monkeypatch.setattr(RougeScorer, "score", lambda self, *pair: calls.append(pair) or score(self, *pair))
    again = rouge(REFERENCES * 3, GENERATED * 3)
    assert len(calls) == 4
    assert torch.equal(again, rouge(REFERENCES, GENERATED).repeat(3))


def test_no_pairs_give_no_figures():
    assert rouge([], []).shape == (0,)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(InputError, match="1 generated texts do not pair with 2"):
        rouge(["a", "b"], ["a"])
    with pytest.raises(ConfigurationError, match="no ROUGE 'rougel'"):
        rouge(["a"], ["a"], kind="rougel")
