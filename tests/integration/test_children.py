"""Every Python process that a program starts is under the program's lock."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import install_with_uv
from tests.support.handmade_wheels import make_wheel

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")
DESCRIPTOR = """\
platform: rknn
patches: {camera: false, frame_counter: false}
services: {secret: swordfish}
"""
ANSWER = """\
import json, os, sys


def answer(_=None):
    import coral_inference
    from coral_inference.runtime import get_current_context, start
    from importlib import metadata
    context = get_current_context()
    return [
        context.state.platform,
        sorted(context.state.plugins_loaded),
        context.state.patches_enabled["camera"],
        context.config.services,
        start.STARTS,
        sorted(e.name for e in metadata.entry_points(group="coral_inference.patches")),
        "acme_object" in sys.modules,
    ]
"""
EXPECTED = [
    "rknn",
    ["patches:camera_stabilizer"],
    False,
    {"secret": "swordfish"},
    1,
    ["camera_stabilizer"],
    False,
]
WAYS = {
    **{
        method: "import multiprocessing as m\n"
        f"print(json.dumps(m.get_context('{method}').Pool(1).map(answer, [0])[0]))"
        for method in ("fork", "spawn", "forkserver")
    },
    "subprocess": "import subprocess\n"
    "print(subprocess.run([sys.executable, '-c', ASK], stdout=-1, text=True, check=True).stdout)",
    "isolated": "import subprocess\n"
    "print(subprocess.run([sys.executable, '-I', '-c', ASK2], stdout=-1, text=True,\n"
    "    check=True).stdout)",
    "safe path, without variables": "import subprocess\n"
    "print(subprocess.run([sys.executable, '-E', '-s', '-c', ASK2], stdout=-1, text=True,\n"
    "    check=True).stdout)",
    "grandchild": "import subprocess\n"
    "print(subprocess.run([sys.executable, '-c', 'import subprocess, sys\\n'\n"
    "    'print(subprocess.run([sys.executable, \"-c\", ' + repr(ASK) + '], stdout=-1,'\n"
    "    'text=True, check=True).stdout)'], stdout=-1, text=True, check=True).stdout)",
    "os.fork": "r, w = os.pipe()\nif os.fork() == 0:\n"
    "    os.write(w, json.dumps(answer()).encode())\n    os._exit(0)\n"
    "os.wait()\nprint(os.read(r, 65536).decode())",
    "concurrent.futures": "from concurrent.futures import ProcessPoolExecutor as P\n"
    "with P(1) as pool:\n    print(json.dumps(pool.submit(answer).result()))",
    "os.system": "assert os.system(f'{sys.executable} -c \"{ASK}\"') == 0",
}
PROGRAM = """\
import json, os, sys
from answer import answer

