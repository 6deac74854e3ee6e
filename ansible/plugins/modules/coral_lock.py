#!/usr/bin/python
# Part of coral-lock, under the Apache License, Version 2.0.
"""Ask the coral-lock of a device whether the device is what a lock says, and report it.

It needs nothing on the device but Python 3.8 for itself, and the environment with coral-lock that
it asks.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: coral_lock
short_description: Compare a device with its reviewed lock, or accept a signed one
version_added: 0.1.0
description:
  - Runs C(coral-runtime verify) of an environment on the device, and returns every deviation from
    the lock. Nothing is installed, and no plugin is run.
  - A device that deviates fails the task. Its findings are in the result all the same.
  - With O(state=accepted), runs C(coral-runtime accept), so that the device may start from the
    lock.
author:
  - The authors of coral-lock
options:
  state:
    description:
      - V(verified) compares the device with the lock.
      - V(accepted) verifies the signatures of the lock, and writes down that it may start.
    type: str
    choices: [verified, accepted]
    default: verified
  lock:
    description:
      - The lock on the device.
    type: path
    required: true
  python:
    description:
      - The interpreter of the environment with coral-lock, such as
        C(/opt/coral/current/environment/bin/python).
      - By default the one that Ansible uses on the device.
    type: path
  integrity:
    description:
      - With O(state=verified), which files are hashed. V(full) are those of every locked
        distribution, V(imports) those of the distributions with plugins, V(metadata) none.
    type: str
    choices: [full, imports, metadata]
    default: full
  target:
    description:
      - With O(state=verified), the target of the lock that the device has to be. By default the
        one that is like it.
    type: str
  accepted:
    description:
      - With O(state=verified), insist on a lock that was accepted on the device.
    type: bool
    default: false
  trust_dir:
    description:
      - The directory on the device with what was accepted. By default C(/var/lib/coral-lock).
    type: path
  signature:
    description:
      - With O(state=accepted), the file of the signatures on the device. By default O(lock) with
        C(.sig) behind it.
    type: path
  keyring:
    description:
      - With O(state=accepted), the directory on the device with the public keys that it trusts. By
        default C(/etc/coral-lock/keyring).
    type: path
  channel:
    description:
      - With O(state=accepted), the channel of the device. By default that of the keyring.
    type: str
  keep_previous:
    description:
      - With O(state=accepted), whether the lock accepted before may still start, until this one is
        accepted without it.
    type: bool
    default: false
  allow_rollback:
    description:
      - With O(state=accepted), the reason for accepting a lock with a lower serial than one that
        was accepted before. Reports have it until the next lock is accepted.
    type: str
  state_dir:
    description:
      - The state directory on the device, where its reports are. By default that of the user.
    type: path
  device_id:
    description:
      - With O(state=verified), what the report calls the device, such as C(inventory_hostname). By
        default an id that is derived from that of the machine.
    type: str
  reports:
    description:
      - With O(state=verified), whether the reports that nobody has fetched are returned, too. They
        stay on the device, in RV(reports_files), until somebody removes those files once the
        reports are stored.
    type: bool
    default: false
  timeout:
    description:
      - After so many seconds the device is taken for one that doesn't answer.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: Compares and verifies as ever, and writes nothing down.
  diff_mode:
    support: full
    description: What was found on the device and what the lock says, or what was accepted before
      and after.
  platform:
    support: full
    platforms: posix
    description: Where Coral Runtime runs.
notes:
  - A failed task shows its diff only where O(ignore:failed_when) makes it one that didn't fail. It
    is in the result in any case.
"""

