"""A stream of requests is answered in order, measured after each, and goes on where it was stopped."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from lethe import testing
from lethe.errors import ConfigurationError, InputError, StorageError
from lethe.grid.streams import stream_plot
from lethe.measuring import example_losses
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.exact.sisa import Sisa
from lethe.problem import Problem
from lethe.run import Run
from lethe.streams.requests import cut, read_requests
from lethe.streams.rounds import TITLES, Rounds
from lethe.streams.running import Stream, remaining
from lethe.worlds.diabetes import Diabetes


@pytest.fixture
def problem() -> Problem:
    return testing.tiny_problem()


def told(rounds: Rounds) -> list[dict[str, object]]:
    """Everything but the clock."""
    return [{**dataclasses.asdict(one), "seconds": 0} for one in rounds.rounds]


def impatient(calls: int) -> Callable[[Run], None]:
    """An interruption after so many looks at whether one was asked for."""
    left = itertools.count(calls, -1)

    def look(_: Run) -> None:
        if next(left) == 0:
            raise KeyboardInterrupt

    return look


METHOD = FineTune(epochs=1, batch_size=32)


def test_each_request_starts_from_the_model_of_the_last_and_keeps_what_is_left(problem: Problem) -> None:
    requests = cut(problem.forget, 4, 0)
    rounds = Stream(method=METHOD, requests=requests, retrain_every=2)(problem)
    assert [one.count for one in rounds.rounds] == [0, 6, 12, 18, 24]
    assert [one.examples for one in rounds.rounds[1:]] == [138, 132, 126, 120]
    assert [bool(one.gold) for one in rounds.rounds] == [False, False, True, False, True]
    assert len(remaining(problem, requests, 4)) == len(problem.kept)
    assert rounds.names == ["latest", "forgotten", "retain", "holdout", "membership"]
    assert rounds.to_csv().splitlines()[0].startswith("round,count,seconds,steps,examples,latest,forgotten,retain")


def test_an_interrupted_stream_ends_as_one_that_was_not(problem: Problem, tmp_path: Path) -> None:
    requests = cut(problem.forget, 4, 0)
    for method in (METHOD, Sisa(shards=2, epochs=1)):
        stream = Stream(method=method, requests=requests)
        whole = stream(problem, tmp_path / f"{type(method).__name__}-whole")
        folder = tmp_path / type(method).__name__

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "interrupt_point", impatient(9))
            with pytest.raises(KeyboardInterrupt):
                stream(problem, folder)
        assert told(stream(problem, folder)) == told(whole)
    with pytest.raises(StorageError, match="holds another stream"):
        Stream(method=METHOD, requests=requests[:2])(problem, tmp_path / "FineTune")


def test_files_of_requests(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('["a", "b"]\n\n{"ids": ["c"]}\n')
    assert read_requests(path) == (("a", "b"), ("c",))
    for text, message in (
        ("", "holds no request"),
        ('["a"\n', "requests.jsonl:1: is not JSON"),
        ('["a"]\n7\n', "requests.jsonl:2: is no list of ids"),
        ('["a"]\n[]\n', "requests.jsonl:2: is no list of ids"),
        ('["a"]\n["b", "a"]\n', "requests.jsonl:2: 'a' was asked for in line 1 already"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_requests(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is no text"):
        read_requests(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_requests(tmp_path / "missing.jsonl")


def test_streams_that_cannot_be_answered(problem: Problem) -> None:
    ids = problem.forget.ids
    for requests, message in (
        ((), "holds no request"),
        (((ids[0],), ()), "request 2 names no id"),
        (((ids[0],), (ids[0],)), "request 2: .* was forgotten before"),
        ((("nobody",),), "request 1: unknown id 'nobody'"),
    ):
        with pytest.raises(InputError, match=message):
            Stream(method=METHOD, requests=requests)(problem)
    with pytest.raises(ConfigurationError, match="cannot be cut into 25 requests"):
        cut(problem.forget, 25, 0)
    with pytest.raises(ConfigurationError, match="needs retain"):
        Stream(method=METHOD, requests=((ids[0],),))(dataclasses.replace(problem, retain=None))
    assert json.dumps(Stream(method=METHOD, requests=((ids[0],),))(problem).to_json())


def test_of_regression_the_error_is_followed_which_is_no_share(tmp_path: Path) -> None:
    patients = Diabetes().problem(gold=(1,))
    method = FineTune(epochs=1, learning_rate=1e-3, batch_size=32)
    rounds = Stream(method=method, requests=cut(patients.forget, 2, 0))(patients)
    assert rounds.measure == "error"
    assert patients.holdout is not None
    unseen = example_losses(patients.model, patients.task, patients.holdout, Run()).mean()
    assert rounds.rounds[0].values["holdout"] == pytest.approx(float(unseen), rel=1e-5)
    console = Console(width=120, file=io.StringIO())
    console.print(rounds.table())
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{float(unseen):.3f}"[:5] in printed
    (tmp_path / "stream.json").write_text(json.dumps(rounds.to_json()), "utf-8")
    drawn = stream_plot(tmp_path)
    assert drawn is not None
    errors, membership = (
        next(a for a in drawn[1].axes if a.get_title() == TITLES[n]) for n in ("holdout", "membership")
    )
    assert errors.get_ylim()[0] == 0
    assert membership.get_ylim() == (-0.02, 1.05)
