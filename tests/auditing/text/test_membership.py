from __future__ import annotations

import zlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.text import TokenLog, by_loss, by_min_k, by_min_k_plus_plus, by_reference, by_zlib
from lethe.errors import ConfigurationError, InputError
from tests.auditing.text.made import logged, random_log, random_logits, uniform_log

ROWS = ([-1.0, -4.0, -2.0, -3.0, -0.5], [-7.0], [-2.0, -2.5])
LOG_ROWS = st.lists(st.lists(st.floats(-20, 0), min_size=1, max_size=12), min_size=1, max_size=5)


def test_the_loss_score_is_the_loss_with_its_sign_turned():
    assert by_loss(logged(*ROWS)).tolist() == pytest.approx([-2.1, -7, -2.25], abs=1e-12)


def test_zlib_divides_by_the_bytes_of_the_compressed_text():
    texts = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Ünïcode", "x"]
    sizes = [len(zlib.compress(text.encode("utf-8"))) for text in texts]
    expected = [sum(row) / size for row, size in zip(ROWS, sizes, strict=True)]
    assert by_zlib(logged(*ROWS), texts).tolist() == pytest.approx(expected, abs=1e-12)
    means = [value / len(row) for value, row in zip(expected, ROWS, strict=True)]
    assert by_zlib(logged(*ROWS), texts, "mean").tolist() == pytest.approx(means, abs=1e-12)
    with pytest.raises(InputError, match="2 texts for 3 rows"):
        by_zlib(logged(*ROWS), texts[:2])


@given(LOG_ROWS, st.sampled_from([0.05, 0.2, 0.29, 0.5, 1.0]))
def test_min_k_is_the_mean_of_the_least_likely_tokens(rows, share):
    expected = []
    for row in rows:
        k = max(1, round(100 * share) * len(row) // 100)
        expected.append(sum(sorted(row)[:k]) / k)
    assert by_min_k(logged(*rows), share).tolist() == pytest.approx(expected, abs=1e-9)


def test_a_short_row_keeps_its_least_likely_token():
    assert by_min_k(logged([-1.0, -9.0, -2.0]), 0.2).tolist() == [-9]


def test_min_k_of_all_tokens_is_the_loss_and_rises_with_the_share():
    log = random_log([9, 30, 4])
    assert torch.allclose(by_min_k(log, 1.0), by_loss(log), atol=1e-12)
    steps = torch.stack([by_min_k(log, share / 10) for share in range(1, 11)])
    assert bool((steps.diff(dim=0) >= -1e-12).all())


def test_29_of_100_tokens_are_29():
    values = -torch.arange(100).double()
    log = TokenLog(values, torch.zeros(100, dtype=torch.bool), torch.tensor([0, 100]))
    assert by_min_k(log, 0.29).tolist() == pytest.approx([-sum(range(71, 100)) / 29], abs=1e-12)


def test_min_k_plus_plus_standardises_each_token_by_its_vocabulary():
    logits, targets = random_logits([6, 3], vocabulary=8)
    log_p = logits.log_softmax(1)
    p = log_p.exp()
    mean = (p * log_p).sum(1)
    z = (log_p[range(9), targets] - mean) / ((p * log_p**2).sum(1) - mean**2).sqrt()
    expected = [float(z[:6].sort().values[:3].mean()), float(z[6:].min())]
    assert by_min_k_plus_plus(random_log([6, 3], 8), 0.5).tolist() == pytest.approx(expected, abs=1e-9)


def test_a_uniform_model_has_a_min_k_plus_plus_of_zero():
    assert by_min_k_plus_plus(uniform_log([5, 2], vocabulary=30)).tolist() == pytest.approx([0, 0], abs=1e-9)


def test_a_position_without_spread_gives_a_number():
    one = torch.ones(1).double()
    log = TokenLog(-40 * one, torch.tensor([False]), torch.tensor([0, 1]), 0 * one, 0 * one)
    assert by_min_k_plus_plus(log).tolist() == pytest.approx([-40 / 1e-3])


def test_min_k_plus_plus_asks_for_what_it_reads():
    with pytest.raises(InputError, match="reads mean and std"):
        by_min_k_plus_plus(logged(*ROWS))


@pytest.mark.parametrize("share", [0.0, -0.2, 1.1])
def test_shares_that_do_not_exist_are_refused(share):
    with pytest.raises(ConfigurationError, match="share"):
        by_min_k(logged(*ROWS), share)


def test_the_reference_takes_away_what_every_model_knows():
    log, reference = logged([-1.0, -3.0], [-2.0]), logged([-4.0], [-1.0, -1.0])
    assert by_reference(log, reference).tolist() == [2, -1]
    with pytest.raises(InputError, match="1 rows, not 2"):
        by_reference(log, logged([-1.0]))


@pytest.mark.parametrize("score", [by_loss, by_min_k, by_min_k_plus_plus])
def test_rows_do_not_depend_on_what_stands_beside_them(score):
    log = random_log([3, 17, 1, 8])
    alone = torch.cat([score(log.take([i])) for i in range(4)])
    assert torch.allclose(score(log), alone, atol=1e-12)
    assert torch.allclose(score(log.take([3, 1])), alone[[3, 1]], atol=1e-12)
