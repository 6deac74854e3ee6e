"""Scripts, headers and data, which `t1` doesn't cover: pinned by a digest of their own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import create_environment, install_with_pip, install_with_uv
from tests.support.hostile_plugins import EVIL, install, make_library_with, make_plugin_with
from tests.support.in_process import WorkingDirectory

FILES = {
    "DATA/scripts/acme-tool": "#!python\nprint('tool')\n",
    "DATA/scripts/acme-windows": "#!pythonw -E\r\nprint('tool')\r\n",
    "DATA/scripts/acme-shell": "#!/bin/sh\necho tool\n",
    "DATA/scripts/acme-env.py": "#!/usr/bin/env python3\nprint('tool')\n",
    "DATA/scripts/acme-short": "#!python",
    "DATA/scripts/acme-long": "#!python\n" + "print('tool')\n" * 20_000,
    "DATA/scripts/acme-empty": "",
    "DATA/headers/acme.h": "int acme;\n",
    "DATA/headers/sub/acme.h": "int sub;\n",
    "DATA/data/share/acme/model.txt": "weights\n",
    "DATA/data/lib/acme/model.txt": "weights\n",
    "DATA/data/bin/acme-data": "#!python\nprint('data')\n",
    "DATA/data/include/acme-other.h": "int other;\n",
    "INFO/entry_points.txt": "[coral_inference.patches]\nacme = acme:spec\n"
    "[console_scripts]\nacme-console = acme:spec\n[gui_scripts]\nacme-gui = acme:spec\n",
}
SHELL_FORM = "#!/bin/sh\n'''exec' {} \"$0\" \"$@\"\n' '''\nprint('tool')\n"


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device()


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    (tmp_path / "house").mkdir()
    return WorkingDirectory(directory=tmp_path)


def locked_entry(text: str, name: str = "acme") -> Any:
    return json.loads(text)["distributions"][name]


@pytest.mark.parametrize("path", sorted(set(FILES) - {"INFO/entry_points.txt"}))
def test_wheels_that_differ_in_one_such_file_have_other_locks(
    work: WorkingDirectory, path: str
) -> None:
    house = work.directory / "house"
    make_plugin_with(house, FILES)
    lock = work.locked("--wheels", "house")
    work.coral("verify", "--wheels", "house").require(0)
    make_plugin_with(house, {**FILES, path: FILES[path] + "\n#\n"})
    stale = work.coral("lock", "--wheels", "house", "--check").require(3)
    assert (
        "  ! the digest of the scripts, headers and data of `acme` for `py3-none-any` changed, "
        "under the same version (bytes-changed)\n"
    ) in stale.stdout
    refused = work.coral("verify", "--wheels", "house").require(3)
    assert (
        "error[digest-mismatch]: the wheel of `acme` 1.0 has other scripts, headers or data than "
        "the locked one\n"
    ) in refused.stderr
    changed = ("--wheels", "house", "--allow-changed-digest", "acme")
    other = locked_entry(work.locked(*changed))
    assert other["digests"] == locked_entry(lock)["digests"]
    assert other["data_digests"] != locked_entry(lock)["data_digests"]


def test_a_wheel_without_such_files_is_locked_as_ever(work: WorkingDirectory) -> None:
    make_plugin_with(work.directory / "house", {"acme/data.txt": ""})
    assert list(locked_entry(work.locked("--wheels", "house"))) == [
        "version",
        "digests",
        "requires",
    ]


@pytest.mark.parametrize("path", sorted(set(FILES) - {"INFO/entry_points.txt"}))
def test_a_file_that_comes_or_goes_changes_the_lock(work: WorkingDirectory, path: str) -> None:
    house = work.directory / "house"
    without = {other: text for other, text in FILES.items() if other != path}
    make_plugin_with(house, without)
    work.locked("--wheels", "house")
    make_plugin_with(house, FILES)
    work.coral("verify", "--wheels", "house").require(3)


def test_all_of_them_gone_or_there_at_last_is_alarming(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    make_plugin_with(house, {})
    bare = work.locked("--wheels", "house")
    make_plugin_with(house, {"DATA/scripts/tool": "#!python\n"})
    assert (
        "  ! `acme` gained scripts, headers or data, under the same version (bytes-changed)\n"
    ) in work.coral("lock", "--wheels", "house", "--check").require(3).stdout
    changed = ("--wheels", "house", "--allow-changed-digest", "acme")
    work.locked(*changed)
    make_plugin_with(house, {})
    assert (
        "  ! `acme` lost its scripts, headers and data, under the same version (bytes-changed)\n"
    ) in work.coral("lock", "--wheels", "house", "--check").require(3).stdout
    work.coral("verify", "--wheels", "house").require(3)
    assert work.locked(*changed) == bare


def test_of_two_wheels_the_locked_one_is_exported(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    wheel = make_plugin_with(house, {"DATA/scripts/tool": "#!python\n"})
    work.locked("--wheels", "house")
    locked = shutil.move(wheel, house / "acme-1.0-1-py3-none-any.whl")
    other = make_plugin_with(house, {"DATA/scripts/tool": "#!python\n" + EVIL})
    shutil.move(other, house / "acme-1.0-2-py3-none-any.whl")
    out = work.coral("export", "--format=pylock", "--wheels=house").require(0).stdout
    assert Path(locked).name in out
    assert "acme-1.0-2-py3" not in out


@pytest.mark.parametrize("installer", ["pip", "uv"])
@pytest.mark.parametrize("place", ["environment", "an environment", "e" * 120])
def test_installers_rewrite_nothing_that_is_pinned(
    work: WorkingDirectory, installer: str, place: str
) -> None:
    wheel = make_plugin_with(work.directory / "house", FILES)
    lock = work.locked("--wheels", "house")
    assert locked_entry(lock)["data_digests"]["py3-none-any"].startswith("d1:")
    environment = create_environment(work.directory / place)
    by = {"pip": install_with_pip, "uv": install_with_uv}[installer]
    by(environment, wheel, wheelhouse=wheel.parent)
    assert (environment.bin / "acme-console").exists()
    assert not (environment.bin / "acme-tool").read_text().startswith("#!python\n")
    assert work.coral("verify", "--python", environment.root).require(0).stderr == (
        "coral.lock holds: 1 plugin, 1 distribution, integrity full\n"
    )
    assert work.locked("--python", environment.root) == lock


def test_pip_s_target_directory_is_verified_too(work: WorkingDirectory) -> None:
    files = {path: text for path, text in FILES.items() if "/lib/" not in path}
    wheel = make_plugin_with(work.directory / "house", files)
    work.locked("--wheels", "house")
    target = work.directory / "target"
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index")
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    place = ("--site-packages", str(target))
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    verify = ("verify", *place, "--target", f"python={version},platform=linux_x86_64")
    work.coral(*verify).require(0)
    (target / "bin" / "acme-tool").write_text("#!python\n" + EVIL)
    refused = work.coral(*verify).require(3)
    assert "error[digest-mismatch]: `scripts/acme-tool` of `acme` isn't the file that" in (
        refused.stderr
    )


CHANGES = [
    ("bin/acme-tool", "#!{bin}/python\n" + EVIL),
    ("bin/acme-tool", "#!/bin/sh\nprint('tool')\n"),
    ("bin/acme-tool", "#!{bin}/python -c 1\nprint('tool')\n"),
    ("bin/acme-tool", "#!/tmp/evil\nprint('tool')\n"),
    ("bin/acme-tool", SHELL_FORM.format("/tmp/evil")),
    ("bin/acme-tool", SHELL_FORM.format("'/tmp/evil'")),
    ("bin/acme-tool", SHELL_FORM.format("'/tmp/evil' '/bin/python'")),
    ("bin/acme-tool", SHELL_FORM.format("'{bin}/python' -c 1")),
    ("bin/acme-shell", "#!/bin/sh\necho evil\n"),
    ("bin/acme-shell", "#!/tmp/evil\necho tool\n"),
    ("bin/acme-env.py", "#!{bin}/python\nprint('tool')\n"),
    ("bin/acme-long", "#!{bin}/python\n" + "print('tool')\n" * 19_999 + "print('evil')\n"),
    ("bin/acme-empty", "x"),
    ("bin/acme-data", "#!python\n" + EVIL),
    ("share/acme/model.txt", "poison\n"),
    ("lib/acme/model.txt", "poison\n"),
    ("include/acme-other.h", "int evil;\n"),
    ("include/site/*/acme/acme.h", "int evil;\n"),
]


def _of_different_files(changes: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Put changes together that can be made at once."""
    at_once: list[dict[str, str]] = []
    for path, text in changes:
        if all(path in each for each in at_once):
            at_once.append({})
        next(each for each in at_once if path not in each)[path] = text
    return at_once


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_such_a_file_is_changed(machine: Device, tmp_path: Path, installer: str) -> None:
    install(machine, make_plugin_with(tmp_path, FILES), installer=installer)
    machine.locked()
    machine.coral("verify").require(0)
    for changes in _of_different_files(CHANGES):
        before = {}
        for path, text in changes.items():
            (changed,) = machine.environment.root.glob(path)
            before[changed] = changed.read_bytes()
            changed.write_text(text.replace("{bin}", str(machine.environment.bin)))
        for words in (("verify",), ("init", "--locked")):
            named = re.findall(
                "^error\\[digest-mismatch\\]: `(.*)` of `acme` isn't the file that was locked$",
                machine.coral(*words).require(3).stderr,
                re.MULTILINE,
            )
            assert sorted(Path(name).name for name in named) == sorted(
                changed.name for changed in before
            )
        for changed, content in before.items():
            changed.write_bytes(content)
    (header,) = machine.environment.root.glob("include/site/*/acme/acme.h")
    header.write_text("int evil;\n")
    assert "error[unusable-record]: `headers/acme.h` of `acme` isn't the file that its RECORD" in (
        machine.coral("lock").require(1).stderr
    )


