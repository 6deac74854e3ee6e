"""The demo of a fleet, with 200 devices that really start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environments import clean_environment
from tests.support.wheelhouse import REPOSITORY

STATES = {
    "refused": 3,
    "failed": 1,
    "unfinished": 1,
    "missing": 4,
    "stale": 2,
    "unlisted": 1,
}
SET_ASIDE = {"forged": 1, "version": 1, "not-json": 1, "truncated": 1, "not-a-file": 2}


@pytest.mark.long
def test_each_fault_of_the_simulated_fleet_is_found(wheelhouse: Path, tmp_path: Path) -> None:
    page = tmp_path / "fleet.html"
    script = REPOSITORY / "fixtures" / "demo-fleet.sh"
    done = subprocess.run(
        ("sh", str(script), sys.prefix, str(wheelhouse), str(page)),
        env=clean_environment({"DEVICES": "200", "TMPDIR": str(tmp_path)}),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(
        r"^197 real starts in \d+ s, of real locks in real environments", done.stdout, re.M
    )
    assert "\n189 of 201 devices hold\n" in done.stdout
    counts = dict(re.findall(r"^([a-z]+) \((\d+)\): ", done.stdout, re.MULTILINE))
    assert {state: int(counts[state]) for state in STATES} == STATES
    aside = dict(re.findall(r"^set aside, ([a-z-]+) \((\d+)\):", done.stdout, re.MULTILINE))
    assert {kind: int(count) for kind, count in aside.items()} == SET_ASIDE
    for code, subject in (
        ("digest-mismatch", "my-package"),
        ("distribution-missing", "acme-vision"),
        ("version-drift", "my-package"),
        ("activation-failed", "patches:fails_raise"),
    ):
        assert f"  error {code} {subject}" in done.stdout
    assert ": 42 loses frames at night\n" in done.stdout
    assert re.search(r"51 to change, 144 on it already, .*4 silent", done.stdout)
    (data,) = re.findall(r'id="data">(.*)</script>', page.read_text(encoding="utf-8"))
    assert len(json.loads(data)["rows"]) == 201
    assert [each.name for each in tmp_path.iterdir()] == ["fleet.html"]
