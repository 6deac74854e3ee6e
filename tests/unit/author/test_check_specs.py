"""What is said of specs: a sound project, and one thing changed."""

from __future__ import annotations

import pytest

from coral_lock.author.check import check_subject
from tests.unit.author.check_subjects import (
    BACKENDS,
    ENTRY_POINTS,
    FILES,
    MANIFEST,
    PLUGINS,
    findings_of,
    subject,
)

MISSING = (
    "warning",
    "manifest-missing",
    "the package `acme` ships no `coral_plugin.yaml`",
    "pyproject.toml:10:1",
)


def _findings(path: str, old: str, new: str) -> list[tuple[str, str, str, str | None]]:
    """Return what is found in the project without its manifest once a source is changed."""
    assert old in FILES[path]
    files = {**FILES, path: FILES[path].replace(old, new, 1)}
    del files[MANIFEST]
    found = findings_of(subject(files))
    found.remove(MISSING)
    return found


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (
            PLUGINS,
            '"0.0.4"',
            '"four"',
            ("error", "invalid-requirement",
             "the min_core_version of `patches:denoise` isn't a PEP 440 version",
             f"{PLUGINS}:13:26"),
        ),
        (
            PLUGINS,
            '"0.0.4"',
            "4",
            ("error", "spec-malformed",
             "the spec of `acme.coral_plugins:register_denoise` is malformed: "
             "`min_core_version` isn't a string: 4",
             f"{PLUGINS}:8:1"),
        ),
        (
            PLUGINS,
            'name="sharpen"',
            'name="denoise"',
            ("error", "duplicate-plugin", "`patches:denoise` is yielded twice", f"{PLUGINS}:17:11"),
        ),
        (
            PLUGINS,
            'name="sharpen"',
            'name="sharper"',
            ("warning", "name-differs",
             "the entry point and its plugin have different names",
             "pyproject.toml:12:1"),
        ),
        (
            PLUGINS,
            'name="sharpen"',
            'name="camera"',
            ("error", "reserved-name",
             "`camera` is a reserved name in a descriptor, so the plugin couldn't be switched on "
             "or off",
             f"{PLUGINS}:17:27"),
        ),
        (
            BACKENDS,
            'name="npu"',
            'name="modules"',
            ("error", "reserved-name",
             "`modules` is a reserved name in a descriptor, so the plugin couldn't be switched on "
             "or off",
             f"{BACKENDS}:12:27"),
        ),
        (
            PLUGINS,
            "Remove sensor noise",
            "TODO: describe",
            ("warning", "poor-description",
             "the description of `patches:denoise` is a placeholder", f"{PLUGINS}:12:21"),
        ),
        (
            PLUGINS,
            "Remove sensor noise",
            "Denoise.",
            ("warning", "poor-description",
             "the description of `patches:denoise` only repeats its name", f"{PLUGINS}:12:21"),
        ),
        (
            PLUGINS,
            '        description="Remove sensor noise",\n',
            "",
            ("warning", "poor-description",
             "the description of `patches:denoise` is empty", f"{PLUGINS}:10:14"),
        ),
        (
            PLUGINS,
            '"Remove sensor noise"',
            "str(1)",
            ("warning", "spec-unreadable",
             "the spec of `acme.coral_plugins:register_denoise` can't be read from its source: "
             "`str` isn't defined in `acme.coral_plugins`",
             f"{PLUGINS}:12:1"),
        ),
    ],
)  # fmt: skip
def test_one_change_is_one_finding(
    path: str, old: str, new: str, expected: tuple[str, str, str, str | None]
) -> None:
    found = _findings(path, old, new)
    assert expected in found
    assert {code for _, code, *_ in found} - {"name-differs"} <= {expected[1]}


def _without_manifest() -> dict[str, str]:
    return {path: text for path, text in FILES.items() if path != MANIFEST}


@pytest.mark.parametrize(
    ("group", "value", "place"),
    [
        ("patches", "acme.coral_backends:npu", f"{BACKENDS}:12:7"),
        ("workflows", "acme.coral_backends:npu", f"{BACKENDS}:12:7"),
        ("backends", "acme.coral_plugins:sharpen", f"{PLUGINS}:17:11"),
        ("backends", "acme.coral_plugins:register_denoise", f"{PLUGINS}:8:1"),
        ("backends", "acme.sinks:activate", "acme/sinks.py:1:1"),
    ],
)
def test_a_group_holds_one_kind_of_spec(group: str, value: str, place: str) -> None:
    files = {**_without_manifest(), "acme/sinks.py": "def activate(config):\n    return True\n"}
    found = findings_of(subject(files, [(group, "x", value)]))
    summary = f"the entry point yields a spec of the wrong kind for the group `{group}`"
    assert [item for item in found if item[1] == "wrong-kind"] == [
        ("error", "wrong-kind", summary, place)
    ]


def test_a_list_of_both_kinds_has_one_of_the_wrong_kind() -> None:
    files = {
        **_without_manifest(),
        "acme/both.py": "from .coral_backends import npu\nfrom .coral_plugins import sharpen\n"
        "plugins = [npu, sharpen]\n",
    }
    found = findings_of(subject(files, [("patches", "both", "acme.both:plugins")]))
    assert [code for _, code, *_ in found] == ["wrong-kind", "manifest-missing"]


def test_several_specs_behind_one_entry_point_need_no_common_name() -> None:
    files = {
        **_without_manifest(),
        "acme/suite.py": "from .coral_plugins import register_denoise, sharpen\n"
        "plugins = [register_denoise, sharpen]\n",
    }
    found = findings_of(subject(files, [("patches", "suite", "acme.suite:plugins")]))
    assert [code for _, code, *_ in found] == ["manifest-missing"]


def test_a_manifest_s_word_is_not_checked_where_the_source_is_unreadable() -> None:
    files = {**FILES, PLUGINS: FILES[PLUGINS].replace('"Remove sensor noise"', "str(1)")}
    (finding,) = check_subject(subject(files, ENTRY_POINTS)).findings
    assert (finding.severity, finding.code) == ("warning", "spec-unreadable")
    assert "`coral-runtime plugins check --run`" in (finding.hint or "")
    assert "declare the plugin in `coral_plugin.yaml`" in (finding.hint or "")