def test_which_interpreter_a_script_names_cannot_be_told(machine: Device, tmp_path: Path) -> None:
    """An installer writes that line, for whatever environment it installs into."""
    install(machine, make_plugin_with(tmp_path, FILES))
    machine.locked_once(of="all files")
    for text in (
        "#!{bin}/python\nprint('tool')\n",
        "#!{bin}/python3.11\nprint('tool')\n",
        "#!/tmp/evil/python\nprint('tool')\n",
        "#!C:\\env\\Scripts\\pythonw.exe\r\nprint('tool')\n",
        SHELL_FORM.format("'/a path/bin/python'"),
        SHELL_FORM.format('"$(dirname -- "$(realpath -- "$0")")"/\'python\''),
    ):
        script = text.replace("{bin}", str(machine.environment.bin))
        (machine.environment.bin / "acme-tool").write_text(script)
        _state_truly(machine, "acme-tool")
        machine.coral("verify").require(0)


def _state_truly(machine: Device, name: str) -> None:
    """Let the RECORD of `acme` state a script as it is, as an installer would."""
    record = machine.site_packages / "acme-1.0.dist-info" / "RECORD"
    rows = record.read_text().splitlines(keepends=True)
    record.write_text("".join(f"../../../bin/{name},,\n" if name in row else row for row in rows))


