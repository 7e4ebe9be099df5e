from __future__ import annotations

import dataclasses
import json
import math
from importlib.resources import files
from typing import Any

import pytest

from lethe.auditing import Evidence
from lethe.auditing.evidence import OUTCOMES, VERSION, digest_of
from lethe.errors import InputError

SCHEMA = json.loads(files("lethe.auditing").joinpath("evidence.schema.json").read_text("utf-8"))
TYPES = {
    "object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None),
    "number": (int, float),
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], where: str = "evidence") -> list[str]:
    """What in the value breaks the schema, for the part of JSON Schema that ours uses."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "const" in schema and value != schema["const"]:
        return [f"{where} is {value}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where} is {value!r}"]
    wanted = schema.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    fits = [isinstance(value, TYPES[t]) and (t == "boolean" or not isinstance(value, bool)) for t in wanted]
    if wanted and not any(fits):
        return [f"{where} is a {type(value).__name__}"]
    found: list[str] = []
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name in known:
                found += faults(item, known[name], f"{where}.{name}")
            elif more is False:
                found.append(f"{where}.{name} is unknown")
            elif isinstance(more, dict):
                found += faults(item, more, f"{where}.{name}")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{where} has {len(value)} items")
        found += [fault for i, v in enumerate(value) for fault in faults(v, schema.get("items", {}), f"{where}[{i}]")]
    return found


def test_evidence_follows_its_schema(on_original: Evidence, on_gold: Evidence) -> None:
    assert faults(on_original.to_json(), SCHEMA) == []
    assert faults(on_gold.to_json(), SCHEMA) == []


def test_the_schema_notices_what_is_wrong(on_original: Evidence) -> None:
    plain = on_original.to_json()
    plain["metrics"][0]["finding"] = "fine"
    plain["verdict"].pop("sentence")
    plain["data"]["forget"] = None
    assert len(faults(plain, SCHEMA)) == 3


def test_evidence_comes_back_from_a_file(on_original: Evidence) -> None:
    plain = on_original.to_json()
    back = Evidence.from_json(json.loads(json.dumps(plain, allow_nan=False)))
    assert back.to_json() == plain
    assert back.entry("forget_accuracy").interval == on_original.entry("forget_accuracy").interval
    assert back.verdict == on_original.verdict
    assert back.average_gap == on_original.average_gap


def test_the_digest_covers_every_value(on_original: Evidence) -> None:
    plain = on_original.to_json()
    assert digest_of(plain) == plain["digest"]
    assert digest_of({**plain, "digest": "", "signature": ""}) == plain["digest"]
    for name in plain.keys() - {"digest"}:
        assert digest_of({**plain, name: "changed"}) != plain["digest"], name
    plain["metrics"][0]["value"] += 1e-9
    assert digest_of(plain) != plain["digest"]


def test_the_evidence_says_how_it_was_made_and_what_its_words_mean(on_original: Evidence) -> None:
    plain = on_original.to_json()
    assert plain["settings"]["attacks"]["relearn"]["learning_rate"] == 1e-2
    assert plain["settings"]["metrics"]["mia_confidence"] == {"type": "MIAConfidence", "cost": 3.0}
    assert plain["outcomes"] == dict(OUTCOMES)
    assert on_original.verdict.outcome in OUTCOMES


def test_numbers_that_are_not_finite_become_null(on_original: Evidence) -> None:
    entry = dataclasses.replace(on_original.metrics[0], details={"auc": math.nan, "curve": [(1, math.inf)]})
    plain = dataclasses.replace(on_original, metrics=(entry,)).to_json()
    assert plain["metrics"][0]["details"] == {"auc": None, "curve": [[1, None]]}


def test_other_versions_and_other_files_are_refused(on_original: Evidence) -> None:
    plain = on_original.to_json()
    with pytest.raises(InputError, match=r"version 99 .* update lethe"):
        Evidence.from_json({**plain, "version": 99})
    with pytest.raises(InputError, match=r"version 1 .* run the audit again"):
        Evidence.from_json({**plain, "version": 1})
    with pytest.raises(InputError, match="names no version"):
        Evidence.from_json({"status": "done"})
    with pytest.raises(InputError, match="no evidence of an audit"):
        Evidence.from_json({"version": VERSION, "status": "done"})


def test_a_missing_entry_says_why_it_is_missing(on_original: Evidence) -> None:
    with pytest.raises(InputError, match="holds no 'klom': needs a further model unlearned alike"):
        on_original.entry("klom")
    with pytest.raises(InputError, match="not asked for"):
        on_original.entry("mia_confidance")
