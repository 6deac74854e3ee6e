"""Children that nobody reviewed: bounded, and gone with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from coral_lock.author.run import run_trial
from coral_lock.child_process import ANSWER, ChildEnd, bare_environment, run_child
from coral_lock.children.session import VARIABLE
from coral_lock.inventory import EntryPoint
from coral_lock.probe.run import ProbeError, probe

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has what it takes")
HEAD = "from coral_inference.runtime.plugins import PluginSpec\n"
SPEC = "plugin = PluginSpec('acme', lambda config: True)\n"
DAEMON = """
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open({proof!r}, "w") as proof:
            print(os.getpid(), file=proof, flush=True)
        os.closerange(3, 256)
        os.execve("/bin/sleep", ["sleep", "600"], {{}})
    os._exit(0)
os.wait()
while not os.path.exists({proof!r}) or not open({proof!r}).read(): pass
"""
"""Leaves a process behind in a session of its own, with no variables and other parents."""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="children are bounded on POSIX")


def _run(code: str, *arguments: str, time_limit: float = 20.0, **options: object) -> ChildEnd:
    return run_child(
        (sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *arguments),
        time_limit=time_limit,
        environment=options.pop("environment", {}),  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )


def _is_running(proof: Path) -> bool:
    try:
        status = Path(f"/proc/{int(proof.read_text())}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_what_a_child_gives_and_how_it_ends() -> None:
    end = _run(
        "import os, sys; print(sys.stdin.read()); print('no', file=sys.stderr)\n"
        "os.write(int(sys.argv[1]), b'yes'); sys.exit(7)",
        ANSWER,
        content=b"x" * 200_000,
        errors_apart=True,
    )
    assert end == ChildEnd(
        ending="exited with code 7",
        exit_code=7,
        output=b"x" * 200_000 + b"\n",
        errors=b"no\n",
        answer=b"yes",
    )
    end = _run("import os; os.kill(os.getpid(), 11)")
    assert (end.ending, end.exit_code) == ("was killed by SIGSEGV", -signal.SIGSEGV)
    assert _run("pass").ending is None
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        run_child(("/nowhere",), time_limit=1, environment={})


def test_a_child_sees_nothing_but_what_it_is_given() -> None:
    code = "import os; print(sorted(os.environ)); print(len(os.listdir('/dev/fd')))"
    end = _run(code, environment={"KEPT": "1", VARIABLE: "x:/y"})
    names, descriptors = end.output.decode().splitlines()
    assert "KEPT" in names
    assert VARIABLE not in names
    assert int(descriptors) == 5  # The three standard ones, the answer's, and that of the list.
    given = {"PYTHONPATH": "x", "CORAL_SECRET": "x", VARIABLE: "x", "HOME": "/"}
    assert bare_environment(given) == {"HOME": "/"}


def test_signals_are_as_they_are_for_any_program() -> None:
    code = "import signal as s; print([s.getsignal(n).name for n in (s.SIGCHLD, s.SIGTERM)])"
    assert _run(code).output == b"['SIG_DFL', 'SIG_DFL']\n"


ENDLESS = "import os, sys\nwhile True: os.write({}, b'x' * 4096)"


@pytest.mark.parametrize(
    ("code", "ending", "time_limit"),
    [
        ("while True: pass", "took longer than 0.5 s", 0.5),
        ("import os, signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\n"
         "time.sleep(600)", "took longer than 0.5 s", 0.5),
        (ENDLESS.format(1), "printed more than 9 KiB", 20),
        (ENDLESS.format(2), "printed more than 9 KiB", 20),
        (ENDLESS.format("int(sys.argv[1])"), "answered with more than 9 KiB", 20),
        ("import os\nos.write(1, b'x' * 10_000)\nwhile True: pass", "printed more than 9 KiB", 20),
    ],
)  # fmt: skip
@pytest.mark.parametrize("errors_apart", [False, True])
def test_a_child_that_does_not_end(
    code: str, ending: str, time_limit: float, errors_apart: bool
) -> None:
    end = _run(
        code,
        ANSWER,
        time_limit=time_limit,
        most_output=9 << 10,
        most_answer=9 << 10,
        errors_apart=errors_apart,
    )
    assert (end.ending, end.exit_code) == (ending, -signal.SIGKILL)
    assert max(map(len, (end.output, end.errors, end.answer))) <= 9 << 10


def test_too_much_output_of_a_child_that_ended() -> None:
    code = "import os; os.write(1, b'x' * 10_000); os._exit(0)"
    # A child that is slower than the reading of what it printed is killed instead.
    ends = (_run(code, most_output=1 << 10) for _ in range(50))
    end = next(end for end in ends if end.exit_code == 0)
    assert (end.ending, end.exit_code) == ("printed more than 1 KiB", 0)
    assert end.output == b"x" * 1024


@linux
def test_memory_is_limited() -> None:
    code = "x = bytearray({} << 20); print('fine')"
    assert _run(code.format(100), memory_limit=500 << 20).output == b"fine\n"
    assert b"MemoryError" in _run(code.format(600), memory_limit=500 << 20).output
    child = "import subprocess, sys; subprocess.call([sys.executable, '-I', '-c', sys.argv[1]])"
    end = _run(child, code.format(600), memory_limit=500 << 20)
    assert b"MemoryError" in end.output


@linux
@pytest.mark.parametrize(
    "after", ["", "os.kill(os.getpid(), 9)", "import time; time.sleep(600)", "os._exit(0)"]
)
def test_a_daemon_is_ended(tmp_path: Path, after: str) -> None:
    proof = tmp_path / "proof"
    _run(DAEMON.format(proof=str(proof)) + after, time_limit=3.0)
    assert proof.exists()
    assert not _is_running(proof)


@linux
def test_a_crowd_of_daemons_is_ended(tmp_path: Path) -> None:
    """Each starts another before it ends, so that there is always one more."""
    code = f"""
    import os
    for number in range(20):
        if os.fork() == 0:
            os.setsid()
            while True:
                if os.fork() == 0:
                    os.setsid()
                    open({str(tmp_path)!r} + "/" + str(os.getpid()), "w").close()
                    continue
                os._exit(0)
    import time; time.sleep(0.3)
    """
    _run(code)
    number = len(list(tmp_path.iterdir()))
    time.sleep(0.2)
    assert number == len(list(tmp_path.iterdir()))


@linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_one_who_asked(tmp_path: Path, number: signal.Signals) -> None:
    proof = tmp_path / "proof"
    code = DAEMON.format(proof=str(proof)) + "\nwhile True: pass"
    asking = (
        "import signal, sys\nfrom coral_lock.child_process import run_child\n"
        # A shell's background job ignores it, and so does what that starts.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"run_child((sys.executable, '-c', {code!r}), time_limit=600, environment={{}})\n"
    )
    with subprocess.Popen((sys.executable, "-c", asking), stderr=subprocess.DEVNULL) as process:
        while not proof.exists() or not proof.read_text():
            time.sleep(0.01)
        process.send_signal(number)
    for _ in range(500):
        if not _is_running(proof):
            return
        time.sleep(0.01)
    pytest.fail("the daemon lives on")


@linux
def test_a_child_that_kills_its_keeper_ends_with_it(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    code = f"""
    import os
    with open({str(proof)!r}, "w") as file:
        print(os.getpid(), file=file)
    os.kill(os.getppid(), 9)
    while True: pass
    """
    assert _run(code).exit_code == -signal.SIGKILL
    for _ in range(500):
        if not _is_running(proof):
            return
        time.sleep(0.01)
    pytest.fail("the child lives on")


def _plugin(directory: Path, text: str) -> EntryPoint:
    (directory / "hostile.py").write_text(HEAD + text, encoding="utf-8")
    return EntryPoint(group="patches", name="acme", value="hostile:plugin")


@linux
def test_a_daemon_of_a_probed_plugin_is_ended(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    entry_point = _plugin(tmp_path, DAEMON.format(proof=str(proof)) + SPEC)
    (found,) = probe(entry_point, python=sys.executable, path=[str(tmp_path)])
    assert found.name == "acme"
    assert proof.exists()
    assert not _is_running(proof)


@linux
def test_a_daemon_of_a_checked_plugin_is_ended(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    entry_point = _plugin(tmp_path, DAEMON.format(proof=str(proof)) + SPEC)
    trial = run_trial(entry_point, [str(tmp_path)])
    assert trial.ending is None
    assert proof.exists()
    assert not _is_running(proof)


@linux
def test_a_probe_has_limited_memory(tmp_path: Path) -> None:
    entry_point = _plugin(tmp_path, "x = bytearray(5 << 30)\n" + SPEC)
    with pytest.raises(ProbeError) as refused:
        probe(entry_point, python=sys.executable, path=[str(tmp_path)])
    assert str(refused.value) == (
        "importing `hostile` raised MemoryError (hostile.py:2): it may use 4 GiB"
    )
