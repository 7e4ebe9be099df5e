"""The Waterfall watermark, card 061: what is embedded can be read, under its own key alone."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from lethe.auditing.text.watermarks import calibration, mean_strength, separability, strength
from lethe.errors import ConfigurationError, InputError
from lethe.text.watermark import Reading, Waterfall, processor

SIZE, TOKENS = 512, 2000


def written(mark: Waterfall, key: int, count: int = TOKENS, seed: int = 0) -> list[int]:
    """A text drawn token by token from equal logits with the watermark."""
    draw, text = torch.Generator().manual_seed(seed), [1]
    while len(text) <= count:
        logits = mark.embed(torch.zeros(SIZE), text, key)
        text.append(int(torch.multinomial(logits.softmax(0), 1, generator=draw)))
    return text


def test_the_true_key_reads_what_was_embedded_and_no_other_does() -> None:
    mark = Waterfall(SIZE, strength=2.0)
    text = written(mark, 7)
    [own] = mark.read([text], 7)
    # Tokens of weight exp(2 cos x): the mean of cos x is the ratio of two Bessel functions, I1(2) / I0(2).
    assert own.score == pytest.approx(0.6978, abs=0.05)
    assert own.counted == TOKENS
    bound = 4 * math.sqrt(1 / (2 * TOKENS))
    assert abs(mark.read([text], 8)[0].score) < bound
    for frequency in (20, 200, 300):
        assert abs(Waterfall(SIZE, frequency=frequency).read([text], 7)[0].score) < bound
    # A softmax bends the wave: its second harmonic is read at twice the frequency, I2(2) / I0(2).
    assert Waterfall(SIZE, frequency=2).read([text], 7)[0].score == pytest.approx(0.3022, abs=0.05)


@pytest.mark.parametrize("frequency", [1, 5, 256, 400])
def test_every_frequency_is_read_by_itself(frequency: int) -> None:
    mark = Waterfall(SIZE, strength=2.0, frequency=frequency)
    assert mark.read([written(mark, 3, 500)], 3)[0].score > 0.5


def test_the_score_is_a_fourier_coefficient_of_the_counts() -> None:
    text = written(Waterfall(SIZE), 7, 300)
    for frequency in (1, 9):
        counts = np.zeros(SIZE)
        for before, token in pairwise(text):
            counts[np.random.RandomState((7, before)).permutation(SIZE)[token]] += 1
        coefficient = np.fft.rfft(counts / counts.sum())[frequency]
        assert Waterfall(SIZE, frequency=frequency).read([text], 7)[0].score == pytest.approx(coefficient.real)
        sine = Waterfall(SIZE, frequency=frequency + 255).read([text], 7)[0].score
        assert sine == pytest.approx(-coefficient.imag)


def test_without_strength_nothing_is_changed_and_scores_have_the_spread_of_chance() -> None:
    logits = torch.randn(SIZE)
    assert torch.equal(Waterfall(SIZE, strength=0.0).embed(logits, [3], 1), logits)
    draws = torch.Generator().manual_seed(1)
    texts = torch.randint(SIZE, (1000, 41), generator=draws).tolist()
    scores = torch.tensor([one.score for one in Waterfall(SIZE).read(texts, 5)])
    expected = math.sqrt(1 / (2 * 40))
    assert abs(float(scores.mean())) < 3 * expected / math.sqrt(1000)
    assert float(scores.std()) == pytest.approx(expected, rel=0.15)


def test_texts_are_read_until_a_token_outside_the_vocabulary() -> None:
    mark = Waterfall(SIZE)
    text = written(mark, 7, 50)
    [whole, cut, short] = mark.read([text, [*text[:20], SIZE, *text[20:]], [4]], 7)
    assert (whole.counted, cut.counted, short) == (50, 19, Reading(0.0, 0))
    logits = torch.zeros(SIZE + 4)
    shifted = mark.embed(logits, [SIZE + 1], 7)
    assert torch.equal(shifted[SIZE:], logits[SIZE:])
    torch.testing.assert_close(shifted[:SIZE], torch.from_numpy(2 * mark.wave).float())  # the identity
    assert torch.equal(mark.embed(logits, [], 7), logits)
    with pytest.raises(InputError, match="logits of 100 tokens, and the watermark is one of 512"):
        mark.embed(torch.zeros(100), [1], 7)


def test_transformers_generate_embeds_it() -> None:
    from transformers import LogitsProcessorList

    from lethe.testing.language import tiny_llama

    model, mark = tiny_llama(SIZE, 0), Waterfall(SIZE, strength=8.0)
    model.generation_config.eos_token_id = None
    prompt = torch.tensor([[5, 6, 7]])
    made = [processor(mark, 11, 3)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        said = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=60, do_sample=True, pad_token_id=0,
            logits_processor=LogitsProcessorList(made),
        )  # fmt: skip
    [own, other] = (mark.read([said[0, 3:].tolist()], key)[0] for key in (11, 12))
    assert own.score > 0.7
    assert abs(other.score) < 0.4


def test_strengths_are_weighed_by_tokens_and_separability_by_generations() -> None:
    retained = [[Reading(0.5, 10), Reading(0.2, 20)], [Reading(0.6, 10)]]
    forgotten = [[Reading(0.3, 5), Reading(-0.1, 5)]]
    assert strength(retained[0]) == pytest.approx(0.3)
    assert mean_strength(retained) == pytest.approx(0.45)
    assert separability(retained, forgotten) == pytest.approx(5 / 6)
    assert strength([Reading(0.0, 0)]) == 0.0
    found = calibration([0, 25, 50, 100], [0.8, 0.5, 0.4, 0.1])
    slope = (100 * 0.8 + 75 * 0.5 + 50 * 0.4) / (100**2 + 75**2 + 50**2)
    assert found.slope == pytest.approx(slope)
    rest = sum((y - slope * x) ** 2 for x, y in ((100, 0.8), (75, 0.5), (50, 0.4), (0, 0.1)))
    assert found.r2 == pytest.approx(1 - rest / sum((y - 0.45) ** 2 for y in (0.8, 0.5, 0.4, 0.1)))
    with pytest.raises(InputError, match="two different values"):
        calibration([0, 100], [0.3, 0.3])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frequency": 511}, "frequency must be from 1 to 510"),
        ({"ngram": 1}, "ngram of at least 2"),
        ({"strength": -1.0}, "strength that is not negative"),
    ],
)
def test_impossible_watermarks_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Waterfall(SIZE, **settings)  # type: ignore[arg-type]
