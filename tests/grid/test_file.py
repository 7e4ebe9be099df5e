"""A grid file says what to run; whatever is wrong in it is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lethe.errors import ConfigurationError
from lethe.grid.file import EXAMPLE, read_grid
from lethe.grid.settings import FilesSetting, WorldSetting

GOOD = """\
settings:
  one class: {world: digits, forget: class}
methods:
  finetune: {epochs: 2}
  ssd:
seeds: [0, 1]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return path


def test_the_example_is_read_as_it_says(tmp_path: Path) -> None:
    found = read_grid(written(tmp_path, EXAMPLE))
    world, mine = found.settings
    assert isinstance(world, WorldSetting)
    assert world.facts() == {"world": "digits", "forget": "class"}
    assert isinstance(mine, FilesSetting)
    assert mine.inputs["gold"] == ["retrained-1", "retrained-2"]
    assert mine.validation().inputs["forget"] == "label == 5"  # type: ignore[union-attr]
    assert [(spec.label, spec.slug) for spec in found.specs] == [
        ("finetune", "finetune"), ("salun", "salun"), ("salun+sam", "salun"),
    ]  # fmt: skip
    assert type(found.specs[2].build().step).__name__ == "SAM"  # type: ignore[attr-defined]
    assert found.seeds == (0, 1, 2)
    assert found.trials == 10
    assert found.looking.attacks == ("relearn",)
    assert set(found.specs[1].space) == {"learning_rate", "keep"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds: [0, 1]", "seedz: [0, 1]"), r"grid.yaml:6: there is no key 'seedz'; did you mean 'seeds'"),
        (("ssd:", "ssdd:"), r"grid.yaml:5: methods: there is no method 'ssdd'; did you mean 'ssd'"),
        (("epochs: 2", "epoch: 2"), r"grid.yaml:4: methods.finetune: finetune has no option 'epoch'; did you mean"),
        (("epochs: 2", "epochs: many"), r"grid.yaml:4: methods.finetune: .*expected a whole number"),
        (("world: digits", "world: digit"), r"grid.yaml:2: settings.one class: there is no world 'digit'"),
        (("forget: class", "forgets: class"), r"grid.yaml:2: settings.one class: .*no option 'forgets'"),
        (("seeds: [0, 1]", "seeds: [0, x]"), r"grid.yaml:6: seeds: must be a whole number from 0, not 'x'"),
        (("seeds: [0, 1]", "seeds: 3"), r"grid.yaml:6: seeds must be a list"),
        (("seeds: [0, 1]", "metrics: [acuracy]"), r"grid.yaml:6: metrics: there is no 'acuracy'"),
        (("seeds: [0, 1]", "space: {salun: {}}"), r"grid.yaml:6: space: no method is called 'salun'"),
        (("seeds: [0, 1]", "space: {ssd: {alpha: [3]}}"), r"grid.yaml:6: space of ssd: alpha must be"),
        (("seeds: [0, 1]", "seeds: [0, 1"), r"grid.yaml:7: not YAML"),
        (("methods:", "methods: 3\nx:"), r"grid.yaml:4: there is no key 'x'"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigurationError, match=message):
        read_grid(written(tmp_path, GOOD.replace(*change, 1)))


def test_files_that_are_no_grid(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_grid(tmp_path / "missing.yaml")
    with pytest.raises(ConfigurationError, match="a grid is a list of KEY: VALUE"):
        read_grid(written(tmp_path, "- a\n- b\n"))
    path = tmp_path / "grid.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_grid(path)
