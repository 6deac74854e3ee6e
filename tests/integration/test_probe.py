"""The probe, against plugins in real environments and against plugins that fight it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from coral_lock.inventory import EntryPoint
from coral_lock.plugin.facts import PluginFacts
from coral_lock.probe.run import ProbeError, probe
from tests.support.environments import Environment, create_environment, install_with_uv
from tests.support.wheels import build_wheels, fixture_projects

DYNAMIC = ("dynamic-spec", "dynamic-exits", "dynamic-hangs", "dynamic-kills", "dynamic-prints")
OTHERS = ("fails-import", "generic-backend", "coral-inference-0.0.4")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    directory = tmp_path_factory.mktemp("probe")
    wheels = build_wheels(fixture_projects(*DYNAMIC, *OTHERS[:2]), directory / "wheels")
    made = create_environment(directory / "environment")
    install_with_uv(made, *wheels, wheelhouse=directory / "wheels", no_deps=True)
    return made


@pytest.fixture(scope="module")
def with_host(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment whose host loads every installed plugin when it is imported."""
    directory = tmp_path_factory.mktemp("host")
    wheels = build_wheels(fixture_projects("dynamic-spec", OTHERS[2]), directory / "wheels")
    made = create_environment(directory / "environment")
    install_with_uv(made, *wheels, wheelhouse=directory / "wheels", no_deps=True)
    return made


def learn(environment: Environment, value: str, time_limit: float = 10.0) -> list[PluginFacts]:
    target = EntryPoint(group="patches", name="named", value=value)
    path = [str(environment.site_packages)]
    return list(probe(target, python=str(environment.python), path=path, time_limit=time_limit))


def failure(environment: Environment, value: str, time_limit: float = 10.0) -> str:
    with pytest.raises(ProbeError) as caught:
        learn(environment, value, time_limit)
    return str(caught.value)


FRAME_COMPOSITOR = PluginFacts(
    name="frame_compositor", description="Compose frames, under a name made at run time"
)


def test_a_name_made_at_run_time(environment: Environment) -> None:
    found = learn(environment, "dynamic_spec.coral_plugins:register_frame_compositor")
    assert found == [FRAME_COMPOSITOR]


def test_a_backend(environment: Environment) -> None:
    found = learn(environment, "generic_backend.coral_backends:register_generic_cpu")
    assert found == [PluginFacts(name="generic_cpu")]


def test_beside_a_host_that_loads_everything(with_host: Environment) -> None:
    found = learn(with_host, "dynamic_spec.coral_plugins:register_frame_compositor")
    assert found == [FRAME_COMPOSITOR]


def test_what_a_plugin_prints_is_no_answer(
    environment: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    (found,) = learn(environment, "dynamic_prints.coral_plugins:register_dynamic_prints")
    assert found.name == "dynamic_prints"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            "dynamic_exits.coral_plugins:register_dynamic_exits",
            "importing `dynamic_exits.coral_plugins` called `sys.exit(3)` "
            "(dynamic_exits/coral_plugins.py:5)",
        ),
        (
            "dynamic_kills.coral_plugins:register_dynamic_kills",
            "the interpreter was killed by SIGKILL while "
            "`dynamic_kills.coral_plugins:register_dynamic_kills` was imported",
        ),
        (
            "fails_import.coral_plugins:register_fails_import",
            "importing `fails_import.coral_plugins` raised ModuleNotFoundError: "
            "No module named 'module_that_is_not_there' (fails_import/coral_plugins.py:1)",
        ),
        (
            "not_there.at_all:register",
            "importing `not_there.at_all` raised ModuleNotFoundError: No module named 'not_there'",
        ),
        (
            "dynamic_spec.coral_plugins:no_such.thing",
            "looking up `no_such.thing` in `dynamic_spec.coral_plugins` raised AttributeError: "
            "module 'dynamic_spec.coral_plugins' has no attribute 'no_such'",
        ),
    ],
)
def test_plugins_that_fail(environment: Environment, value: str, reason: str) -> None:
    assert failure(environment, value) == reason


def test_a_plugin_that_hangs(environment: Environment) -> None:
    started = time.monotonic()
    value = "dynamic_hangs.coral_plugins:register_dynamic_hangs"
    expected = f"the interpreter took longer than 1 s while `{value}` was imported"
    assert failure(environment, value, time_limit=1.0) == expected
    assert time.monotonic() - started < 5


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    target = EntryPoint(group="patches", name="x", value="a:b")
    with pytest.raises(ProbeError) as caught:
        probe(target, python=str(tmp_path / "python"), path=[])
    assert (
        str(caught.value) == f"`{tmp_path / 'python'}` can't be started: No such file or directory"
    )


PREFIX = "from coral_inference.runtime.plugins import PluginSpec\n"


def probe_text(
    directory: Path, text: str, *, time_limit: float = 10.0, **environment: str
) -> list[PluginFacts]:
    (directory / "hostile.py").write_text(PREFIX + text, encoding="utf-8")
    target = EntryPoint(group="patches", name="hostile", value="hostile:plugin")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return list(
            probe(target, python=sys.executable, path=[str(directory)], time_limit=time_limit)
        )


def reason_of(directory: Path, text: str, *, time_limit: float = 10.0) -> str:
    with pytest.raises(ProbeError) as caught:
        probe_text(directory, text, time_limit=time_limit)
    reason = str(caught.value)
    assert "Traceback" not in reason
    assert "\n" not in reason
    return reason


