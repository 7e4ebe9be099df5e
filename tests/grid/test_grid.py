"""A grid runs every cell once, says what cannot run, and goes on where it stopped."""

from __future__ import annotations

import io
import json
from pathlib import Path

import optuna
import pandas as pd
import pytest

from lethe.api import unlearn
from lethe.errors import ConfigurationError, StorageError
from lethe.grid import results, summaries, tables, working
from lethe.grid.cells import Spec, plain, state
from lethe.grid.plots import all_plots, pareto, save
from lethe.grid.running import Grid
from lethe.grid.settings import FilesSetting, WorldSetting
from lethe.grid.space import Choices, Range, space
from lethe.grid.tuning import Tuning
from lethe.grid.working import Looking
from lethe.pool import Local

CLASS = WorldSetting("one class", "digits", {"forget": "class"})
QUICK = Looking(("forget_accuracy", "retain_accuracy", "holdout_accuracy", "mia_confidence"), (), 0)
TUNED = Spec("tuned", "finetune", {"epochs": "1"}, {"learning_rate": [0.001, 0.1, "log"]})
SPECS = (
    Spec("finetune", "finetune", {"epochs": "1"}),
    Spec("ssd", "ssd"),
    Spec("huge step", "finetune", {"epochs": "1", "learning_rate": "1e30"}),
    Spec("npo", "npo"),
)


def grid(out: Path, **more: object) -> Grid:
    given = {"settings": (CLASS,), "specs": SPECS, "looking": QUICK, "seeds": (0, 1), **more}
    return Grid(out=out, **given)  # type: ignore[arg-type]


def values(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["seconds", "cpu_seconds", "peak_bytes"]).reset_index(drop=True)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("grid")
    grid(out)()
    return out


def test_the_plan_says_what_cannot_run_before_anything_starts(tmp_path: Path) -> None:
    planned = {one.cell.name: one for one in grid(tmp_path).plan()}
    assert len(planned) == 8
    assert planned["one_class/npo/seed-0"].state == "impossible"
    assert "works on CausalLM" in planned["one_class/npo/seed-0"].reason
    assert planned["one_class/ssd/seed-1"].state == "open"
    assert not (tmp_path / "cells").exists()


def test_every_cell_is_a_run_folder_and_a_row_a_metric(done: Path) -> None:
    table = results.read(done)
    finished = table[table["status"] == "done"]
    assert sorted(finished["folder"].unique()) == [
        f"cells/one_class/{method}/seed-{seed}" for method in ("finetune", "ssd") for seed in (0, 1)
    ]
    cell = done / "cells/one_class/ssd/seed-0"
    assert json.loads((cell / "record.json").read_text())["status"] == "done"
    evidence = json.loads((cell / "evidence.json").read_text())
    own = finished[(finished["folder"] == "cells/one_class/ssd/seed-0")].set_index("metric")
    for entry in evidence["metrics"]:
        assert own["value"][entry["name"]] == entry["value"]
        assert own["gap"][entry["name"]] == entry["gap"]
    assert own["value"]["average_gap"] == evidence["average_gap"]["value"]


def test_a_cell_that_fails_stops_no_other_and_is_tried_again(done: Path) -> None:
    table = results.read(done)
    failed = table[table["status"] == "failed"]
    assert set(failed["method"]) == {"huge step"}
    assert "no longer finite" in failed["reason"].iloc[0]
    assert "huge_step" in tables.failures(table)[0]
    states = {one.cell.name: one.state for one in grid(done).plan()}
    assert states["one_class/huge_step/seed-0"] == "failed"
    assert states["one_class/finetune/seed-0"] == "done"


