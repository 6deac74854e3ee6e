"""Reports that the role `runtime` stores on the controller."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.wheelhouse import REPOSITORY

SCRIPT = REPOSITORY / "ansible" / "roles" / "runtime" / "files" / "store_reports.py"


def store(directory: Path, reports: object) -> tuple[int, str, str]:
    """Run the script as the role does."""
    finished = subprocess.run(
        (sys.executable, "-I", "-c", SCRIPT.read_text(encoding="utf-8"), str(directory)),
        input=json.dumps(reports),
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout, finished.stderr


def test_reports_are_appended_once(tmp_path: Path) -> None:
    directory = tmp_path / "made" / "here"
    assert store(directory, {"gate-1": ["1", "2"], "gate-2": [], "gate-3": ["ü\n\r4"]}) == (
        0,
        "3\n",
        "",
    )
    assert store(directory, {"gate-1": ["2", "3"]}) == (0, "1\n", "")
    assert {path.name: path.read_text(encoding="utf-8") for path in directory.iterdir()} == {
        "gate-1.ndjson": "1\n2\n3\n",
        "gate-3.ndjson": "ü  4\n",
    }


def test_a_line_that_a_loss_of_power_has_cut_is_stored_again(tmp_path: Path) -> None:
    path = tmp_path / "gate-1.ndjson"
    path.write_text("first\nsecon", encoding="utf-8")
    assert store(tmp_path, {"gate-1": ["first", "second"]}) == (0, "1\n", "")
    assert path.read_text(encoding="utf-8") == "first\nsecond\n"


def test_a_host_can_not_name_another_directory(tmp_path: Path) -> None:
    message = "a host called '../gate-1' can't have a file of its name\n"
    assert store(tmp_path / "reports", {"../gate-1": ["1"]}) == (1, "", message)
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
