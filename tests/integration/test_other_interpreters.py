"""Asking another interpreter about itself: nothing of it runs, and any answer is checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coral_lock.errors import InputError
from coral_lock.inventory import EntryPoint
from coral_lock.probe.interpreter import ask_interpreter
from coral_lock.probe.run import interpreter_probe
from coral_lock.targets.machine import this_machine
from tests.support.environments import Environment, clean_environment, create_environment
from tests.support.foreign import OWN_LIBRARIES, inside
from tests.support.interpreters import other_interpreters, usable_interpreters

FACTS_INSIDE = """
import json, os
from packaging.markers import default_environment
own = set(json.loads(sys.argv[1]))
print(json.dumps({
    "path": [entry for entry in sys.path if entry not in own],
    "markers": default_environment(),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "built_in": sorted(sys.builtin_module_names),
}))
"""


def test_an_interpreter_tells_about_itself(environment: Environment) -> None:
    asked = ask_interpreter(str(environment.root))
    assert asked == ask_interpreter(str(environment.python))
    facts = json.loads(inside(environment, FACTS_INSIDE, json.dumps(OWN_LIBRARIES)))
    assert asked.executable == str(environment.python)
    assert [*asked.standard_library, *asked.path] == facts["path"]
    assert asked.path == (str(environment.site_packages),)
    assert asked.machine == this_machine().replace(python=facts["version"])
    assert asked.markers == facts["markers"]
    assert sorted(asked.built_in_modules) == facts["built_in"]


def test_nothing_that_is_installed_runs(tmp_path: Path, python: str) -> None:
    environment = create_environment(tmp_path / "environment", python)
    site_packages = environment.site_packages
    ran = tmp_path / "ran"
    program = f"import os; open({str(ran)!r}, 'w').close()\n"
    for name in ("extra", "other"):
        (tmp_path / name).mkdir()
    (site_packages / "b.pth").write_text(
        f"# a comment\n\n{program}{tmp_path}/extra\nabsent\n../site-packages\n{tmp_path}/other  \n"
    )
    (site_packages / "a.pth").write_text(f"{tmp_path}/other\n")
    (site_packages / "sitecustomize.py").write_text(program)
    (site_packages / "json.py").write_text(program)
    (site_packages / ".hidden.pth").write_text(f"{tmp_path}\n")
    asked = ask_interpreter(str(environment.python))
    assert asked.path == (str(site_packages), f"{tmp_path}/other", f"{tmp_path}/extra")
    assert not ran.exists()
    inside(environment, "")
    assert ran.exists()


def test_an_environment_that_lets_the_base_in(tmp_path: Path, python: str) -> None:
    environment = create_environment(tmp_path / "environment", python)
    sealed = ask_interpreter(str(environment.python))
    configuration = environment.root / "pyvenv.cfg"
    text = configuration.read_text()
    assert "include-system-site-packages = false" in text
    configuration.write_text(
        text.replace("include-system-site-packages = false", "Include-System-Site-Packages=TRUE")
    )
    opened = ask_interpreter(str(environment.python))
    expected = inside(environment, "import json; print(json.dumps(sys.path))")
    assert [*opened.standard_library, *opened.path] == [
        entry for entry in json.loads(expected) if entry not in OWN_LIBRARIES
    ]
    assert opened.path[:1] == sealed.path
    assert opened.path != sealed.path
    configuration.write_text(
        "".join(line for line in text.splitlines(True) if "include" not in line)
    )
    assert ask_interpreter(str(environment.python)).path == opened.path


def program_at(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


HINT = "name the file of a Python interpreter, or the directory of a virtual environment"


def refusal(path: Path | str, time_limit: float = 20.0) -> dict[str, str | None]:
    with pytest.raises(InputError) as raised:
        ask_interpreter(str(path), time_limit)
    error = raised.value
    return {
        "message": error.message,
        "expected": error.expected,
        "found": error.found,
        "where": error.where,
        "hint": error.hint,
    }


def test_what_is_no_interpreter(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert refusal(absent) == {
        "message": f"there is no interpreter `{absent}`",
        "expected": None,
        "found": None,
        "where": str(absent),
        "hint": HINT,
    }
    text = tmp_path / "text"
    text.write_text("print()")
    assert refusal(text) == {
        "message": f"`{text}` can't be started: Permission denied",
        "expected": None,
        "found": None,
        "where": str(text),
        "hint": "name the file of a Python interpreter that this user may run",
    }
    assert refusal(program_at(text, "print()"))["message"] == (
        f"`{text}` can't be started: Exec format error"
    )
    for output, found in (
        ("", "nothing"),
        ("\n  \033[1mhello\n", "\\x1b[1mhello"),
        ("x" * 300, "x" * 200 + "…"),
    ):
        shown = output.replace("\033", "\\033")
        printing = program_at(tmp_path / "printing", f"#!/bin/sh\nprintf '{shown}'\n")
        assert refusal(printing) == {
            "message": f"`{printing}` doesn't answer as a Python interpreter does: "
            "it printed no description of itself",
            "expected": "Python 3.10 or newer",
            "found": found,
            "where": str(printing),
            "hint": HINT,
        }
    endless = program_at(tmp_path / "endless", "#!/bin/sh\nexec yes no\n")
    assert refusal(endless)["found"] == "no"


def test_an_interpreter_that_hangs(tmp_path: Path) -> None:
    hanging = program_at(tmp_path / "hanging", "#!/bin/sh\necho wait\nsleep 300\n")
    assert refusal(hanging, 0.5) == {
        "message": f"`{hanging}` took longer than 0.5 s to describe itself",
        "expected": None,
        "found": "wait",
        "where": str(hanging),
        "hint": f"see whether `{hanging} -I -S -c pass` ends",
    }


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"python": "', '"python": "3.', "`$.python` in its description is invalid"),
        ('"python": ', '"more": 1, "python": ', "`$` in its description is invalid"),
        ('"python": ', '"more": ', "`$` in its description is invalid"),
        ('"executable": "/', '"executable": "', "`$.executable` in its description is invalid"),
        ('"site_directories": [', '"site_directories": ["lib", ', "`$.site_directories[0]` in its"),
        ('"standard_library": [', '"standard_library": [1, ', "`$.standard_library[0]` in its"),
        ('"libc": "', '"libc": "\\u0000', "`$.platform.libc` in its description is invalid"),
        ('"version": [', '"version": [3, ', "`$.platform.version` in its description is invalid"),
        (
            '"version": [',
            '"version": [true, ',
            "`$.platform.version[0]` in its description is invalid",
        ),
        ('"os_name"', '"name"', "`$.markers` in its description is invalid"),
        ('"python": ', '"python": [' + "[" * 100_000 + ": ", "it printed no description of itself"),
    ],
)
def test_an_answer_that_can_t_be_right(tmp_path: Path, old: str, new: str, problem: str) -> None:
    edits = json.dumps([old, new])
    forging = program_at(
        tmp_path / "forging",
        f"#!{sys.executable} -IS\n"
        "import json, subprocess, sys\n"
        f"old, new = json.loads({edits!r})\n"
        f"command = [{sys.executable!r}, *sys.argv[1:]]\n"
        "done = subprocess.run(command, capture_output=True, text=True)\n"
        "assert '-c' in sys.argv or old in done.stdout\n"
        "print(done.stdout.replace(old, new, 1), end='')\n",
    )
    message = refusal(forging)["message"]
    assert message is not None
    assert message.startswith(f"`{forging}` doesn't answer as a Python interpreter does: {problem}")


def test_an_interpreter_that_prints_its_version(tmp_path: Path) -> None:
    forging = program_at(tmp_path / "forging", "#!/bin/sh\necho $6'\"3.9\\u001b\"'\n")
    assert refusal(forging)["found"] == "Python 3.9\\x1b"


def test_an_interpreter_that_is_too_old() -> None:
    old = {
        version: path
        for version, path in other_interpreters().items()
        if version not in usable_interpreters() and version not in ("2.7", "3.6")
    }
    if not old:
        pytest.skip("no interpreter from 3.7 to 3.9 is there")
    for version, path in old.items():
        refused = refusal(path)
        assert refused["message"] == f"the interpreter `{path}` is too old"
        assert refused["expected"] == "Python 3.10 or newer"
        assert str(refused["found"]).startswith(f"Python {version}.")
        assert refused["hint"] == "name a newer interpreter"


def test_a_directory_that_is_no_environment(tmp_path: Path) -> None:
    assert refusal(tmp_path) == {
        "message": f"`{tmp_path}` isn't a virtual environment",
        "expected": "`pyvenv.cfg` and `bin/python` in it",
        "found": None,
        "where": str(tmp_path),
        "hint": "name the file of a Python interpreter; for a directory of installed "
        "distributions write `--site-packages DIR`",
    }
    environment = create_environment(tmp_path / "environment")
    (environment.root / "pyvenv.cfg").unlink()
    assert refusal(environment.root)["message"] == (
        f"`{environment.root}` isn't a virtual environment"
    )


PROBED = """
import sys
from coral_inference.runtime.plugins import PluginSpec

