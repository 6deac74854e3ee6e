"""JSON descriptors: what JSON allows and YAML's reader doesn't, and the other way round."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.descriptor.load import load_descriptor

from .wording import mistakes_of


def _services(text: str, directory: Path) -> object:
    path = directory / "runtime.json"
    path.write_text(text, encoding="utf-8")
    return load_descriptor(str(path)).services


def test_tabs_surrogate_pairs_and_keys_on_their_own_line(tmp_path: Path) -> None:
    text = '{"services":\t{\n\t"smile"\n\t:\t"\\ud83d\\ude00",\r\n\t"path": "a\\/b"}}'
    assert _services(text, tmp_path) == {"smile": "😀", "path": "a/b"}


def test_keys_longer_than_yaml_allows(tmp_path: Path) -> None:
    key = "k" * 5000
    assert _services(f'{{"services": {{"{key}": 1}}}}', tmp_path) == {key: 1}


def test_scalars(tmp_path: Path) -> None:
    text = '{"services": {"a": [1, -2, 1.5, 1e3, true, false, null, "<<", "yes", "1"]}}'
    assert _services(text, tmp_path) == {
        "a": [1, -2, 1.5, 1000.0, True, False, None, "<<", "yes", "1"]
    }


def test_positions_count_lines_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    path.write_text('{"platform": "rknn",\n "patches": {"x": true,\n  "y": true}}')
    origins = load_descriptor(str(path)).origins
    assert origins["platform"] == f"{path}:1:2"
    assert origins["patches.x"] == f"{path}:2:14"
    assert origins["patches.y"] == f"{path}:3:3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not JSON: unexpected end of the file | where: runtime.json:1:2"),
        ('{"platform": "rknn"', "not JSON: unexpected end of the file | where: runtime.json:1:20"),
        ('{"platform":', "not JSON: unexpected end of the file | where: runtime.json:1:13"),
        ('{"platform', "not JSON: unterminated string starting | where: runtime.json:1:2"),
        (
            "{'a': 1}",
            "not JSON: expecting property name enclosed in double quotes | where: runtime.json:1:2",
        ),
        ('{"a" 1}', "not JSON: expecting ':' delimiter | where: runtime.json:1:6"),
        ('{"a": 01}', "not JSON: expecting ',' delimiter | where: runtime.json:1:8"),
        ('{"a": NaN}', "not JSON: `NaN` isn't a number of JSON | where: runtime.json:1:7"),
        ('{"a": 1} 2', "not JSON: extra data | where: runtime.json:1:10"),
        ("platform: rknn", "not JSON: expecting value | where: runtime.json:1:1"),
        (
            '{"services": {\n"a": 1,\n "a": 2}}',
            "`services.a` appears twice | where: runtime.json:3:2 | "
            "hint: the first one is on line 2",
        ),
        (
            '{"services": {"a": 1e999}}',
            "`services.a` is a number out of range | where: runtime.json:1:20 | "
            "expected: a number that fits into 64 bits | hint: quote it if it is text",
        ),
        (
            '{"services": {"a": "\\ud83d"}}',
            "`services.a` contains a lone surrogate | where: runtime.json:1:20 | "
            "expected: whole characters",
        ),
        (
            '{"a":' * 200_000,
            "the document is nested too deep | where: runtime.json:1:161 | "
            "expected: at most 32 levels",
        ),
        (
            '{"services": {"a": [' + "1," * 20_000 + "1]}}",
            "the document is too large | where: runtime.json:1:40011 | "
            "expected: at most 20000 keys and values",
        ),
        (
            "[]",
            "the document isn't a mapping | where: runtime.json:1:1 | "
            "expected: a mapping | found: a list",
        ),
        (
            '{"plaform": "rknn"}',
            "unknown key `plaform` | where: runtime.json:1:2 | hint: did you mean `platform`?",
        ),
    ],
)
def test_a_mistake_is_told_in_full(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes_of(text, tmp_path, "runtime.json") == [expected]
