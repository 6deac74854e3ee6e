"""The releases on a device: begun, built, switched to, confirmed, removed.

Command: `python3 -I - COMMAND ROOT RELEASE …`, this file being standard input. It needs nothing but
Python 3.8 and prints what there is as one JSON object:

- `look ROOT RELEASE` changes nothing;
- `begin ROOT RELEASE` makes an empty directory for a release that isn't whole;
- `build ROOT RELEASE REQUIREMENT [TARGET]` installs coral-lock by that requirement, and then what
  the lock pins, from the wheels in the directory;
- `switch ROOT RELEASE` makes a release that was verified the current one;
- `back ROOT RELEASE` makes the previous one current again;
- `confirm ROOT RELEASE KEEP` notes that the release has started, and removes old ones.

A release is the directory `releases/RELEASE` of `ROOT` with `coral.lock` and `environment`. It is
whole once it holds the file `whole`, which is written after all the rest has reached the disk; the
file `started` says that it has started once. What is current is the link `current`, which is
replaced by renaming another one over it: at any moment it leads to a whole release.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import zipfile

CURRENT, PREVIOUS = "current", "previous"
WHOLE, STARTED = "whole", "started"
_TIMEOUT_SECONDS = 1800


def main(words: list[str]) -> None:
    """Run a command and print what there is then.

    Raises:
        SystemExit: it can't be done; the message says why.
    """
    # What runs from a release may be another user than the one that installs it.
    os.umask(0o022)
    command, root, release, *rest = words
    releases = Releases(root)
    acted = True
    if command == "begin":
        acted = releases.begin(release)
    elif command == "build":
        releases.build(release, *rest)
    elif command == "switch":
        releases.switch(release)
    elif command == "back":
        releases.go_back(release)
    elif command == "confirm":
        releases.confirm(release, int(rest[0]))
    elif command != "look":
        sys.exit(f"there is no command `{command}`")
    current, directory = releases.target(CURRENT), releases.directory(release)
    facts = {
        "began": command == "begin" and acted,
        "went_back": command == "back",
        "current": current,
        "previous": releases.target(PREVIOUS),
        "is_whole": os.path.isfile(os.path.join(directory, WHOLE)),
        "is_deployed": current == release and os.path.isfile(os.path.join(directory, STARTED)),
        "releases": releases.names(),
    }
    print(json.dumps(facts))


class Releases:
    """The releases below a directory."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self._all = os.path.join(self._root, "releases")

    def directory(self, release: str) -> str:
        """Return the directory of a release."""
        return os.path.join(self._all, release)

    def names(self) -> list[str]:
        """Return the names of all releases, sorted."""
        return sorted(os.listdir(self._all)) if os.path.isdir(self._all) else []

    def target(self, link: str) -> str | None:
        """Return which release a link leads to, None where there is no such whole release."""
        path = os.path.join(self._root, link)
        try:
            name = os.path.basename(os.readlink(path))
        except OSError:
            return None
        return name if self._is(name, WHOLE) else None

    def begin(self, release: str) -> bool:
        """Make an empty directory for a release; return False where it is whole already."""
        if self._is(release, WHOLE):
            return False
        directory = self.directory(release)
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(os.path.join(directory, "wheels"), mode=0o755)
        return True

    def build(self, release: str, requirement: str, target: str = "") -> None:
        """Make the environment of a release from its wheels."""
        directory = self.directory(release)
        environment = os.path.join(directory, "environment")
        wheels = os.path.join(directory, "wheels")
        _run(sys.executable, "-I", "-m", "venv", "--clear", "--without-pip", environment)
        python = os.path.join(environment, "bin", "python")
        pip = [python, _unpacked_pip(wheels, directory), "--isolated", "install", "--quiet"]
        pip += ["--disable-pip-version-check", "--no-index", "--find-links", wheels]
        _run(*pip, requirement)
        pins = os.path.join(directory, "requirements.txt")
        export = ["export", "--format", "requirements", "--wheels", wheels, "--output", pins]
        export += ["--lock", os.path.join(directory, "coral.lock")]
        _run(python, "-m", "coral_lock", *export, *(("--target", target) if target else ()))
        # A host has a command of the same name, which is installed over ours.
        command = os.path.join(environment, "bin", "coral-runtime")
        ours = _content(command)
        _run(*pip, "--no-deps", "--require-hashes", "--requirement", pins)
        if _content(command) != ours:
            with open(command, "wb") as file:
                file.write(ours)

    def switch(self, release: str) -> None:
        """Note that a release is whole, and make it the current one."""
        directory = self.directory(release)
        if not self._is(release, WHOLE):
            for unpacked in ("pip", "wheels"):
                shutil.rmtree(os.path.join(directory, unpacked), ignore_errors=True)
            # All of it has to be on the disk before anything says that it is.
            os.sync()
            self._note(release, WHOLE)
        current = self.target(CURRENT)
        if current != release:
            if current is not None:
                self._link(PREVIOUS, current)
            self._link(CURRENT, release)

    def go_back(self, release: str) -> None:
        """Make the previous release current again, or none where there was none."""
        previous = self.target(PREVIOUS)
        if self.target(CURRENT) != release:
            return
        if previous is not None and previous != release:
            self._link(CURRENT, previous)
        else:
            os.unlink(os.path.join(self._root, CURRENT))
            _sync(self._root)

    def confirm(self, release: str, keep: int) -> None:
        """Note that a release has started, and remove all but the newest `keep`.

        The current one and the previous one stay, and what isn't whole goes.
        """
        self._note(release, STARTED)
        whole = [name for name in self.names() if self._is(name, WHOLE)]
        whole.sort(key=lambda name: os.stat(os.path.join(self.directory(name), WHOLE)).st_mtime_ns)
        kept = {*whole[max(len(whole) - keep, 0) :], self.target(CURRENT), self.target(PREVIOUS)}
        for name in self.names():
            if name not in kept:
                self._remove(name)

    def _remove(self, release: str) -> None:
        """Remove a release: from the first moment on it isn't whole."""
        directory = self.directory(release)
        try:
            os.unlink(os.path.join(directory, WHOLE))
            _sync(directory)
        except FileNotFoundError:
            pass
        shutil.rmtree(directory)

    def _is(self, release: str, mark: str) -> bool:
        return os.path.isfile(os.path.join(self.directory(release), mark))

    def _note(self, release: str, mark: str) -> None:
        directory = self.directory(release)
        with open(os.path.join(directory, mark), "wb") as file:
            os.fsync(file.fileno())
        _sync(directory)

    def _link(self, link: str, release: str) -> None:
        """Lead a link to a release, whatever it led to, in one step that lasts."""
        temporary = os.path.join(self._root, f".{link}")
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.symlink(os.path.join("releases", release), temporary)
        os.rename(temporary, os.path.join(self._root, link))
        _sync(self._root)