def register():
    def activate(config):
        return True
    return PluginSpec(name="it", activate=activate, description="%d.%d" % sys.version_info[:2],
                      min_core_version="0.0.4", min_inference_version="0.9.0")
"""


def test_a_plugin_is_probed_under_its_own_interpreter(tmp_path: Path, python: str) -> None:
    """Its modules are found, whatever the files of the probe itself are called."""
    environment = create_environment(tmp_path / "environment", python)
    modules = ("run", "child", "interpreter")
    for name in modules:
        (environment.site_packages / f"{name}.py").write_text(PROBED)
    asked = ask_interpreter(str(environment.root))
    probe = interpreter_probe(asked.path, asked.executable)
    for name in modules:
        entry_point = EntryPoint(group="patches", name="it", value=f"{name}:register")
        (facts,) = probe(entry_point)
        assert (facts.description, facts.min_core_version) == (
            asked.machine.language_version,
            "0.0.4",
        )


def test_an_interpreter_that_left_a_process_behind(tmp_path: Path) -> None:
    """It holds the output open, and ends with the question."""
    leaving = program_at(
        tmp_path / "leaving",
        f'#!/bin/sh\nsleep 30 &\nexec {sys.executable} "$@"\n',
    )
    assert ask_interpreter(str(leaving)).machine == this_machine()


def test_variables_don_t_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CORAL_SECRET", "x")
    shown = program_at(tmp_path / "shown", "#!/bin/sh\nenv | grep -E 'PYTHON|CORAL'\n")
    assert refusal(shown)["found"] == "nothing"
    assert ask_interpreter(sys.executable).machine == this_machine()


def test_its_executable_runs() -> None:
    asked = ask_interpreter(sys.executable)
    assert os.path.isabs(asked.executable)
    assert subprocess.run((asked.executable, "-c", ""), env=clean_environment()).returncode == 0