ANSWER = "import os, sys\nfor number in range(3, 64):\n    try: os.write(number, {})\n"
ANSWER += "    except OSError: pass\nos._exit(0)\n"
NO_ANSWER = "the interpreter exited with code 0 without an answer while `hostile:plugin` was"
FORGED = '{"specs": [{"facts": {"name": "x", "description": "", "min_core_version": null}}]}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("plugin = 7", "expected a spec, an iterable or a function, found `int`"),
        ("plugin = []", "it yields no spec"),
        ("def plugin(a, b): ...", "it is a function that needs more than one argument"),
        ("plugin = PluginSpec('a@b', print)", "`name` isn't a plugin name: 'a@b'"),
        ("plugin = PluginSpec('a', print, 7)", "`description` isn't a string: 7"),
        ("import os\nos._exit(5)", "the interpreter exited with code 5 while `hostile:plugin`"),
        ("import os\nos._exit(0)", NO_ANSWER),
        ("raise KeyboardInterrupt", "importing `hostile` raised KeyboardInterrupt (hostile.py:2)"),
        (
            "def plugin():\n    raise ValueError('one\\ntwo\\x1b[31m')",
            "asking `plugin` for its specs raised ValueError: one two\\x1b[31m (hostile.py:3)",
        ),
        (
            "class Odd(Exception):\n    def __str__(self): raise self\nraise Odd",
            "importing `hostile` raised Odd: its message can't be shown (hostile.py:4)",
        ),
        ("plugin = (", "importing `hostile` raised SyntaxError: "),
        (
            "import sys\nsys.exit('bad\\nluck')",
            "importing `hostile` called `sys.exit('bad\\nluck')`",
        ),
        (ANSWER.format("b'nonsense'"), NO_ANSWER),
        (ANSWER.format("b'[' * 100000"), NO_ANSWER),
        (ANSWER.format("b'[]'"), NO_ANSWER),
        (ANSWER.format("b'{}'"), NO_ANSWER),
        (ANSWER.format("b'{\"specs\": []}'"), NO_ANSWER),
        (ANSWER.format('b\'{"step": "x"}\''), "the process didn't report its specs"),
        (ANSWER.format('b\'{"error": "a\\\\u001b"}\''), "a\\x1b"),
        (ANSWER.format(f"{FORGED.encode()!r}"), NO_ANSWER),
    ],
)
def test_hostile_plugins(tmp_path: Path, text: str, reason: str) -> None:
    assert reason_of(tmp_path, text).startswith(reason)


def test_an_endless_answer(tmp_path: Path) -> None:
    text = "import os\nwhile True:\n    for number in range(3, 64):\n"
    text += "        try: os.write(number, b'x' * 4096)\n        except OSError: pass\n"
    assert reason_of(tmp_path, text).startswith("the interpreter answered with more than 1,024 KiB")


def test_endless_output(tmp_path: Path) -> None:
    text = "import os\nwhile True: os.write(1, b'x' * 10000)"
    assert reason_of(tmp_path, text).startswith("the interpreter printed more than 16,384 KiB")


@pytest.mark.parametrize(
    "how", ["", ", start_new_session=True", ", start_new_session=True, env={}"]
)
def test_processes_that_a_plugin_starts_are_killed(tmp_path: Path, how: str) -> None:
    proof = tmp_path / "number"
    text = (
        "import subprocess, sys\n"
        "code = 'import time; time.sleep(60)'\n"
        f"child = subprocess.Popen([sys.executable, '-c', code]{how})\n"
        f"open({str(proof)!r}, 'w').write(str(child.pid))\n"
        "plugin = PluginSpec('leaves_a_child', print)\n"
    )
    assert probe_text(tmp_path, text) == [PluginFacts(name="leaves_a_child")]
    number = int(proof.read_text())
    for _ in range(100):
        if not is_running(number):
            return
        time.sleep(0.05)
    pytest.fail("the plugin's child lives on")


def is_running(number: int) -> bool:
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_what_a_plugin_sees(tmp_path: Path) -> None:
    text = (
        "import os, sys\n"
        "seen = {name: value for name, value in os.environ.items()\n"
        "        if name.startswith(('CORAL_', 'CI_RUNTIME', 'PYTHON'))}\n"
        "facts = [sorted(seen.items()), sys.argv[1:], sys.stdin.read(), os.environ['KEPT'],\n"
        "         sys.flags.isolated, sys.dont_write_bytecode, os.getcwd(), sys.path[-1]]\n"
        "plugin = PluginSpec('seen', print, str(facts))\n"
    )
    (found,) = probe_text(
        tmp_path,
        text,
        KEPT="yes",
        CORAL_BACKEND_MODULES="evil",
        CORAL_EXTRA_PATCHES="evil",
        CORAL_ENABLE_PLUGINS="1",
        PYTHONPATH="/evil",
    )
    switches = [
        ("CI_RUNTIME_AUTOINIT", "0"),
        ("CORAL_AUTO_DISCOVER_BACKENDS", "0"),
        ("CORAL_ENABLE_PLUGINS", "0"),
        ("PYTHONHASHSEED", "0"),
    ]
    expected = [switches, [], "", "yes", 0, True, "/", str(tmp_path)]
    assert found.description == str(expected)
    assert not list(tmp_path.rglob("__pycache__"))