def _unpacked_pip(wheels: str, directory: str) -> str:
    """Unpack a pip that is among the wheels, so that the device needs none.

    Returns:
        The directory that an interpreter runs.

    Raises:
        SystemExit: there is none.
    """
    found = sorted(glob.glob(os.path.join(glob.escape(wheels), "pip-*-py3-none-any.whl")))
    if not found:
        sys.exit(
            "there is no wheel of pip among the wheels\n"
            "hint: `pip download --only-binary :all: --dest DIR pip coral-lock` fetches what the "
            "lock doesn't pin"
        )
    unpacked = os.path.join(directory, "pip")
    with zipfile.ZipFile(found[-1]) as archive:
        archive.extractall(unpacked)
    return os.path.join(unpacked, "pip")


def _run(*words: str) -> None:
    """Run a program.

    Raises:
        SystemExit: it failed; the message is what it printed.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))
    }
    finished = subprocess.run(
        words,
        cwd="/",
        env={**environment, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if finished.returncode:
        sys.exit(finished.stdout.decode("utf-8", "replace") or f"{words[0]} failed")


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"the system refused: {error.strerror}: {error.filename}")
    except subprocess.TimeoutExpired as error:
        sys.exit(f"ended after {error.timeout:.0f} seconds: {' '.join(error.cmd)}")
