"""ACU: whatever is learnt and deleted, the head is the ridge solution on what is left."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, concatenate
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.exact import ledger as ledgers
from lethe.methods.exact.acu import ACU, ACUService
from lethe.methods.exact.ridge import Ridge
from lethe.models import copied, fingerprint
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.digits import load_digits

TASK = Classification(classes=10, input="image", scale=1 / 16)
DIGITS = load_digits()


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 10)).eval()


BASE = network()


def fitted(examples: Examples, folder: Path | None = None, ridge: float = 1.0) -> ACUService:
    return ACU(ridge=ridge).fit(BASE, TASK, examples, folder=folder)


def solved(examples: Examples, ridge: float = 1.0) -> Tensor:
    """The ridge solution, straight from its definition."""
    with torch.no_grad():
        pixels = TASK.pixels(examples.batch(torch.arange(len(examples)))).double()
        rows = copied(BASE).double()[:-1](pixels)  # type: ignore[index]
    targets = torch.eye(10, dtype=torch.float64)[examples.tensor("label")]
    return torch.linalg.solve(rows.T @ rows + ridge * torch.eye(40, dtype=torch.float64), rows.T @ targets)


def far(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


def test_learning_and_deleting_in_turns_is_ridge_regression_on_what_is_left() -> None:
    a, b, c = DIGITS.take(range(200)), DIGITS.take(range(200, 350)), DIGITS.take(range(350, 500))
    service = fitted(a)
    service.learn(b)
    service.delete(a.ids[:30])
    service.learn(c)
    service.delete(b.ids)
    left = concatenate(a.take(range(30, 200)), c)
    assert far(service.solution.weight, solved(left)) < 1e-8
    assert far(service.solution.inverse, fitted(left).solution.inverse) < 1e-8


@given(st.permutations(range(60)), st.integers(1, 20))
def test_order_and_chunks_of_requests_change_nothing(order: list[int], chunk: int) -> None:
    digits, service = DIGITS.take(range(300)), fitted(DIGITS.take(range(300)))
    for first in range(0, 60, chunk):
        service.delete([digits.ids[i] for i in order[first : first + chunk]])
    assert far(service.solution.weight, solved(digits.take(range(60, 300)))) < 1e-8


def test_taking_back_what_was_learnt_returns_what_there_was() -> None:
    before = fitted(DIGITS.take(range(100)))
    weight, inverse = before.solution.weight.clone(), before.solution.inverse.clone()
    before.learn(DIGITS.take(range(100, 120)))
    before.delete(DIGITS.ids[100:120])
    assert far(before.solution.weight, weight) < 1e-9
    assert far(before.solution.inverse, inverse) < 1e-9


def test_a_class_that_is_deleted_is_never_said_again() -> None:
    """Fine-tuning the head on the rest says it still, and its weights are another matter."""
    digits = DIGITS.take(range(600))
    gone = [name for name, label in zip(digits.ids, digits.tensor("label").tolist(), strict=True) if label == 3]
    service = fitted(digits)
    learnt = service.model()
    assert "class 3 has no examples left" in service.delete(gone).notes
    three = digits.select(gone).batch(torch.arange(len(gone)))
    assert int((TASK.outputs(learnt, three).argmax(-1) == 3).sum()) > len(gone) / 2
    assert int((TASK.outputs(service.model(), three).argmax(-1) == 3).sum()) == 0
    assert far(service.solution.weight, solved(digits.without(gone))) < 1e-8
    problem = Problem(model=learnt, task=TASK, forget=digits.select(gone), retain=digits.without(gone))
    tuned = FineTune(epochs=1, learning_rate=1e-3).unlearn(problem, Run())
    own = TASK.head(tuned).weight.detach().double().T  # type: ignore[union-attr,operator]
    assert far(own, solved(digits.without(gone))) > 1e-2


def test_hundreds_of_requests_leave_no_trace_of_rounding() -> None:
    service, digits = fitted(DIGITS.take(range(600)), ridge=0.1), DIGITS
    for i in range(250):
        service.delete([digits.ids[i]])
        service.learn(digits.take([600 + i]))
    assert far(service.solution.weight, solved(digits.take(range(250, 850)), 0.1)) < 1e-6


def test_a_deletion_reads_the_deleted_alone() -> None:
    few, many = fitted(DIGITS.take(range(100))), fitted(DIGITS.take(range(1000)))
    assert few.delete(DIGITS.ids[:3]).examples == many.delete(DIGITS.ids[:3]).examples == 3


def test_rows_never_learnt_or_deleted_before_are_refused() -> None:
    service = fitted(DIGITS.take(range(50)))
    service.delete([DIGITS.ids[0]])
    with pytest.raises(InputError, match="was deleted before"):
        service.delete([DIGITS.ids[0]])
    with pytest.raises(InputError, match="unknown id"):
        service.delete([DIGITS.ids[60]])
    with pytest.raises(InputError, match="was learnt before"):
        service.learn(DIGITS.take([3]))
    with pytest.raises(InputError, match="never learnt"):
        Ridge.empty(2, 1, 1.0).unlearnt(torch.ones(1, 2, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64))


def test_a_crash_leaves_the_service_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = DIGITS.take(range(80))
    service = fitted(digits, tmp_path)
    before = fingerprint(service.model())

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ledgers, "write_json", crash)
    with pytest.raises(KeyboardInterrupt):
        service.delete(digits.ids[:5])
    monkeypatch.undo()
    assert service.live == digits.ids
    opened = fitted(digits, tmp_path)
    assert fingerprint(opened.model()) == before
    opened.delete(digits.ids[:5])
    again = fitted(digits.take(range(5, 80)), tmp_path)
    assert fingerprint(again.model()) == fingerprint(opened.model())
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_what_cannot_be_solved_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ridge must be above 0"):
        ACU(ridge=0.0).fit(BASE, TASK, DIGITS)
    other = Classification(classes=10, input="image", head_name="1")
    convolution = nn.Sequential(nn.Flatten(), nn.Conv1d(1, 10, 64))
    with pytest.raises(InputError, match="the head is a Conv1d"):
        ACU().fit(convolution, other, DIGITS)