EXAMPLES = r"""
- name: Compare every device with its lock
  coral.runtime.coral_lock:
    lock: /opt/coral/current/coral.lock
    python: /opt/coral/current/environment/bin/python

- name: Look quickly, and go on with devices that deviate
  coral.runtime.coral_lock:
    lock: /opt/coral/current/coral.lock
    python: /opt/coral/current/environment/bin/python
    integrity: imports
  register: coral_lock
  ignore_errors: true

- name: Name what deviates
  ansible.builtin.debug:
    msg: "{{ coral_lock.findings | map(attribute='code') | unique }}"
  when: coral_lock is failed and coral_lock.findings is defined

- name: Accept a release, and let the one before still start
  coral.runtime.coral_lock:
    state: accepted
    lock: /opt/coral/releases/7/coral.lock
    python: /opt/coral/releases/7/environment/bin/python
    keep_previous: true
"""

RETURN = r"""
exit_code:
  description:
    - That of the command on the device. V(0) it holds, V(1) it doesn't, V(2) bad input, V(3) bytes
      differ from the lock. It is null where the command couldn't be run or didn't end.
  returned: always
  type: int
  sample: 3
findings:
  description: The deviations, errors first, at most 1,000 of them.
  returned: when the device was compared
  type: list
  elements: dict
  contains:
    code:
      description: What kind of deviation it is.
      type: str
      sample: digest-mismatch
    severity:
      description: V(error) or V(warning).
      type: str
      sample: error
    subject:
      description: The plugin or distribution that it is about.
      type: str
      sample: my-package
    summary:
      description: What deviates, in one sentence.
      type: str
    expected:
      description: What the lock says.
      type: str
    found:
      description: What was found.
      type: str
    where:
      description: The file, or the place in the lock.
      type: str
    hint:
      description: What helps.
      type: str
findings_total:
  description: How many deviations there are.
  returned: when the device was compared
  type: int
  sample: 1
target:
  description: The target of the lock that the device is, null where the lock has none.
  returned: when the device was compared
  type: str
report:
  description: What the device reports of the comparison, null where it can't write that down.
  returned: when the device was compared
  type: dict
reports:
  description: The reports that nobody has fetched, the oldest first, each as the text of one line.
  returned: when O(reports) is set
  type: list
  elements: str
reports_files:
  description: The files on the device that hold them. Remove them once the reports are stored.
  returned: when O(reports) is set
  type: list
  elements: str
acceptance:
  description: What is accepted now, or would be but for check mode.
  returned: when the lock is accepted
  type: dict
  contains:
    channel:
      description: For which channel.
      type: str
      sample: default
    serial:
      description: The serial of the lock.
      type: int
      sample: 7
    sha256:
      description: The SHA-256 of the lock's bytes.
      type: str
    signers:
      description: The ids of the keys whose signatures were valid.
      type: list
      elements: str
    rollback:
      description: Why a lower serial was accepted, null where it isn't lower.
      type: str
    previous:
      description: The SHA-256 of the lock that may still start, null where there is none.
      type: str
diff:
  description: What was found and what the lock says, of the deviations that are errors; or what was
    accepted before and after.
  returned: when the device was compared, or the lock is accepted
  type: dict
"""

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TRUST_DIRECTORY = "/var/lib/coral-lock"
_RECORD = "accepted.json"
MAX_OUTPUT_BYTES = 16 << 20
MAX_FINDINGS = 1_000
_LONGEST_MESSAGE = 2_000
_HOLDS = 0
_BYTES_DIFFER = 3
_FIELDS = ("code", "severity", "subject", "summary", "expected", "found", "where", "hint")
_UNPRINTABLE = re.compile(
    r"[^\t\n -~\u00a1-\u061b\u061d-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\ue000-\ufefe"
    r"\uff00-\uffef]"
)
"""Controls, marks of direction, what has no width, and halves of characters."""


class Failure(Exception):
    """What `main` fails with: a message and further keys of the result."""

    def __init__(self, message: str, **result: Any) -> None:
        super().__init__(message)
        self.result = result