ASK = "import json, answer; print(json.dumps(answer.answer()))"
ASK2 = f"import sys; sys.path.insert(0, {os.getcwd()!r}); " + ASK
"""


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    machine = device("my-package==1.0.0", "acme-object", *HOSTS)
    machine.write("runtime.yaml", DESCRIPTOR)
    machine.locked_once("-c", "runtime.yaml")
    machine.write("answer.py", ANSWER)
    return machine


def _run(machine: Device, *words: str) -> tuple[str, ...]:
    return ("run", "--locked", "-c", "runtime.yaml", "--report", "report.json", "--", *words)


def _program(body: str) -> str:
    return PROGRAM + "if __name__ == '__main__':\n    " + body.replace("\n", "\n    ") + "\n"


def _report(machine: Device) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((machine.directory / "report.json").read_text())
    return loaded


@pytest.mark.parametrize("way", WAYS)
def test_a_child_has_the_host_that_the_lock_names(machine: Device, way: str) -> None:
    machine.write("program.py", _program(WAYS[way]))
    outcome = machine.coral(*_run(machine, "program.py")).require(0)
    assert json.loads(outcome.stdout) == EXPECTED, outcome.stderr


def test_a_child_of_a_program_that_embeds_us_has_it_too(machine: Device) -> None:
    machine.write(
        "program.py",
        "import coral_lock\n" + _program("coral_lock.init('runtime.yaml')\n" + WAYS["spawn"]),
    )
    outcome = machine.run("python", "program.py").require(0)
    assert json.loads(outcome.stdout) == EXPECTED


def test_a_child_verifies_before_it_imports_the_host(machine: Device) -> None:
    machine.write(
        "program.py",
        _program(
            "import subprocess, time, my_package\n"
            "with open(os.path.join(my_package.__path__[0], 'coral_plugins.py'), 'a') as file:\n"
            "    file.write('print(\"evil\")\\n')\n"
            "child = subprocess.run([sys.executable, '-c', ASK], capture_output=True, text=True)\n"
            "print(child.returncode, repr(child.stdout))\n"
            "print(child.stderr, file=sys.stderr)"
        ),
    )
    outcome = machine.coral(*_run(machine, "program.py"))
    assert outcome.stdout == "3 ''\n"
    assert "error[digest-mismatch]: `my_package/coral_plugins.py` of `my-package`" in outcome.stderr
    assert outcome.code == 77
    assert "the program ended with 0, but a process that it started was refused or ran" in (
        outcome.stderr
    )
    report = _report(machine)
    assert report["outcome"] == "failed"
    assert "digest-mismatch" in str(report["findings"])


def test_a_fork_verifies_again_however_long_after_its_parent(machine: Device) -> None:
    machine.write(
        "program.py",
        _program(
            "import my_package\n"
            "if os.fork() == 0:\n"
            "    path = os.path.join(my_package.__path__[0], 'coral_plugins.py')\n"
            "    with open(path, 'a') as file:\n"
            "        file.write('print(\"evil\")\\n')\n"
            "    answer()\n"
            "    os._exit(0)\n"
            "print(os.waitstatus_to_exitcode(os.wait()[1]))"
        ),
    )
    outcome = machine.coral(*_run(machine, "program.py"))
    assert (outcome.stdout, outcome.code) == ("3\n", 77)


def test_a_child_does_not_start_from_another_lock(machine: Device) -> None:
    machine.write(
        "program.py",
        _program(
            "import subprocess\n"
            "text = open('coral.lock').read()\n"
            "open('coral.lock', 'w').write(text.replace('Improve', 'Worsen'))\n"
            "print(subprocess.run([sys.executable, '-c', ASK], stderr=-3).returncode)"
        ),
    )
    outcome = machine.coral(*_run(machine, "program.py"))
    assert (outcome.stdout, outcome.code) == ("3\n", 78)


def test_a_child_that_imports_neither_host_nor_plugin_verifies_nothing(machine: Device) -> None:
    machine.write(
        "program.py",
        _program(
            "import subprocess\n"
            "open('coral.lock', 'a').write('broken')\n"
            "code = ('import asyncio, sys\\n'\n"
            "    'print([name for name in sys.modules if \"verification\" in name])')\n"
            "print(subprocess.run([sys.executable, '-c', code], stdout=-1, text=True).stdout)"
        ),
    )
    assert machine.coral(*_run(machine, "program.py")).require(0).stdout == "[]\n\n"


def test_what_every_process_imports_at_its_start_is_verified_by_itself(
    device: MakeDevice, tmp_path: Path
) -> None:
    machine = device("my-package==1.0.0", "acme-object", *HOSTS)
    files = {"zz_early.pth": "import zz_early\n", "zz_early.py": "", "zz_late.py": ""}
    wheel = make_wheel(tmp_path, "zz-early", files)
    install_with_uv(machine.environment, wheel, wheelhouse=tmp_path)
    machine.write("runtime.yaml", f"{DESCRIPTOR}program: {{requires: [zz-early]}}\n")
    machine.coral("lock", "-c", "runtime.yaml").require(0)
    ask = "import sys; print('zz_early' in sys.modules, 'coral_lock.start.locked' in sys.modules)"
    start = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', {!r}], stdout=-1))"
    for code, said in ((ask, r"True False\n"), (f"import zz_late; {ask}", r"True True\n")):
        machine.write("program.py", start.format(code))
        outcome = machine.coral(*_run(machine, "program.py")).require(0)
        assert outcome.stdout.endswith(f"returncode=0, stdout=b'{said}')\n")
    place = machine.site_packages / "zz_early.py"
    machine.write("program.py", f"open({str(place)!r}, 'w').write('1')\n" + start.format(ask))
    outcome = machine.coral(*_run(machine, "program.py"))
    assert outcome.code == 77
    assert outcome.stdout.endswith(r"stdout=b'False False\n')" + "\n")
    assert "error[digest-mismatch]: `zz_early.py` of `zz-early` isn't the file that was" in (
        outcome.stderr
    )


def test_the_environment_is_the_user_s(machine: Device) -> None:
    machine.write(
        "program.py",
        _program(
            "import subprocess\n"
            "code = 'import sys; print(sys.pycache_prefix, sys.dont_write_bytecode)'\n"
            "print(subprocess.run([sys.executable, '-c', code], stdout=-1, text=True).stdout)"
        ),
    )
    assert machine.coral(*_run(machine, "program.py")).require(0).stdout == "None False\n\n"


UNCOVERED = [
    (
        "subprocess.run([sys.executable, '-S', '-c', 'pass'])",
        "-S -c pass` runs without the lock: `-S` disables what puts a process under it",
    ),
    (
        "subprocess.run([sys.executable, '-IS', '-c', 'pass'])",
        "-IS -c pass` runs without the lock: `-S` disables what puts a process under it",
    ),
    (
        "subprocess.run([sys.executable, '-c', 'pass'], env={})",
        "-c pass` runs without the lock: `CORAL_LOCK_RUN` isn't in its environment",
    ),
    (
        "os.posix_spawn(sys.executable, ['python', '-c', 'pass'], {}); os.wait()",
        "`python -c pass` runs without the lock: `CORAL_LOCK_RUN` isn't in its environment",
    ),
    (
        "subprocess.run([os.path.realpath(sys.executable), '-c', 'pass'])",
        "isn't this environment's interpreter",
    ),
    (
        "del os.environ['CORAL_LOCK_RUN']; os.system(sys.executable + ' -c pass')",
        "`python` runs without the lock: the program has removed `CORAL_LOCK_RUN` from its "
        "environment",
    ),
    (
        "os.execve(sys.executable, ['python', '-c', 'pass'], {})",
        "`python -c pass` runs without the lock: `CORAL_LOCK_RUN` isn't in its environment",
    ),
]


@pytest.mark.parametrize(("statement", "summary"), UNCOVERED)
def test_a_child_that_cannot_be_covered_is_said(
    machine: Device, statement: str, summary: str
) -> None:
    machine.write("program.py", f"import os, subprocess, sys\n{statement}\n")
    outcome = machine.coral(*_run(machine, "program.py")).require(0)
    assert f"{summary}\n" in outcome.stderr
    assert "warning[uncovered-child]: " in outcome.stderr
    if "execve" not in statement:
        assert summary in str(_report(machine)["findings"])
        assert _report(machine)["outcome"] == "verified"


def test_a_child_of_a_child_that_cannot_be_covered_is_said(machine: Device) -> None:
    machine.write(
        "child.py", "import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', '1'])\n"
    )
    machine.write(
        "program.py", "import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'])\n"
    )
    outcome = machine.coral(*_run(machine, "program.py")).require(0)
    assert "warning[uncovered-child]: " in outcome.stderr
    assert "uncovered-child" in str(_report(machine)["findings"])


@pytest.mark.parametrize(
    "command",
    [
        "['true']",
        "['sh', '-c', 'exit 0']",
        "[sys.executable, '-c', 'pass']",
        "['coral-runtime', '--version']",
    ],
)
def test_what_is_covered_or_is_no_python_is_not_said(machine: Device, command: str) -> None:
    machine.write(
        "program.py",
        "import os, subprocess, sys\n"
        "os.environ['PATH'] = os.path.dirname(sys.executable) + ':' + os.environ['PATH']\n"
        f"subprocess.run({command}, check=True)\n",
    )
    outcome = machine.coral(*_run(machine, "program.py")).require(0)
    assert "uncovered" not in outcome.stderr
    assert "findings': []" in str(_report(machine))


TRACKER = "from multiprocessing.resource_tracker import main"
IS_COVERED = "import sys; print('coral_lock.children.child' in sys.modules)"


@pytest.mark.parametrize(
    "words",
    [
        ("-c", IS_COVERED, TRACKER),
        ("-c", IS_COVERED, f"{TRACKER};main(7)"),
        ("-c", IS_COVERED, "-c", f"{TRACKER};main(7)"),
        ("child.py", "-c", f"{TRACKER};main(7)"),
        ("-W", "ignore", "child.py", f"{TRACKER};main(7)"),
        ("-c", f"{TRACKER};{IS_COVERED}"),
        ("-c", f"{TRACKER};main = print;{IS_COVERED};main(7)"),
    ],
)
def test_words_of_a_user_make_no_helper_of_multiprocessing(
    machine: Device, words: tuple[str, ...]
) -> None:
    machine.write("child.py", IS_COVERED)
    machine.write(
        "program.py",
        f"import subprocess, sys\nsubprocess.run([sys.executable, *{words!r}], check=True)\n",
    )
    outcome = machine.coral(*_run(machine, "program.py")).require(0)
    assert outcome.stdout.startswith("True\n")


def test_the_helper_of_multiprocessing_may_outlive_the_session(machine: Device) -> None:
    machine.write(
        "program.py",
        "import os, shutil, time\n"
        "from multiprocessing import resource_tracker as tracker, util\n"
        "shutil.rmtree(os.path.dirname(os.environ['CORAL_LOCK_RUN'].partition(':')[2]))\n"
        "spawn = util.spawnv_passfds\n"
        "util.spawnv_passfds = lambda *words: print(words[1][-1]) or spawn(*words)\n"
        "tracker.ensure_running()\n"
        "time.sleep(0.3)\n"
        "print(tracker._resource_tracker._check_alive())\n",
    )
    outcome = machine.coral(*_run(machine, "program.py")).require(0)
    assert re.fullmatch(rf"{TRACKER};main\(\d+\)\nTrue\n", outcome.stdout)
    assert "under its lock" not in outcome.stderr


def test_strict_children_starts_none_that_cannot_be_covered(machine: Device) -> None:
    machine.write(
        "program.py",
        "import subprocess, sys\n"
        "try:\n    subprocess.run([sys.executable, '-S', '-c', 'print(1)'])\n"
        "except RuntimeError as error:\n    print('refused', error.hint)\n",
    )
    words = ("run", "--locked", "--strict-children", "-c", "runtime.yaml", "--", "program.py")
    outcome = machine.coral(*words)
    assert outcome.stdout == (
        "refused start it with this environment's Python, without `-S`, and keep "
        "`CORAL_LOCK_RUN` in its environment\n"
    )
    assert "error[uncovered-child]: " in outcome.stderr
    assert outcome.code == 78


def test_nothing_is_left_behind(machine: Device) -> None:
    machine.write("program.py", _program(WAYS["spawn"]))
    machine.coral(*_run(machine, "program.py")).require(0)
    assert list((machine.state / "coral-lock" / "runs").iterdir()) == []
    machine.write("killed.py", "import os\nos.kill(os.getpid(), 9)\n")
    assert machine.coral(*_run(machine, "killed.py")).code == -9
    (left,) = (machine.state / "coral-lock" / "runs").iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    assert (left / "session").stat().st_mode & 0o777 == 0o600
    machine.coral(*_run(machine, "program.py")).require(0)
    assert list((machine.state / "coral-lock" / "runs").iterdir()) == []


def test_a_state_directory_that_others_can_write_to_holds_no_session(
    machine: Device, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    forged = tmp_path / "tmp" / f"coral-lock-{os.getuid()}"
    forged.mkdir()
    forged.chmod(0o777)
    env = {"XDG_STATE_HOME": "/proc/none", "TMPDIR": str(tmp_path / "tmp")}
    outcome = machine.coral(*_run(machine, "-c", "print('ran')"), env=env).require(0)
    assert outcome.stdout == "ran\n"
    assert "warning[uncovered-child]: what the program starts runs without the lock" in (
        outcome.stderr
    )
    assert f"`{forged}`: others can write to it" in outcome.stderr
    assert list(forged.iterdir()) == []
    forged.chmod(0o700)
    assert "uncovered" not in machine.coral(*_run(machine, "-c", "1"), env=env).require(0).stderr


def test_strict_children_needs_a_place_for_the_session(machine: Device, tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": "/proc/none", "TMPDIR": "/proc/none"}
    words = ("run", "--locked", "--strict-children", "-c", "runtime.yaml", "--")
    outcome = machine.coral(*words, "-c", "print('ran')", env=env)
    assert (outcome.code, outcome.stdout) == (78, "")
    assert "error: nothing that the program starts could be put under the lock\n" in outcome.stderr


def test_our_own_command_outlives_the_session_that_it_was_started_in(machine: Device) -> None:
    env = {"CORAL_LOCK_RUN": "0:/gone"}
    outcome = machine.coral(*_run(machine, "-c", "print('ran')"), env=env).require(0)
    assert outcome.stdout == "ran\n"
    other = machine.run("python", "-c", "print('ran')", env=env)
    assert (other.code, other.stdout) == (3, "")
    assert "error: this process can't be put under its lock: the program that this process" in (
        other.stderr
    )
    assert "hint: start the program again with `coral-runtime run --locked`" in other.stderr


def test_nobody_reads_what_a_command_prints(machine: Device) -> None:
    for words in ("plugins list", "lock --help", "config schema"):
        script = machine.write("pipe.sh", f'"$1" {words} | true\n')
        finished = subprocess.run(
            ("sh", script, machine.environment.bin / "coral-runtime"),
            cwd=machine.directory,
            env=machine.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "error" not in finished.stderr


def test_a_forged_session_is_refused(machine: Device) -> None:
    machine.write(
        "program.py",
        "import os, subprocess, sys\n"
        "path = os.environ['CORAL_LOCK_RUN'].partition(':')[2]\n"
        "content = open(path, 'rb').read()\n"
        "open(path, 'wb').write(content.replace(b'rknn', b'onnx'))\n"
        "print(subprocess.run([sys.executable, '-c', 'print(1)'], stderr=-1).returncode)\n",
    )
    outcome = machine.coral(*_run(machine, "program.py"))
    assert outcome.stdout == "3\n"


def test_a_report_of_a_child_that_can_t_be_read_counts_as_a_refusal(machine: Device) -> None:
    """Any process of the user can write there, and could have replaced a refusal."""
    code = (
        "import os\n"
        "session = os.environ['CORAL_LOCK_RUN'].partition(':')[2]\n"
        "markers = os.path.join(os.path.dirname(session), 'markers')\n"
        "print(markers)\n"
        "open(markers, 'a').write('5b226578616d706c65225d0a\\n')\n"
    )
    outcome = machine.coral("run", "--locked", "--", "python", "-c", code).require(77)
    assert outcome.stderr.endswith(
        "error[uncovered-child]: what a process of the program reported can't be read, so it may "
        "have refused\n"
        f"  where: {outcome.stdout.strip()}\n"
        "  hint: find out which process wrote there\n"
        "the program ended with 0, but a process that it started was refused or ran without the "
        "lock: see above\n"
    )
    report = machine.coral("report", "show").require(0).json()
    assert (report["outcome"], report["exit_code"]) == ("failed", 77)


def test_without_a_host_a_child_activates_at_the_first_import(device: MakeDevice) -> None:
    machine = device("env-sensitive")
    machine.write("runtime.yaml", "services: {webrtc: here}\n")
    words = ("-c", "runtime.yaml", "--inference-version=0.58.0", "--core-version=0.0.4")
    machine.locked_once(*words)
    body = "import multiprocessing as m\nprint(m.get_context('spawn').Pool(1).map(answer, [0]))"
    for first in (
        "from env_sensitive import coral_plugins",
        "import coral_inference.runtime.plugins",
    ):
        machine.write(
            "answer.py",
            f"def answer(_):\n    {first}\n    from env_sensitive.coral_plugins import SETTINGS\n"
            "    return SETTINGS\n",
        )
        machine.write("program.py", _program(body))
        outcome = machine.coral(*_run(machine, "program.py")).require(0)
        assert outcome.stdout == "[{'webrtc': 'here'}]\n"


STARTS_PYTHON = """
import subprocess, sys
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    done = subprocess.run([sys.executable, "-c", {code!r}], stdout=-1, text=True)
    return done.stdout == {said!r}


