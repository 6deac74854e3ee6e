"""What is said of manifests: a sound one, and one thing changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coral_lock.author.check import check_subject
from coral_lock.errors import UnreadableSourceError
from tests.unit.author.check_subjects import (
    ENTRY_POINTS,
    FILES,
    MANIFEST,
    PLUGINS,
    changed,
    findings_of,
    subject,
    told,
)

SHARPEN_AFTER = '    after: ["patches:denoise"]\n'
DENOISE = "    entry_point: acme.coral_plugins:register_denoise\n"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "Remove sensor noise",
            "Remove noise",
            [("error", "manifest-stale",
              "the manifest and the code of `patches:denoise` differ in its description",
              f"{MANIFEST}:6:5")],
        ),
        (
            '    min_core_version: "0.0.4"\n',
            "",
            [("error", "manifest-stale",
              "the manifest and the code of `patches:denoise` differ in its min_core_version",
              f"{MANIFEST}:6:5")],
        ),
        (
            "  - group: backends\n    name: npu\n    entry_point: acme.coral_backends:npu\n",
            "",
            [("error", "manifest-stale", "the manifest doesn't declare `backends:npu`", MANIFEST)],
        ),
        (
            "name: sharpen",
            "name: sharper",
            [("error", "manifest-stale",
              "the manifest and the code of `patches:sharpen` differ in its name",
              f"{MANIFEST}:11:5")],
        ),
        (
            "acme.coral_plugins:sharpen",
            "acme.coral_plugins:other",
            [("error", "manifest-stale",
              "the manifest and the code of `patches:sharpen` differ in its entry_point",
              f"{MANIFEST}:11:5")],
        ),
        (
            "plugins:\n",
            "plugins:\n  - group: workflows\n    name: lost\n    entry_point: acme.lost:spec\n",
            [("error", "manifest-stale",
              "the manifest declares `workflows:lost`, which no entry point yields",
              f"{MANIFEST}:3:5")],
        ),
        (
            "description: Remove",
            "descriptoin: Remove",
            [("error", "manifest-invalid", "unknown key `plugins[1].descriptoin`",
              f"{MANIFEST}:9:5")],
        ),
        (
            SHARPEN_AFTER,
            '    after: ["patches:sharpen"]\n',
            [("error", "manifest-contradiction",
              "`patches:sharpen` names itself in its relations", f"{MANIFEST}:11:5")],
        ),
        (
            SHARPEN_AFTER,
            '    requires: {"backends:npu": speed}\n    conflicts: {"backends:npu": noise}\n',
            [("error", "manifest-contradiction",
              "`patches:sharpen` requires `backends:npu`, and conflicts with it",
              f"{MANIFEST}:11:5")],
        ),
        (
            SHARPEN_AFTER,
            '    after: ["workflows:other"]\n',
            [("error", "manifest-contradiction",
              "`patches:sharpen` can't come after `workflows:other`: the groups are activated "
              "in the order backends, patches, workflows",
              f"{MANIFEST}:11:5")],
        ),
        (
            DENOISE,
            DENOISE + '    requires: {"patches:sharpen": looks}\n',
            [("error", "manifest-contradiction",
              "plugins wait for each other: `patches:denoise` → `patches:sharpen` → "
              "`patches:denoise`",
              f"{MANIFEST}:6:5")],
        ),
        (
            SHARPEN_AFTER,
            '    after: ["patches:denoiser"]\n',
            [("warning", "near-miss",
              "`patches:denoiser` is nearly the name of a plugin of this distribution",
              f"{MANIFEST}:11:5")],
        ),
        (SHARPEN_AFTER, '    conflicts: {"patches:vendor_blur": it blurs}\n', []),
    ],
)  # fmt: skip
def test_one_change_is_one_finding(
    old: str, new: str, expected: list[tuple[str, str, str, str | None]]
) -> None:
    assert findings_of(subject(changed(MANIFEST, old, new))) == expected


def test_a_conflict_that_the_other_declares_counts_too() -> None:
    files = changed(MANIFEST, SHARPEN_AFTER, '    requires: {"patches:denoise": looks}\n')
    files[MANIFEST] = files[MANIFEST].replace(
        DENOISE, DENOISE + '    conflicts: {"patches:sharpen": looks}\n'
    )
    assert findings_of(subject(files)) == [
        ("error", "manifest-contradiction",
         "`patches:sharpen` requires `patches:denoise`, and conflicts with it",
         f"{MANIFEST}:12:5")
    ]  # fmt: skip


def test_a_manifest_that_is_missing_is_a_warning_with_the_command_that_writes_it() -> None:
    files = {path: text for path, text in FILES.items() if path != MANIFEST}
    (finding,) = check_subject(subject(files)).findings
    assert (finding.severity, finding.code) == ("warning", "manifest-missing")
    assert finding.hint == "run `coral-runtime manifest compile`"


def test_every_mistake_of_a_manifest_is_told() -> None:
    files = {**FILES, MANIFEST: "manifest_version: 2\nplugin: []\n"}
    assert [code for _, code, *_ in findings_of(subject(files))] == ["manifest-invalid"] * 3


def test_an_unreadable_entry_point_has_to_be_declared() -> None:
    files = {**FILES, PLUGINS: FILES[PLUGINS].replace('"Remove sensor noise"', "str(1)")}
    files[MANIFEST] = files[MANIFEST].replace("coral_plugins:register_denoise", "coral_plugins:old")
    report = check_subject(subject(files, ENTRY_POINTS))
    found = [told(finding) for finding in report.findings]
    assert [f.hint for f in report.findings if "doesn't declare" in f.summary] == [
        f"correct {MANIFEST} by hand"
    ]
    assert {(code, summary) for _, code, summary, _ in found} == {
        (
            "manifest-stale",
            "the manifest declares `patches:denoise`, which no entry point yields",
        ),
        (
            "manifest-stale",
            "the manifest doesn't declare the plugins of the entry point "
            "`acme.coral_plugins:register_denoise`",
        ),
        (
            "spec-unreadable",
            "the spec of `acme.coral_plugins:register_denoise` can't be read from its source: "
            "`str` isn't defined in `acme.coral_plugins`",
        ),
    }


def test_a_wrong_requirement_is_told_once() -> None:
    files = {**FILES, PLUGINS: FILES[PLUGINS].replace('"0.0.4"', '"four"')}
    assert [code for _, code, *_ in findings_of(subject(files))] == ["invalid-requirement"]


def test_what_is_in_the_way_of_a_manifest_makes_it_invalid() -> None:
    files = {path: text for path, text in FILES.items() if path != MANIFEST}

    def read_source(path: str) -> bytes | None:
        if path == MANIFEST:
            raise UnreadableSourceError("it is a pipe", where=path)
        return subject(files).read_source(path)

    checked = replace(subject(files), read_source=read_source)
    assert findings_of(checked) == [("error", "manifest-invalid", "it is a pipe", MANIFEST)]