def test_what_an_installer_generates_is_not_covered(machine: Device, tmp_path: Path) -> None:
    install(machine, make_plugin_with(tmp_path, FILES))
    machine.locked_once(of="all files")
    (machine.environment.bin / "acme-console").write_text("#!/bin/sh\n")
    machine.coral("verify").require(0)


@pytest.mark.parametrize("row", ["../../../bin/evil,,\n", "../../../share/evil,,\n"])
@pytest.mark.parametrize("files", [{}, FILES], ids=["bare", "others"])
def test_another_wheel_of_the_same_version_has_one_more(
    machine: Device, tmp_path: Path, files: dict[str, str], row: str
) -> None:
    install(machine, make_plugin_with(tmp_path, files))
    machine.locked()
    place = machine.site_packages / row.partition(",")[0]
    place.parent.mkdir(exist_ok=True)
    place.write_text(EVIL)
    with open(machine.site_packages / "acme-1.0.dist-info" / "RECORD", "a") as record:
        record.write(row)
    scheme = "scripts" if "bin" in row else "data/share"
    expected = (
        "error[digest-mismatch]: `acme` has other scripts, headers or data than the locked ones\n"
        if files
        else f"error[unlocked-file]: `{scheme}/evil` of `acme` isn't in the wheel that was locked\n"
    )
    for words in (("verify",), ("init", "--locked")):
        assert expected in machine.coral(*words).require(3).stderr


