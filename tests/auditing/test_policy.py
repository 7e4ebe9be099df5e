"""Policies: what they hold, what they are written as, and how a mistake in one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lethe.auditing.policy import Policy
from lethe.auditing.policy_file import read_policy, written
from lethe.errors import ConfigurationError


def read(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return read_policy(path)


def test_the_default_policy_comes_back_from_its_file(tmp_path: Path) -> None:
    own = Policy(bounds={"forget_accuracy": 0.02}, attacks={"relearn": {"max_steps": 9}}, metrics=("forget_loss",))
    for policy in (Policy(), own):
        assert read(tmp_path, written(policy)) == policy
    blocks = written(Policy()).split("\n\n")[1:]
    assert all(block.startswith("# ") for block in blocks), "each key has a comment"


def test_what_a_file_does_not_name_keeps_its_default(tmp_path: Path) -> None:
    policy = read(tmp_path, "bounds: {forget_accuracy: 0.01}\nattacks: [relearn]\n")
    assert policy.bounds == {**Policy().bounds, "forget_accuracy": 0.01}
    assert policy.attacks == {"relearn": {}}
    assert policy.utility == Policy().utility


def test_a_bound_is_that_of_the_name_else_of_the_unit_else_a_share_of_the_distance() -> None:
    policy = Policy(bounds={"forget_accuracy": 0.01, "share": 0.5}, utility={"%": 0.1})
    assert policy.bound("forget_accuracy", "%", "forgetting", 0.8) == 0.01
    assert policy.bound("mia_loss", "%", "privacy", 0.8) == 0.05
    assert policy.bound("forget_loss", "nats", "forgetting", -3.0) == 0.25
    assert policy.bound("relearn", "", "recovery", -40.0) == 20.0
    assert policy.bound("retain_accuracy", "%", "utility", 0.0) == 0.1


def test_kinds_decide_and_names_are_exempt() -> None:
    policy = Policy(decide=("privacy", "forget_loss"), exempt=("mia_loss",))
    assert policy.decides("mia_entropy", "privacy")
    assert policy.decides("forget_loss", "forgetting")
    assert not policy.decides("mia_loss", "privacy")
    assert not policy.decides("forget_accuracy", "forgetting")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("bounds:\n  '%': 0.1\n  forget_acuracy: 0.1\n", 3, "did you mean 'forget_accuracy'"),
        ("recovered: 0.1\nbouns: {}\n", 2, "no key 'bouns'; did you mean 'bounds'"),
        ("\nrecovered: lots\n", 2, "recovered must be a number, not 'lots'"),
        ("utility:\n  '%': 0.1\n  nats: -1\n", 3, "utility.nats must be greater than 0"),
        ("tolerated: 2\n", 1, "below 1"),
        ("recoveries: 1.5\n", 1, "whole number"),
        ("decide: forgetting\n", 1, "a list of names"),
        ("decide: [forgeting]\n", 1, "did you mean 'forgetting'"),
        ("bounds: 3\n", 1, "a number by name"),
        ("attacks:\n  relearn:\n  relern: {}\n", 3, "did you mean 'relearn'"),
        ("attacks: {relearn: 5}\n", 1, "must be settings"),
        ("bounds: {'%': yes}\n", 1, "must be a number"),
        ("decide: [forgetting\nbounds: {}\n", 2, "not YAML"),
    ],
)
def test_a_mistake_is_one_line_with_file_line_and_key(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'policy.yaml'}:{line}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_policy_names_where_to_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--print-policy"):
        read_policy(tmp_path / "missing.yaml")
    with pytest.raises(ConfigurationError, match="--print-policy"):
        read(tmp_path, "- forget_accuracy\n")
