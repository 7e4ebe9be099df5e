"""`lethe methods`, `lethe describe`, `--help`: what there is, and that other packages' systems are among it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lethe import catalogue
from lethe.cli import COMMANDS
from tests.cli.conftest import write_data

FACTS = {"slug", "row", "title", "tasks", "acts_on", "needs", "intent", "exactness", "aims", "source"}

PLUGIN = '''"""A method of another package."""
from dataclasses import dataclass

from lethe.methods.baselines.finetune import FineTune


@dataclass(frozen=True, kw_only=True)
class Gentle(FineTune):
    """Gentle: fine-tune, but gently.

    Args:
        gentleness: how gently, [0, 1].

    Source: Nobody 2026.
    """

    gentleness: float = 0.5


class Needy(Gentle):
    """Needy: wants examples never trained on.

    Source: Nobody 2026.
    """

    needs = frozenset({"retain", "holdout"})
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Another package with methods of its own, installed for the time of a test."""
    (tmp_path / "gentle.py").write_text(PLUGIN)
    info = tmp_path / "gentle_unlearning-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gentle-unlearning\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lethe.methods]\ngentle = gentle:Gentle\nneedy = gentle:Needy\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue.entries.cache_clear()
    yield
    catalogue.entries.cache_clear()


def test_every_method_is_listed(lethe):
    """Scripts read this list: each method of the catalogue once, with all its facts."""
    listed = json.loads(lethe(["methods", "--json"]).out)
    assert [facts["slug"] for facts in listed] == sorted(catalogue.entries("method"))
    assert all(set(facts) >= FACTS and facts["title"] for facts in listed)
    shown = lethe(["methods", "--task", "classification"])
    assert shown.code == 0
    assert "finetune" in shown.out
    unknown = lethe(["methods", "--task", "clasification"])
    assert unknown.code == 2
    assert "did you mean 'classification'" in unknown.err


def test_methods_of_other_packages(plugin, lethe):
    """An installed package's method must be listed with its package, described and usable by name."""
    listed = {facts["slug"]: facts for facts in json.loads(lethe(["methods", "--json"]).out)}
    assert listed["gentle"]["package"] == "gentle-unlearning"
    assert listed["gentle"]["source"] == "Nobody 2026."
    described = json.loads(lethe(["describe", "gentle", "--json"]).out)
    option = next(o for o in described["options"] if o["name"] == "gentleness")
    assert option == {"name": "gentleness", "type": "float", "default": 0.5, "meaning": "how gently, [0, 1]."}
    assert "how gently, [0, 1]." in lethe(["describe", "gentle"]).out


def test_a_method_of_another_package_unlearns(plugin, place, lethe, tmp_path):
    """Found by name, it must run like lethe's own."""
    command = place.unlearn(tmp_path / "run", "--set", "gentleness=1", "--set", "epochs=1", method="gentle")
    assert lethe(command).code == 0


def test_a_method_that_needs_what_the_problem_lacks(plugin, place, lethe, tmp_path):
    """It must be refused before it starts, with the option that would give it."""
    data = write_data(tmp_path / "d.npz", place.problem.kept)
    shown = lethe(place.unlearn(tmp_path / "run", method="needy", data=data, forget="label == 3"))
    assert shown.code == 2
    assert "Needy needs holdout" in shown.err
    assert "--holdout" in shown.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", sorted(catalogue.KINDS))
def test_everything_can_be_described(kind, lethe):
    """A part that breaks its own description cannot be chosen by anybody who does not read the source."""
    for slug in catalogue.entries(kind):
        described = json.loads(lethe(["describe", slug, "--kind", kind, "--json"]).out)
        assert described["kind"] == kind
        assert described["about"]
        undocumented = [option["name"] for option in described["options"] if not option["meaning"]]
        assert undocumented == [], slug
        assert lethe(["describe", slug, "--kind", kind]).code == 0


def test_unknown_and_ambiguous_names(lethe):
    """The nearest name of any kind must be offered, and a name used twice not be guessed at."""
    assert "did you mean 'finetune'" in lethe(["describe", "finetun"]).err
    assert "did you mean 'scope'" in lethe(["describe", "all", "--kind", "scoop"]).err
    twice = lethe(["describe", "loreun"])
    assert twice.code == 2
    assert "--kind method" in twice.err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_help_with_an_example(command, lethe):
    """Every command must show how it is called."""
    shown = lethe([command.__name__, "--help"])
    assert shown.code == 0
    assert f"Example: lethe {command.__name__}" in shown.out
    assert "--json" in shown.out
    assert "--quiet" in shown.out


def test_help_imports_neither_torch_nor_transformers():
    """Importing them takes seconds, which nobody waits for to read a list of commands."""
    code = (
        "import sys; from lethe.cli import main; code = main(['--help']); "
        "sys.exit(code or int(bool({'torch', 'transformers', 'pandas'} & sys.modules.keys())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "unlearn" in done.stdout


def test_no_arguments_show_the_commands(lethe):
    """Who does not know what to type must see what there is, and no error."""
    shown = lethe([])
    assert (shown.code, shown.err) == (0, "")
    assert "unlearn" in shown.out


def test_a_reader_that_has_seen_enough():
    """`lethe methods | head` must end quietly."""
    code = "import sys; from lethe.cli import main; sys.exit(main(['methods']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0