def test_a_record_forgets_them(machine: Device, tmp_path: Path) -> None:
    install(machine, make_plugin_with(tmp_path, FILES))
    machine.locked_once(of="all files")
    record = machine.site_packages / "acme-1.0.dist-info" / "RECORD"
    rows = [row for row in record.read_text().splitlines(keepends=True) if row[:2] != ".."]
    record.write_text("".join(rows))
    (machine.environment.bin / "acme-tool").write_text(EVIL)
    assert (
        "error[digest-mismatch]: `acme` has other scripts, headers or data than the locked ones\n"
    ) in machine.coral("verify").require(3).stderr


def test_one_is_missing(machine: Device, tmp_path: Path) -> None:
    install(machine, make_plugin_with(tmp_path, FILES))
    machine.locked_once(of="all files")
    (machine.environment.bin / "acme-tool").unlink()
    assert "error[file-missing]: `scripts/acme-tool` of `acme` is missing\n" in (
        machine.coral("verify").require(3).stderr
    )
    assert "error[file-missing]: `scripts/acme-tool` of `acme` is missing, and its RECORD" in (
        machine.coral("lock").require(1).stderr
    )


def test_where_all_are_missing_nothing_can_run(machine: Device, tmp_path: Path) -> None:
    """Images of devices are stripped of manuals and headers."""
    files = {"DATA/data/share/man/acme.1": ".TH\n", "DATA/headers/acme.h": ""}
    install(machine, make_plugin_with(tmp_path, files))
    machine.locked()
    shutil.rmtree(machine.environment.root / "share")
    shutil.rmtree(machine.environment.root / "include")
    for words in (("verify",), ("init", "--locked")):
        assert (
            "warning[unpinned-file]: the scripts, headers and data of `acme` are missing, so they "
            "can't be verified\n"
        ) in machine.coral(*words).require(0).stderr
    assert (
        "warning[unpinned-file]: the scripts, headers and data of `acme` aren't there, so they "
        "aren't pinned\n"
    ) in machine.coral("lock").require(0).stderr
    assert locked_entry(machine.lock_path.read_text())["data_digests"] == {}


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (
            {**FILES, "DATA/scripts/acme-console": EVIL},
            "the member `acme-1.0.data/scripts/acme-console` is installed to the same path as the "
            "script of an entry point\n",
        ),
        (
            {**FILES, "DATA/data/bin/acme-gui": EVIL},
            "the member `acme-1.0.data/data/bin/acme-gui` is installed to the same path as the "
            "script of an entry point\n",
        ),
        (
            {**FILES, "DATA/data/bin/acme-tool": EVIL},
            "the member `acme-1.0.data/data/bin/acme-tool` is installed to the same path as "
            "another member\n",
        ),
    ],
)
def test_two_files_in_one_place(work: WorkingDirectory, files: dict[str, str], what: str) -> None:
    make_plugin_with(work.directory / "house", files)
    refused = work.coral("lock", "--wheels", "house").require(1)
    assert f"error[wheel-malformed]: {what}" in refused.stderr


def test_what_distributions_overwrite_is_not_pinned(machine: Device, tmp_path: Path) -> None:
    wheels = (
        make_plugin_with(tmp_path, {"DATA/data/LICENSE": "one\n"}, requires="helper"),
        make_library_with(tmp_path, {"DATA/data/LICENSE": "two\n"}),
    )
    house = machine.directory / "house"
    house.mkdir()
    for wheel in wheels:
        shutil.copy(wheel, house)
    install(machine, *wheels)
    locked = machine.coral("lock").require(0)
    assert (
        "warning[file-overlap]: `acme` and `helper` put different files in one place: "
        "`data/LICENSE`\n"
    ) in locked.stderr
    text = machine.lock_path.read_text()
    assert locked_entry(text)["data_digests"] == locked_entry(text, "helper")["data_digests"] == {}
    machine.coral("lock", "--wheels", "house", "--check").require(0)
    for words in (("verify",), ("init", "--locked")):
        assert (
            "warning[unpinned-file]: the lock holds no digest of the scripts, headers and data of "
            "`acme`, so they weren't verified\n"
        ) in machine.coral(*words).require(0).stderr
    machine.coral("verify", "--wheels", "house").require(0)
    machine.coral("export", "--format=pylock", "--wheels=house").require(0)