def main() -> None:
    """Run the module. The result is printed as JSON, by Ansible's own code."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["verified", "accepted"],
                "default": "verified",
            },
            "lock": {"type": "path", "required": True},
            "python": {"type": "path"},
            "integrity": {
                "type": "str",
                "choices": ["full", "imports", "metadata"],
                "default": "full",
            },
            "target": {"type": "str"},
            "accepted": {"type": "bool", "default": False},
            "trust_dir": {"type": "path"},
            "signature": {"type": "path"},
            "keyring": {"type": "path"},
            "channel": {"type": "str"},
            "keep_previous": {"type": "bool", "default": False},
            "allow_rollback": {"type": "str"},
            "state_dir": {"type": "path"},
            "device_id": {"type": "str"},
            "reports": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    device = Device(parameters["python"] or sys.executable, parameters["timeout"])
    lock = os.path.abspath(parameters["lock"])
    result = {"changed": False, "exit_code": None}
    problem = None
    with tempfile.TemporaryDirectory() as scratch:
        try:
            device.require(lock)
            if parameters["state"] == "accepted":
                result = _accept(device, lock, parameters, scratch if module.check_mode else None)
            else:
                result = _verify(device, lock, parameters, scratch if module.check_mode else None)
        except Failure as failure:
            result.update(failure.result)
            problem = str(failure)
    if parameters["reports"]:
        # Those of a device that deviates are wanted most.
        try:
            result.update(_reports(device, parameters, stays=module.check_mode))
        except Failure as failure:
            problem = problem or str(failure)
    if problem is not None:
        module.fail_json(msg=problem, **result)
    module.exit_json(**result)


def _verify(
    device: Device, lock: str, parameters: dict[str, Any], scratch: str | None
) -> dict[str, Any]:
    """Return the result of a device that holds.

    Args:
        device: the device.
        lock: the lock.
        parameters: those of the module.
        scratch: a directory for the report in check mode, which leaves nothing on the device.

    Raises:
        Failure: it doesn't, or couldn't be asked.
    """
    options = ["--lock", lock, *_options(parameters, "integrity", "target")]
    if parameters["accepted"]:
        options += ["--accepted", *_options(parameters, "trust_dir")]
    reporting = {**parameters, "state_dir": scratch or parameters["state_dir"]}
    options += _options(reporting, "state_dir", "device_id")
    code, document = device.ask("verify", *options, "--output-format", "json")
    findings = [_finding(each) for each in _list(document, "findings")]
    errors = [each for each in findings if each["severity"] == "error"]
    result = {
        "changed": False,
        "exit_code": code,
        "findings": findings[:MAX_FINDINGS],
        "findings_total": len(findings),
        "target": document.get("target"),
        "report": _report(scratch or _state_directory(parameters)),
        "diff": _difference(lock, errors[:MAX_FINDINGS]),
    }
    if code == _HOLDS:
        return result
    codes = ", ".join(sorted({each["code"] for each in errors}))
    what = "bytes differ from" if code == _BYTES_DIFFER else "the device deviates from"
    first = f"; the first: {errors[0]['summary']}" if errors else ""
    raise Failure(_shown(f"{what} {lock}: {codes or 'no reason is given'}{first}"), **result)


def _accept(
    device: Device, lock: str, parameters: dict[str, Any], scratch: str | None
) -> dict[str, Any]:
    """Return the result of a lock that is accepted.

    Args:
        device: the device.
        lock: the lock.
        parameters: those of the module.
        scratch: a directory for a copy of the record in check mode, which changes that alone.

    Raises:
        Failure: it isn't accepted.
    """
    trusted = parameters["trust_dir"] or _TRUST_DIRECTORY
    names = ("signature", "keyring", "channel", "allow_rollback")
    options = ["--lock", lock, *_options(parameters, *names), "--output-format", "json"]
    if parameters["keep_previous"]:
        options.append("--keep-previous")
    before = _text(os.path.join(trusted, _RECORD))
    if scratch is not None:
        record = os.path.join(trusted, _RECORD)
        if os.path.lexists(record):
            shutil.copy2(record, scratch, follow_symlinks=False)
        trusted = scratch
    if parameters["trust_dir"] is not None or scratch is not None:
        options += ["--trust-dir", trusted]
    code, document = device.ask("accept", *options)
    after = _text(os.path.join(trusted, _RECORD))
    return {
        "changed": bool(document.pop("changed", True)),
        "exit_code": code,
        "acceptance": document,
        "diff": {
            "before_header": _RECORD,
            "after_header": _RECORD,
            "before": before,
            "after": after,
        },
    }


def _reports(device: Device, parameters: dict[str, Any], *, stays: bool) -> dict[str, Any]:
    """Return the reports that nobody has fetched.

    The command drops a report once it is printed, so it prints into a file, which is dropped once
    the controller has stored what is in it: nothing gets lost on the way.

    Args:
        device: the device.
        parameters: those of the module.
        stays: whether nothing may change on the device.

    Raises:
        Failure: they can't be had.
    """
    options = _options(parameters, "state_dir")
    if stays:
        text = device.run("report", "drain", "--keep", *options)
        return {"reports": text.splitlines(), "reports_files": []}
    directory = os.path.join(_state_directory(parameters), "fetched")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        name = os.path.join(directory, f"{time.time_ns():020d}.ndjson")
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            device.run("report", "drain", *options, output=descriptor)
        finally:
            is_empty = not os.fstat(descriptor).st_size
            os.close(descriptor)
            if is_empty:
                os.unlink(name)
        text, files, size = "", [], 0
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            size += os.stat(path).st_size
            if size > MAX_OUTPUT_BYTES:
                # The rest comes with the next call.
                break
            text += _text(path)
            files.append(path)
    except OSError as error:
        raise Failure(f"the reports can't be fetched: {error.strerror}: {directory}") from None
    if size and not files:
        raise Failure(f"the reports are larger than {MAX_OUTPUT_BYTES} bytes: {path}")
    return {"reports": text.splitlines(), "reports_files": files}


def _state_directory(parameters: dict[str, Any]) -> str:
    """Return the state directory, which without an option is the user's."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return parameters["state_dir"] or os.path.join(home, "coral-lock")


