"""The documented unit, program and image: a crash is started again, a refusal isn't."""

from __future__ import annotations

import configparser
import getpass
import json
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.docs.pages import blocks_of
from tests.support.device import Device
from tests.support.environments import clean_environment
from tests.support.wheelhouse import REPOSITORY

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")
ON_DISK = "/var/tmp"
"""Where files are kept below the root, wherever temporary ones are."""
CRASH = "import sys, time\nprint('ran', flush=True)\ntime.sleep(0.1)\nsys.exit(1)\n"


def _documented(name: str) -> str:
    text = (REPOSITORY / "docs" / "supervisors.md").read_text(encoding="utf-8")
    (block,) = (each for each in blocks_of(text) if each.marker.get("file") == name)
    return block.text


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    made = device("my-package==1.0.0", *HOSTS)
    made.write("runtime.yaml", _documented("runtime.yaml"))
    made.locked_once("-c", "runtime.yaml")
    made.write("app.py", CRASH)
    made.state.mkdir(mode=0o700, exist_ok=True)
    return made


def _here(text: str, machine: Device) -> str:
    """Return a documented text with the places that this machine has."""
    return (
        text.replace("/opt/coral/environment", str(machine.environment.root))
        .replace("/etc/coral", str(machine.directory))
        .replace("/var/lib/coral-runtime", str(machine.state))
    )


def _drift(machine: Device) -> None:
    machine.install("acme-object")


def _damage(machine: Device) -> None:
    (machine.site_packages / "my_package" / "coral_plugins.py").write_text("print('ran')\n")


REFUSALS = {78: _drift, 77: _damage}


def _options(unit: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(unit.replace("\\\n", " "))
    return dict(parser["Service"])


KNOWN_KEYS = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec", "StartLimitBurst"},
    "Service": {
        *("User", "WorkingDirectory", "StateDirectory", "StateDirectoryMode", "ProtectSystem"),
        *("NoNewPrivileges", "ExecStart", "Restart", "RestartSec", "RestartPreventExitStatus"),
    },
    "Install": {"WantedBy"},
}
"""Those of systemd.unit(5), systemd.service(5) and systemd.exec(5) that the unit uses."""


class TestSystemd:
    def test_the_unit_has_known_keys_only(self) -> None:
        parser = configparser.ConfigParser(interpolation=None, strict=True)
        parser.optionxform = str  # type: ignore[assignment]
        parser.read_string(_documented("coral.service").replace("\\\n", " "))
        assert {name: set(parser[name]) for name in parser.sections()} == KNOWN_KEYS

    def test_the_unit_is_one(self, machine: Device, tmp_path: Path) -> None:
        tool = shutil.which("systemd-analyze")
        if tool is None:
            pytest.skip("there is no systemd here")
        unit = tmp_path / "coral.service"
        # Temporary files may be below /dev, where systemd wants no directory of a service.
        with tempfile.TemporaryDirectory(dir=ON_DISK) as place:
            link = Path(place, "temporary")
            link.symlink_to(tempfile.gettempdir())
            text = _here(_documented(unit.name), machine)
            unit.write_text(text.replace(tempfile.gettempdir(), str(link)), encoding="utf-8")
            verified = subprocess.run(
                (tool, "verify", unit), capture_output=True, text=True, check=False
            )
        assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")

    def _start(self, machine: Device) -> tuple[int, bool]:
        """Do what the unit's command does; return its code and whether systemd starts again."""
        options = _options(_here(_documented("coral.service"), machine))
        finished = subprocess.run(
            shlex.split(options["ExecStart"]),
            cwd=options["WorkingDirectory"],
            env=machine.variables(),
            capture_output=True,
            check=False,
        )
        assert options["Restart"] == "on-failure"
        code = finished.returncode
        prevented = map(int, options["RestartPreventExitStatus"].split())
        return code, code != 0 and code not in prevented

    def test_a_crash_restarts(self, machine: Device) -> None:
        assert self._start(machine) == (1, True)

    @pytest.mark.parametrize("code", REFUSALS)
    def test_a_refusal_does_not_loop(self, machine: Device, code: int) -> None:
        REFUSALS[code](machine)
        assert self._start(machine) == (code, False)
        report = json.loads((machine.state / "report.json").read_text(encoding="utf-8"))
        assert report["outcome"] == "refused"