def test_a_plugin_s_script_that_is_overwritten_is_an_error(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    make_plugin_with(house, {"DATA/scripts/tool": "one\n"}, requires="helper")
    make_library_with(house, {"DATA/scripts/tool": "two\n"})
    assert (
        "error[file-overlap]: `acme` and `helper` put different files in one place: "
        "`scripts/tool`\n"
    ) in work.coral("lock", "--wheels", "house").require(1).stderr


TOOL = {
    "DATA/scripts/sdtool": "#!python\nimport sys\nprint('locked', sys.argv[1:])\n",
    "DATA/data/share/helper/model.txt": "weights\n",
    "INFO/entry_points.txt": "[console_scripts]\nsd-console = helper:main\n",
}


@pytest.fixture
def tooled(device: MakeDevice, tmp_path: Path) -> Device:
    """A machine whose plugin requires a distribution with a script."""
    made = device()
    library = make_library_with(tmp_path, TOOL)
    install(made, make_plugin_with(tmp_path, {}, requires="helper"), library)
    made.locked_once(of="a plugin and a script")
    made.coral("run", "--locked", "--", "sdtool", "1").require(0)
    return made


@pytest.mark.parametrize("level", ["imports", "full"])
@pytest.mark.parametrize("way", ["name", "path", "python", "link"])
def test_a_script_that_runs_as_program_is_compared(tooled: Device, level: str, way: str) -> None:
    script = tooled.environment.bin / "sdtool"
    (tooled.directory / "link").symlink_to(script)
    words: dict[str, list[str | Path]] = {
        "name": ["sdtool"],
        "path": [script],
        "python": ["python", script],
        "link": ["./link"],
    }
    start = ("run", "--locked", "--integrity", level, "--")
    assert tooled.coral(*start, *words[way], "1").require(0).stdout == "locked ['1']\n"
    script.write_text(script.read_text() + EVIL)
    outcome = tooled.coral(*start, *words[way], "1").require(77)
    assert outcome.stdout == ""
    assert "EVIL" not in outcome.stderr
    assert (
        "error[digest-mismatch]: `scripts/sdtool` of `helper` isn't the file that was locked\n"
    ) in outcome.stderr


def _changed_record(tooled: Device) -> None:
    """Let RECORD say that another script is right."""
    record = tooled.site_packages / "helper-1.0.dist-info" / "RECORD"
    text = re.sub(r"(?m)^(.*/sdtool),.*$", r"\1,,", record.read_text())
    record.write_text(text)


def _removed_row(tooled: Device) -> None:
    record = tooled.site_packages / "helper-1.0.dist-info" / "RECORD"
    record.write_text(re.sub(r"(?m)^.*/sdtool,.*\n", "", record.read_text()))


def _moved_row(tooled: Device) -> None:
    _removed_row(tooled)
    with open(tooled.site_packages / "acme-1.0.dist-info" / "RECORD", "a") as record:
        record.write("../../../bin/sdtool,,\n")


def _changed_tag(tooled: Device) -> None:
    _changed_record(tooled)
    wheel = tooled.site_packages / "helper-1.0.dist-info" / "WHEEL"
    wheel.write_text(wheel.read_text().replace("py3-none-any", "py2-none-any"))


def _declared_command(tooled: Device) -> None:
    _changed_record(tooled)
    with open(tooled.site_packages / "helper-1.0.dist-info" / "entry_points.txt", "a") as file:
        file.write("sdtool = helper:main\n")


@pytest.mark.parametrize(
    "hide", [_changed_record, _removed_row, _moved_row, _changed_tag, _declared_command]
)
def test_metadata_hide_no_changed_script(tooled: Device, hide: Callable[[Device], None]) -> None:
    script = tooled.environment.bin / "sdtool"
    script.write_text(script.read_text() + EVIL)
    hide(tooled)
    outcome = tooled.coral("run", "--locked", "--", "sdtool")
    assert (outcome.code in (77, 78), outcome.stdout) == (True, ""), outcome.stderr
    assert "EVIL" not in outcome.stderr
    assert "error[" in outcome.stderr


def test_other_programs_need_none_of_the_scripts(tooled: Device) -> None:
    (tooled.environment.root / "share" / "helper" / "model.txt").write_text("poison")
    program = tooled.write("sdtool", "print('own')\n")
    for words in (("python", program), ("python", "-c", "print('own')")):
        outcome = tooled.coral("run", "--locked", "--", *words).require(0)
        assert outcome.stdout == "own\n"
    tooled.coral("run", "--locked", "--", "sd-console").require(77)