def test_nothing_is_run_twice_and_half_written_cells_are_run_again(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, ran = values(results.read(done)), list[str]()

    def counted(problem: object, method: object, **more: object) -> object:
        ran.append(str(more["out"]))
        return unlearn(problem, method, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(working, "unlearn", counted)
    (done / "cells/one_class/ssd/seed-1/evidence.json").write_text('{"version": 2, "subj')
    assert state(done / "cells/one_class/ssd/seed-1")[0] == "broken"
    again = grid(done)()
    assert [Path(one).relative_to(done / "cells").as_posix() for one in ran] == [
        "one_class/ssd/seed-1", "one_class/huge_step/seed-0", "one_class/huge_step/seed-1",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(values(again), before)


def test_worker_processes_make_the_same_table(done: Path, tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(values(grid(tmp_path, pool=Local(2))()), values(results.read(done)))


def test_a_name_in_the_folder_means_one_thing(done: Path) -> None:
    other = Spec("ssd", "ssd", {"alpha": "3"})
    with pytest.raises(StorageError, match="holds another method 'ssd'"):
        grid(done, specs=(other,))()
    with pytest.raises(ConfigurationError, match="names method 'ssd' twice"):
        grid(done, specs=(SPECS[1], SPECS[1]))
    with pytest.raises(ConfigurationError, match="no cell of the grid can run"):
        grid(done, settings=(WorldSetting("w", "digits"),), specs=(SPECS[3],), seeds=(5,))()


def test_tuning_is_on_another_forget_set_with_one_budget_and_goes_on(tmp_path: Path) -> None:
    where = CLASS.validation()
    assert where is not None
    assert where.facts()["forget_class"] != 3
    cells = grid(tmp_path, specs=(TUNED,), seeds=(0,), trials=5)
    table = cells()
    path = tmp_path / "tuning/one_class-tuning/tuned/trials.json"
    trials = json.loads(path.read_text())
    assert len(trials["trials"]) == 5
    assert trials["trials"][0]["options"] == {}
    best = min(trials["trials"], key=lambda one: one["gap"])["options"]
    assert json.loads(table["options"].iloc[0]) == {"epochs": "1", **best}
    # Interrupted on the way, the same is proposed.
    # One that a search of another length has left is no answer to what this one asks.
    other = {"options": {"learning_rate": "0.5"}, "gap": 0.0, "seconds": 1.0, "said": ""}
    path.write_text(json.dumps({**trials, "trials": [*trials["trials"][:3], other]}))
    grid(tmp_path, specs=(TUNED,), seeds=(1,), trials=5)()
    again = json.loads(path.read_text())["trials"]
    assert [one["options"] for one in again] == [one["options"] for one in trials["trials"]]
    with pytest.raises(StorageError, match="holds runs that were tuned with 5 trials, not 6"):
        grid(tmp_path, specs=(TUNED,), seeds=(0,), trials=6)()


def test_what_a_method_refuses_unseen_costs_no_trial(tmp_path: Path) -> None:
    """Of γ2 between 0.3 and 30 and γ1 fixed at 3, half is out of range."""
    spec = Spec("scar", "scar", {"gamma1": "3"}, {"gamma2": [0.3, 30, "log"]})
    tuning = Tuning(CLASS, spec, 12, Looking(), tmp_path)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=12))
    asked = [float(tuning._asked(study, space(spec)).params["gamma2"]) for _ in range(12)]
    assert len(set(asked)) == 12
    assert max(asked) <= 3
    assert len(study.trials) > 15
    never = Tuning(CLASS, Spec("scar", "scar", {}, {"gamma2": [20, 30]}), 12, Looking(), tmp_path)
    assert (
        never._asked(optuna.create_study(), {"gamma2": Range(20, 30)}).params["gamma2"] >= 20
    )  # tried, and says why it fails


def test_what_is_searched() -> None:
    assert space(TUNED) == {"learning_rate": Range(0.001, 0.1, log=True)}
    found = space(Spec("salun", "salun"))
    assert found["learning_rate"] == Range(pytest.approx(0.0013), pytest.approx(0.13), log=True)
    assert space(Spec("f", "finetune", {}, {"optimizer": {"choices": ["sgd", "adam"]}})) == {
        "optimizer": Choices(("sgd", "adam"))
    }
    assert space(Spec("f", "finetune", {}, {"epochs": [1, 5]}))["epochs"] == Range(1, 5, whole=True)
    for bad in ([1], [2, 1], [0, 1, "log"], "x", [1, 2, "loud"]):
        with pytest.raises(ConfigurationError, match="space of f: learning_rate"):
            space(Spec("f", "finetune", {}, {"learning_rate": bad}))
    with pytest.raises(ConfigurationError, match="has no option 'rate'"):
        space(Spec("f", "finetune", {}, {"rate": [1, 2]}))


def test_settings_that_are_wrong() -> None:
    with pytest.raises(ConfigurationError, match="there is no world 'digit'; did you mean 'digits'"):
        WorldSetting("a", "digit")
    with pytest.raises(ConfigurationError, match="has no option 'forgets'"):
        WorldSetting("a", "digits", {"forgets": "class"})
    with pytest.raises(ConfigurationError, match="names no forget"):
        FilesSetting("a", {"model": "m"})
    with pytest.raises(ConfigurationError, match="no entry 'modle'"):
        FilesSetting("a", {"modle": "m", "forget": "f"})
    assert FilesSetting("a", {"model": "m", "forget": "f"}).validation() is None
    assert plain("a/b c") == "a_b_c"


def frame() -> pd.DataFrame:
    """Two methods, three seeds: one near gold, one far."""
    rows = []
    for method, gaps in (("near", (0.01, 0.02, 0.03)), ("far & <b>", (0.4, 0.5, 0.45))):
        for seed, gap in enumerate(gaps):
            common = dict.fromkeys(results.COLUMNS) | {
                "setting": "s", "method": method, "seed": seed, "status": "done", "seconds": 2.0 + seed,
                "folder": f"{method}/{seed}", "unit": "%",
            }  # fmt: skip
            forgotten = {"metric": "forget_accuracy", "title": "Forget accuracy", "goal": "gold", "kind": "forgetting"}
            kept = {"metric": "holdout_accuracy", "title": "Test accuracy", "goal": "max", "kind": "utility"}
            rows.append(common | forgotten | {"value": 0.2 + gap, "gap": gap, "gold": 0.2})
            rows.append(common | kept | {"value": 0.9 - gap, "gap": -gap, "gold": 0.9})
    return pd.DataFrame(rows)


def test_tables_say_mean_spread_gap_the_best_and_what_differs() -> None:
    found = summaries.summary(frame())
    near = found.cells[("near",), "forget_accuracy"]
    far = found.cells[("far & <b>",), "forget_accuracy"]
    assert (near.mean, near.spread, near.count) == (pytest.approx(0.22), pytest.approx(0.01), 3)
    assert near.gap == pytest.approx(0.02)
    assert (near.best, far.best, far.differs) == (True, False, True)
    assert "| near | **22.0 ± 1.0 (+2.0)** |" in tables.markdown(found)
    assert "**" not in tables.markdown(found, best=False)
    assert r"far \& <b> & 65.0 $\pm$ 5.0 (+45.0)*" in tables.latex(found)
    csv = pd.read_csv(io.StringIO(tables.csv(found)))
    assert csv["forget_accuracy_mean"].tolist() == pytest.approx([0.22, 0.65])
    with pytest.raises(ConfigurationError, match="measured no 'forget_acuracy'; did you mean 'forget_accuracy'"):
        summaries.summary(frame(), metrics=("forget_acuracy",))
    with pytest.raises(ConfigurationError, match="rows cannot be 'model'"):
        summaries.summary(frame(), rows=("model",))


def test_plots_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    assert pareto([(0.1, 0.8), (0.2, 0.9), (0.3, 0.7), (0.1, 0.85)]) == [3, 1]
    drawn = dict(all_plots(frame(), tmp_path))
    assert list(drawn) == ["s-utility", "s-cost"]
    for suffix in ("svg", "png", "html"):
        save(drawn["s-utility"], tmp_path / f"plot.{suffix}")
        assert (tmp_path / f"plot.{suffix}").stat().st_size > 1000
    assert "http" not in (tmp_path / "plot.html").read_text().replace("http://www.w3.org", "").split("<svg")[0]
    assert "<b>" not in (tmp_path / "plot.html").read_text()