def test_a_full_disk_may_pass(machine: Device) -> None:
    namespace = _namespace()
    if namespace is None:
        pytest.skip("this user can't make a mount namespace")
    script = (
        f"mount -t tmpfs -o nr_inodes=1,mode=0700 none {machine.state}\n"
        'exec "$0" run --locked --state-dir "$1" -- python app.py\n'
    )
    words = (str(machine.environment.bin / "coral-runtime"), str(machine.state))
    finished = subprocess.run(
        [*namespace, "sh", "-ec", script, *words],
        cwd=machine.directory,
        env=machine.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No space left on device" in finished.stderr
    assert (finished.returncode, finished.stdout) == (75, "")


class Supervisord:
    """The real supervisord with the documented program, and what it says."""

    def __init__(self, machine: Device, directory: Path) -> None:
        self._log = directory / "log"
        program = _here(_documented("supervisord.conf"), machine)
        program = program.replace("user=coral", f"user={getpass.getuser()}")
        configuration = directory / "supervisord.conf"
        configuration.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile={directory}/own-log\n"
            f"pidfile={directory}/pid\nchildlogdir={directory}\n{program}",
            encoding="utf-8",
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "supervisor.supervisord", "-c", configuration),
                env=machine.variables(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str, count: int = 1) -> str:
        """Return what has been said, once it holds `text` that often."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            said = self._log.read_text(encoding="utf-8")
            if said.count(text) >= count:
                return said
            assert self._process.poll() is None, said
            time.sleep(0.05)
        raise AssertionError(f"`{text}` isn't in:\n{said}")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


class TestSupervisord:
    @pytest.fixture
    def supervise(self, machine: Device, tmp_path: Path) -> Iterator[Callable[[], Supervisord]]:
        started: list[Supervisord] = []

        def start() -> Supervisord:
            started.append(Supervisord(machine, tmp_path))
            return started[-1]

        yield start
        for each in started:
            each.stop()

    def test_a_crash_restarts(self, supervise: Callable[[], Supervisord]) -> None:
        said = supervise().wait_for("spawned: 'inference'", 3)
        assert said.count("exited: inference (exit status 1; not expected)") >= 2

    def test_a_signal_that_kills_restarts(
        self, supervise: Callable[[], Supervisord], machine: Device
    ) -> None:
        machine.write("app.py", "import os\nos.kill(os.getpid(), 9)\n")
        said = supervise().wait_for("spawned: 'inference'", 2)
        assert "terminated by SIGKILL; not expected" in said

    @pytest.mark.parametrize("code", REFUSALS)
    def test_a_refusal_does_not_loop(
        self, supervise: Callable[[], Supervisord], machine: Device, code: int
    ) -> None:
        REFUSALS[code](machine)
        supervisor = supervise()
        supervisor.wait_for(f"exited: inference (exit status {code}; expected)")
        time.sleep(3)
        assert supervisor.wait_for("spawned: 'inference'").count("spawned: 'inference'") == 1

    def test_a_stop_reaches_the_program(
        self, supervise: Callable[[], Supervisord], machine: Device, tmp_path: Path
    ) -> None:
        machine.write(
            "app.py",
            "import signal, sys, time\n"
            "def stop(*_):\n    open('stopped', 'w').close()\n    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, stop)\nopen('ready', 'w').close()\ntime.sleep(60)\n",
        )
        supervisor = supervise()
        deadline = time.monotonic() + 30
        while not (machine.directory / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        supervisor.stop()
        assert (machine.directory / "stopped").exists()


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line)
    ]


def _namespace() -> list[str] | None:
    """Return the words for a mount namespace with a read-only root, where this user may."""
    for words in (["unshare", "-m"], ["unshare", "-rm"]):
        script = "mount -o remount,bind,ro / && ! touch /tmp/read-only 2>/dev/null"
        try:
            tried = subprocess.run([*words, "sh", "-c", script], capture_output=True, check=False)
        except FileNotFoundError:
            return None
        if tried.returncode == 0:
            return words
    return None


def _other_user() -> tuple[int, str]:
    """Return a user id and the command that becomes that user, where it can use this Python."""
    drop = "setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs"
    try:
        tried = subprocess.run([*drop.split(), sys.executable, "-c", ""], check=False)
    except FileNotFoundError:
        return 0, ""
    return (10001, drop) if tried.returncode == 0 else (0, "")


class TestTheImage:
    """Its commands are run here, in directories that stand for those of the image."""

    KNOWN = frozenset({"FROM", "RUN", "COPY", "WORKDIR", "USER", "ENV", "ENTRYPOINT", "CMD"})

    @pytest.fixture
    def image(self, machine: Device, wheelhouse: Path) -> Iterator[Path]:
        """Build the image's directories as its instructions say, and yield their root."""
        root = Path(tempfile.mkdtemp(prefix="coral-image-", dir=ON_DISK))
        root.chmod(0o755)
        context = machine.directory
        shutil.copytree(wheelhouse, context / "wheelhouse")
        machine.coral(
            "export", "--format", "requirements", "--wheels", "wheelhouse", "-o", "requirements.txt"
        ).require(0)
        for place in ("opt/coral", "etc/coral", "var/lib"):
            (root / place).mkdir(parents=True)
        directory = root
        for word, rest in _instructions(_documented("Dockerfile")):
            assert word in self.KNOWN
            if word == "COPY":
                *sources, target = rest.split()
                for source in sources:
                    copied = Path(f"{root}{target}")
                    if target.endswith("/"):
                        copied /= source
                    if (context / source).is_dir():
                        shutil.copytree(context / source, copied)
                    else:
                        shutil.copy(context / source, copied)
            elif word == "WORKDIR":
                directory = Path(f"{root}{rest}")
            elif word == "RUN" and not rest.startswith("useradd "):
                self._shell(self._in(root, rest), directory)
        yield root
        shutil.rmtree(root)

    @staticmethod
    def _in(root: Path, words: str) -> str:
        words = words.replace("-o coral -g coral ", "").replace(
            "python -m venv", f"{sys.executable} -m venv"
        )
        for place in ("/opt/coral", "/etc/coral", "/var/lib"):
            words = words.replace(place, f"{root}{place}")
        return words

    @staticmethod
    def _shell(command: str, directory: Path) -> None:
        done = subprocess.run(
            ("sh", "-ec", command),
            cwd=directory,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _start(self, image: Path) -> subprocess.CompletedProcess[str]:
        """Start the container: its own words, a read-only root, and an empty state directory."""
        namespace = _namespace()
        if namespace is None:
            pytest.skip("this user can't make a mount namespace")
        instructions = dict(_instructions(_documented("Dockerfile")))
        words = json.loads(instructions["ENTRYPOINT"]) + json.loads(instructions["CMD"])
        state = f"{image}/var/lib/coral-runtime"
        user, drop = _other_user()
        script = (
            f"mount -t tmpfs -o mode=0700,uid={user},gid={user} none {state}\n"
            "mount -o remount,bind,ro /\n"
            f'cd {image}/etc/coral\nexec {drop} "$@"\n'
        )
        return subprocess.run(
            [*namespace, "sh", "-ec", script, "sh", *(self._in(image, word) for word in words)],
            env=clean_environment(dict([instructions["ENV"].split("=", 1)])),
            capture_output=True,
            text=True,
            check=False,
        )

    def test_a_program_runs_on_a_read_only_root_until_it_is_changed(self, image: Path) -> None:
        (image / "etc/coral/app.py").write_text(
            "import coral_inference, os, sys\n"
            "try:\n    open('written', 'w')\nexcept OSError as error:\n    print(error.strerror)\n"
            "print('my_package' in sys.modules, os.getuid())\nsys.exit(5)\n"
        )
        finished = self._start(image)
        said = f"Read-only file system\nTrue {_other_user()[0]}\n"
        assert finished.stdout == said, finished.stderr
        assert finished.returncode == 5
        (changed,) = image.glob("opt/coral/environment/lib/*/site-packages/my_package/coral_*.py")
        changed.write_text("print('ran')\n")
        finished = self._start(image)
        assert (finished.returncode, finished.stdout) == (77, "")
