"""A start that didn't finish never looks like one that did, whatever a plugin does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
import time
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device, Outcome
from tests.support.environments import install_with_uv
from tests.support.handmade_wheels import make_wheel
from tests.support.reports import earlier_report

PLUGIN = """\
from coral_inference.runtime.plugins import PluginSpec
{module}

def activate(config):
{body}
    return True


def register():
    return PluginSpec(name="{name}", activate=activate, description="It ends processes")
"""
DOES = "import os; exec(os.environ['WHAT_IT_DOES'], globals())"
"""What most plugins here do, so that one lock is good for them all."""

STRANGE = """\
class Strange(Exception):
    def __str__(self):
        raise SystemExit(0)


class Meta(type):
    @property
    def __name__(cls):
        raise SystemExit(0)


class Stranger(Exception, metaclass=Meta):
    __traceback__ = property(lambda self: exit(0))


class Code:
    def __repr__(self):
        raise SystemExit(0)
    def __bool__(self):
        raise SystemExit(0)
"""

HOSTS = {"without a host": (), "with a host": ("coral-inference==0.0.5.dev1", "inference==0.58.0")}


def _locked(machine: Device, tmp_path: Path, module: str = "", **bodies: str) -> Device:
    """Lock a device with plugins that do this when they are activated."""
    texts = {
        name: PLUGIN.format(name=name, module=module, body=textwrap.indent(body, "    "))
        for name, body in (bodies or {"p": DOES}).items()
    }
    wheel = make_wheel(
        tmp_path,
        "p",
        {"strange.py": STRANGE, **{f"{name}.py": text for name, text in texts.items()}},
        entry_point="".join(f"{name} = {name}:register\n" for name in texts),
    )
    install_with_uv(machine.environment, wheel, wheelhouse=machine.wheelhouse)
    machine.locked_once(of=tuple(texts.items()))
    return machine


@pytest.fixture(params=HOSTS)
def machine(request: pytest.FixtureRequest, device: MakeDevice) -> Device:
    return device(*HOSTS[request.param])


RAISES = {
    "from_str": ("raise Strange", "Strange: its message can't be shown"),
    "from_metaclass": ("raise Stranger", "Stranger"),
    "from_code": ("raise SystemExit(Code())", "SystemExit: its message can't be shown"),
    "from_result": ("return Code()", "it called `sys.exit(0)`"),
    "from_exit": ("raise SystemExit(0)", "it called `sys.exit(0)`"),
    "from_os_exit": ("import os; os._exit(0)", "it called `os._exit(0)`"),
    "from_posix_exit": ("import posix; posix._exit(0)", "it called `os._exit(0)`"),
}


def test_what_plugins_raise_fails_them_and_the_start(machine: Device, tmp_path: Path) -> None:
    bodies = {name: body for name, (body, _) in RAISES.items()}
    _locked(machine, tmp_path, "from strange import Code, Strange, Stranger", **bodies)
    outcome = machine.coral("init", "--locked").require(1)
    plugins = {plugin["id"]: plugin for plugin in outcome.json()["plugins"]}
    assert set(plugins) == {f"patches:{name}" for name in RAISES}
    for name, (_, reason) in RAISES.items():
        plugin = plugins[f"patches:{name}"]
        assert plugin["status"] == "failed"
        assert plugin["reason"].startswith(reason)
        assert f"error[activation-failed]: `patches:{name}` of `p` failed: " in outcome.stderr
    eager = machine.coral("run", "--locked", "--eager", "--", "-c", "print('ran')").require(78)
    assert eager.stdout == ""


def test_os_exit_while_a_plugin_is_imported(machine: Device, tmp_path: Path) -> None:
    _locked(machine, tmp_path, "import os\nos._exit(0)", p="pass")
    outcome = machine.coral("init", "--locked").require(1)
    assert outcome.json()["plugins"][0]["reason"].startswith("it called `os._exit(0)` (")


def test_os_exit_ends_what_it_may_end(machine: Device, tmp_path: Path) -> None:
    """Forks of the process, and the process again once the plugin is active."""
    body = (
        "import os, multiprocessing as m\n"
        "if os.fork() == 0: os._exit(4)\n"
        "assert os.wait()[1] >> 8 == 4\n"
        "process = m.get_context('fork').Process(target=int)\n"
        "process.start(); process.join(); assert process.exitcode == 0, process.exitcode\n"
    )
    _locked(machine, tmp_path, "from os import _exit\n", p=body)
    assert machine.coral("init", "--locked").require(0).json()["outcome"] == "started"
    for end in ("p._exit(9)", "import os; os._exit(9)"):
        code = f"import coral_inference.runtime.plugins, p; {end}"
        assert machine.coral("run", "--locked", "--eager", "--", "-c", code).code == 9


ENDS = {
    "native _exit": ("import ctypes; ctypes.CDLL(None)._exit(0)", "exit code 0"),
    "native exit": ("import ctypes; ctypes.CDLL(None).exit(0)", "exit code 0"),
    "another program": ("import os; os.execl('/bin/true', 'true')", "exit code 0"),
    "a thread": (
        "import os, threading, time\n"
        "threading.Thread(target=os._exit, args=(0,)).start(); time.sleep(9)",
        "exit code 0",
    ),
    "a code that we use": ("import ctypes; ctypes.CDLL(None)._exit(3)", "exit code 3"),
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", "signal 9, Killed"),
    "a crash": ("import ctypes; ctypes.string_at(0)", "signal 11, Segmentation fault"),
    "closed descriptors": ("import os; os.closerange(3, 2000)", "exit code 2"),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_before_the_end_is_an_error(device: MakeDevice, tmp_path: Path, name: str) -> None:
    machine = device()
    body, found = ENDS[name]
    _locked(machine, tmp_path)
    report = machine.write("report.json", earlier_report())
    words = ("init", "--locked", "--report", "report.json")
    outcome = machine.coral(*words, env={"WHAT_IT_DOES": body}).require(1)
    assert outcome.stdout == ""
    assert outcome.stderr.endswith(
        "error: the process was ended before the start had finished\n"
        "  expected: a report\n"
        f"  found: {found}\n"
        "  hint: a plugin, or native code that it uses, ended it: see its output above\n"
    )
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["outcome"] == ("started" if name == "closed descriptors" else "unfinished")


STREAMS = {
    "no streams": "import sys; sys.stdout = sys.stderr = object()",
    "none": "import sys; sys.stdout = sys.stderr = None",
    "closed": "import sys; sys.stdout.close(); sys.stderr.close()",
    "others": "import io, sys; sys.stdout = sys.stderr = io.StringIO()",
    "low descriptors": (
        "import os\nfor number in range(3, 100):\n    try: os.write(number, b'garbage')\n"
        "    except OSError: pass"
    ),
    "standard output": "import os, sys\nos.write(1, b'x\\n'); print('y', file=sys.__stdout__)",
    "a fork that returns": "import os; os.fork()",
    "an exit at the end": "import atexit, os; atexit.register(os._exit, 0)",
    "a code at the end": "import atexit, os; atexit.register(os._exit, 7)",
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_report_is_whole_and_alone(machine: Device, tmp_path: Path, name: str) -> None:
    _locked(machine, tmp_path)
    env = {"WHAT_IT_DOES": STREAMS[name]}
    outcome = machine.coral("init", "--locked", env=env).require(0)
    assert outcome.json()["state"]["plugins_loaded"] == {"patches:p": True}
    assert outcome.stdout.count("report_version") == 1
    assert "started on onnx: 1 of 1 plugin active\n" in outcome.stderr


@pytest.mark.parametrize("name", ["no streams", "none", "low descriptors", "standard output"])
def test_a_program_has_streams_of_its_own(machine: Device, tmp_path: Path, name: str) -> None:
    _locked(machine, tmp_path)
    words = ("run", "--locked", "--eager", "--", "-c", "print('ran')")
    env = {"WHAT_IT_DOES": STREAMS[name]}
    assert machine.coral(*words, env=env).require(0).stdout == "ran\n"


def _heed_signals() -> None:
    """Undo what a shell that has put the test run into the background has done."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _stuck(machine: Device, tmp_path: Path) -> subprocess.Popen[bytes]:
    """Start `init` with a plugin that doesn't return, and wait until it runs."""
    body = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)"
    _locked(machine, tmp_path)
    started = subprocess.Popen(
        (machine.environment.bin / "coral-runtime", "init", "--locked"),
        cwd=machine.directory,
        env=machine.variables({"WHAT_IT_DOES": body}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_heed_signals,
    )
    for _ in range(600):
        if (machine.directory / "pid").exists() and (machine.directory / "pid").read_text():
            return started
        time.sleep(0.05)
    raise AssertionError("the plugin hasn't run")


def _is_running(process: int) -> bool:
    """Whether a process runs; one that nobody has waited for doesn't."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        return "\nState:\tZ" not in status
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGINT, 130),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_signals_end_both_processes(
    device: MakeDevice, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    machine = device()
    started = _stuck(machine, tmp_path)
    worker = int((machine.directory / "pid").read_text())
    assert worker != started.pid
    os.kill(started.pid, number)
    stdout, stderr = started.communicate(timeout=30)
    assert (started.returncode, stdout) == (code, b"")
    if number == signal.SIGINT:
        assert stderr == b"interrupted while `patches:p` was activated\n"
    deadline = time.monotonic() + 10
    while _is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(worker)


def test_a_terminal_s_interrupt_is_told_once(device: MakeDevice, tmp_path: Path) -> None:
    machine = device()
    master, slave = os.openpty()
    body = "import time\nopen('pid', 'w').write('x')\ntime.sleep(300)"
    _locked(machine, tmp_path)
    started = subprocess.Popen(
        [
            *("setsid", "--ctty", "--wait"),
            machine.environment.bin / "coral-runtime",
            *("init", "--locked"),
        ],
        cwd=machine.directory,
        env=machine.variables({"WHAT_IT_DOES": body}),
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_heed_signals,
    )
    for _ in range(600):
        if (machine.directory / "pid").exists():
            break
        time.sleep(0.05)
    os.write(master, b"\x03")
    _, stderr = started.communicate(timeout=30)
    assert (started.returncode, stderr) == (130, b"interrupted while `patches:p` was activated\n")
    os.close(master)
    os.close(slave)


def test_whoever_ignores_children_gets_the_report(device: MakeDevice, tmp_path: Path) -> None:
    machine = _locked(device(), tmp_path)
    finished = subprocess.run(
        (machine.environment.bin / "coral-runtime", "init", "--locked"),
        cwd=machine.directory,
        env=machine.variables({"WHAT_IT_DOES": "pass"}),
        capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        timeout=60,
        check=True,
    )
    outcome = Outcome(code=0, stdout=finished.stdout.decode(), stderr="")
    assert outcome.json()["outcome"] == "started"