def _report(state_directory: str) -> dict[str, Any] | None:
    """Return the latest report, None where there is none that can be read."""
    try:
        document = json.loads(_text(os.path.join(state_directory, "reports", "latest.json")))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _options(parameters: dict[str, Any], *names: str) -> list[str]:
    """Return the options of the command that were given to the module."""
    return [
        word
        for name in names
        if parameters[name] is not None
        for word in (f"--{name.replace('_', '-')}", parameters[name])
    ]


def _text(path: str) -> str:
    """Return the text of a file, nothing where it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            return file.read(MAX_OUTPUT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


class Device:
    """The coral-lock of one environment on this device."""

    def __init__(self, python: str, timeout: int) -> None:
        self._python = python
        self._timeout = timeout

    def require(self, lock: str) -> None:
        """Insist that there are an interpreter and a lock, with a message that people understand.

        Raises:
            Failure: one of them is missing.
        """
        if not os.access(self._python, os.X_OK) or os.path.isdir(self._python):
            raise Failure(f"there is no Python at {self._python}: name that of the environment")
        try:
            os.stat(lock)
        except OSError as error:
            if isinstance(error, (FileNotFoundError, NotADirectoryError)):
                raise Failure(f"there is no lock at {lock}") from None
            raise Failure(f"the lock can't be read: {error.strerror}: {lock}") from None

    def ask(self, command: str, *words: str) -> tuple[int, dict[str, Any]]:
        """Run a command that prints a JSON object.

        Returns:
            Its exit code, and the object.

        Raises:
            Failure: it printed no such object, or took too long, or there is no coral-lock.
        """
        code, output, messages = self._run(command, *words)
        try:
            document = json.loads(output)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return code, document
        raise self._failure(command, code, messages)

    def run(self, *words: str, output: int = subprocess.PIPE) -> str:
        """Run a command, and return what it prints.

        Args:
            words: the command.
            output: the descriptor of the file that it prints to instead.

        Raises:
            Failure: it fails, or takes too long, or there is no coral-lock.
        """
        code, printed, messages = self._run(*words, output=output)
        if code:
            raise self._failure(" ".join(words[:2]), code, messages)
        return printed.decode("utf-8", "replace")

    def _failure(self, command: str, code: int, messages: bytes) -> Failure:
        """Return why a command failed, as far as that can be told by what it says."""
        told = _shown(messages.decode("utf-8", "replace").strip())
        if re.search(r"No module named '?coral_lock\b", told):
            return Failure(f"coral-lock isn't installed for {self._python}", exit_code=code)
        if "no such option" in told or "no such command" in told:
            version = self._version()
            return Failure(
                f"{version} on the device is too old for this collection: {told}", exit_code=code
            )
        return Failure(told or f"`{command}` printed nothing that can be read", exit_code=code)

    def _version(self) -> str:
        _, output, _ = self._run("--version")
        return _shown(output.decode("utf-8", "replace").strip()) or "coral-lock"

    def _run(self, *words: str, output: int = subprocess.PIPE) -> tuple[int, bytes, bytes]:
        """Run coral-lock, and return its exit code, standard output and standard error.

        Raises:
            Failure: it takes too long, or prints too much; it is ended then.
        """
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        environment["NO_COLOR"] = "1"
        try:
            # Nobody but root puts modules into `/`; `-P`, which is safe anywhere, came with
            # Python 3.11.
            process = subprocess.Popen(
                [self._python, "-m", "coral_lock", *words],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise Failure(f"{self._python} can't be run: {error.strerror}") from None
        try:
            printed, messages = self._read(process, words[0])
            return process.wait(), printed, messages
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _read(self, process: subprocess.Popen[bytes], command: str) -> tuple[bytes, bytes]:
        """Return what a process prints until it closes its streams."""
        pipes = [pipe.fileno() for pipe in (process.stdout, process.stderr) if pipe is not None]
        streams = {descriptor: bytearray() for descriptor in pipes}
        end = time.monotonic() + self._timeout
        with selectors.DefaultSelector() as selector:
            for descriptor in streams:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(end - time.monotonic(), 0))
                if not ready:
                    raise Failure(f"`{command}` took longer than {self._timeout} seconds")
                for key, _ in ready:
                    chunk = os.read(key.fd, 1 << 16)
                    streams[key.fd] += chunk
                    if not chunk:
                        selector.unregister(key.fd)
                if sum(map(len, streams.values())) > MAX_OUTPUT_BYTES:
                    raise Failure(f"`{command}` printed more than {MAX_OUTPUT_BYTES} bytes")
        *printed, messages = streams.values()
        return b"".join(printed), bytes(messages)


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _finding(value: Any) -> dict[str, Any]:
    """Return a finding with all its keys, of which those without a text are None."""
    fields = value if isinstance(value, dict) else {}
    return {
        name: _shown(fields[name]) if isinstance(fields.get(name), str) else None
        for name in _FIELDS
    }


def _difference(lock: str, errors: list[dict[str, Any]]) -> dict[str, str]:
    """Return what was found and what the lock says, a line for each deviation."""

    def lines(field: str) -> str:
        return "".join(
            f"{each['code']} {each['where'] or each['subject']}: {each[field] or 'nothing'}\n"
            for each in errors
        )

    return {
        "before_header": "this device",
        "after_header": lock,
        "before": lines("found"),
        "after": lines("expected"),
    }


def _shown(text: str) -> str:
    """Return a text that can't control a terminal, and that isn't longer than a message."""
    cut = text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
    return _UNPRINTABLE.sub("\ufffd", cut)


if __name__ == "__main__":
    main()