spec = PluginSpec(name="starter", activate=activate)
"""


@pytest.mark.parametrize(
    ("code", "said", "exit_code"),
    [
        ("print(1)", "1\n", 0),
        ("import starter; print(1)", "1\n", 78),
        ("import coral_inference; print(1)", "1\n", 78),
    ],
)
def test_a_plugin_that_starts_python_does_not_recurse_for_ever(
    device: MakeDevice, tmp_path: Path, code: str, said: str, exit_code: int
) -> None:
    machine = device(*HOSTS)
    source = STARTS_PYTHON.format(code=code, said=said)
    wheel = make_wheel(tmp_path, "starter", {"starter.py": source}, entry_point="starter:spec")
    machine.install(str(wheel))
    machine.locked()
    outcome = machine.coral("run", "--locked", "--", "-c", "import coral_inference")
    assert outcome.code == exit_code, outcome.stderr
    nested = "RecursionError: plugins start processes in which the same plugins are activated again"
    assert (nested in outcome.stderr) is bool(exit_code)


APP = """\
import json, os
from answer import answer

SEEN = answer()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"].endswith("shutdown"):
                return
    body = json.dumps([os.getpid(), SEEN]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps([os.getpid(), SEEN]).encode()]
"""
SERVERS = {
    "uvicorn": ["uvicorn", "app:app", "--workers", "2", "--port", "PORT"],
    "uvicorn as module": ["-m", "uvicorn", "app:app", "--workers", "2", "--port", "PORT"],
    "gunicorn": ["gunicorn", "app:wsgi", "-w", "2", "-b", "127.0.0.1:PORT"],
    "gunicorn, preloaded": [
        *("gunicorn", "app:wsgi", "-w", "2", "--preload", "-b", "127.0.0.1:PORT"),
    ],
}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _serving(machine: Device, words: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    with open(machine.directory / "server.log", "wb") as log:
        process = subprocess.Popen(
            [
                str(machine.environment.bin / "coral-runtime"),
                *_run(machine, *[word.replace("PORT", str(port)) for word in words]),
            ],
            cwd=machine.directory,
            env=machine.variables(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _ask(machine: Device, port: int) -> tuple[int, object]:
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b""
                while chunk := connection.recv(65536):
                    answer += chunk
            pid, seen = json.loads(answer.partition(b"\r\n\r\n")[2])
            return int(pid), seen
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                raise AssertionError((machine.directory / "server.log").read_text()) from None
            time.sleep(0.1)


@pytest.mark.parametrize("server", SERVERS)
def test_the_workers_of_a_server_are_under_the_lock(machine: Device, server: str) -> None:
    machine.install(server.partition(" ")[0].rstrip(","))
    machine.write("app.py", APP)
    port = _free_port()
    with _serving(machine, SERVERS[server], port) as process:
        pid, seen = _ask(machine, port)
        assert seen == EXPECTED
        assert pid != process.pid
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while (answer := _ask(machine, port))[0] == pid:
            assert time.monotonic() < deadline
        assert answer[1] == EXPECTED
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_workers_that_refuse_end_run_with_its_refusal(machine: Device, server: str) -> None:
    machine.install(server)
    path = machine.site_packages / "my_package" / "coral_plugins.py"
    machine.write(
        "app.py", f"with open({str(path)!r}, 'a') as file:\n    file.write('# changed\\n')\n" + APP
    )
    with _serving(machine, SERVERS[server], _free_port()) as process:
        assert process.wait(60) == 77, (machine.directory / "server.log").read_text()
    assert "digest-mismatch" in str(_report(machine)["findings"])


def test_a_host_module_that_runs_as_main_is_warned_of(device: MakeDevice, tmp_path: Path) -> None:
    machine = device("my-package==1.0.0", "coral-inference==0.0.4")
    wheel = make_wheel(
        tmp_path,
        "inference",
        {"inference/__init__.py": "", "inference/app.py": "print(__name__)\n"},
        version="0.58.0",
    )
    machine.install(str(wheel))
    machine.locked()
    outcome = machine.coral("run", "--locked", "--", "-m", "inference.app").require(0)
    assert outcome.stdout == "__main__\n"
    assert "warning[host-as-main]: " in outcome.stderr
