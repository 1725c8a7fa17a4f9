"""The published contract is the code's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from corpusforge.corpus.schema import Metrics, Refused, Row, json_schema, schema_text
from corpusforge.quality.measure import MeasureConfig, audio_metrics, speed_metrics

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"


def test_schema_json_is_what_the_code_prints():
    printed = subprocess.run(
        [sys.executable, "-m", "corpusforge.corpus.schema"], capture_output=True, text=True, check=True
    )
    kept = (MANIFESTS / "schema.json").read_text(encoding="utf-8")
    assert kept == printed.stdout == schema_text(), "run: python -m corpusforge.corpus.schema > manifests/schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(kept))


def test_every_field_is_described_in_the_schema_and_in_the_readme():
    readme = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    schema = json_schema()
    for properties in (schema["properties"], *(part["properties"] for part in schema["$defs"].values())):
        for name, field in properties.items():
            assert field.get("description"), name
            assert f"`{name}`" in readme, name
    for name in Refused.model_fields:
        assert f"`{name}`" in readme, name


def test_the_schema_names_what_is_measured():
    import numpy as np

    measured = audio_metrics(np.zeros(0, np.int16), 16000, MeasureConfig()) | speed_metrics(1.0, 4, 0)
    assert set(measured) == set(Metrics.model_fields)
    Metrics.model_validate(measured)


def test_a_row_with_an_unknown_or_a_missing_field_is_refused(shop, tmp_path):
    shop.write(tmp_path / "out", [shop.item("one.zho_Hans")])
    row = json.loads((tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8"))
    jsonschema.validate(row, json_schema())
    wrong = [{**row, "speaker": "x"}, {**row, "split": "valid"}, {**row, "sha256": "abc"}, {**row, "duration": "1"}]
    for name in row:
        wrong.append({key: value for key, value in row.items() if key != name})
    for case in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(case, json_schema())
        with pytest.raises(ValidationError):
            Row.model_validate(case, strict=True)
