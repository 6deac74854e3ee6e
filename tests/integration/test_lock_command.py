"""The lock command: what it refuses, what it says, and that nothing is lost."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import stat
import subprocess
import time

import pytest

from tests.conftest import MakeDevice
from tests.support.device import TIMEOUT_SECONDS, Device
from tests.support.wheelhouse import REPOSITORY

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device("my-package==1.0.0", "acme-vision", *HOSTS)


def test_a_stale_lock_is_not_written_and_says_why_and_what_helps(machine: Device) -> None:
    before = machine.locked_once()
    machine.install("my-package==1.1.0", "acme-object")
    outcome = machine.coral("lock", "--check").require(1)
    assert machine.lock_path.read_text() == before
    assert "my-package" in outcome.stdout
    assert "1.0.0" in outcome.stdout
    assert "1.1.0" in outcome.stdout
    assert "patches:frame_counter" in outcome.stdout
    assert "coral.lock is stale: " in outcome.stderr
    assert "hint: run `coral-runtime lock` and have the changes reviewed" in outcome.stderr


def test_the_account_of_a_stale_lock_is_bounded(device: MakeDevice) -> None:
    machine = device(*HOSTS)
    machine.locked_once()
    machine.install(
        "acme-vision", "acme-denoise", "acme-object", "acme-factories", "acme-workflows",
        "after-plugin", "deep-plugin", "env-sensitive", "generic-backend", "rknn-backend",
        "my-package", "native-plugin", "platform-workflow", "acme-stabilizer",
    )  # fmt: skip
    outcome = machine.coral("lock", "--check").require(1)
    assert len(outcome.stdout.splitlines()) < 80
    assert "more changes" in outcome.stdout


def test_a_missing_lock_is_bad_input_for_check(machine: Device) -> None:
    outcome = machine.coral("lock", "--check").require(2)
    assert outcome.stderr == (
        "error: there is no lock\n"
        "  where: coral.lock\n"
        "  hint: deploy the reviewed lock, or pass its path; `coral-runtime lock` writes a new "
        "one\n"
    )
    assert not machine.lock_path.exists()


CORRUPT = {
    "empty": b"",
    "truncated": b'{\n  "lock_version": "1.0",\n',
    "not utf-8": b'{\n  "lock_version": "1.0",\n  "platform": "\xff"\n}\n',
    "conflict": b'{\n  "lock_version": "1.0",\n<<<<<<< ours\n}\n',
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_lock_fails_every_command_and_lock_replaces_it(
    machine: Device, name: str
) -> None:
    whole = machine.locked_once()
    machine.lock_path.write_bytes(CORRUPT[name])
    for words in (
        ("lock", "--check"),
        ("verify",),
        ("init", "--locked"),
        ("run", "--locked", "--", "x.py"),
    ):
        if words[0] == "run":
            machine.write("x.py", "print('ran')\n")
        outcome = machine.coral(*words).require(78 if words[0] == "run" else 2)
        assert outcome.stdout == ""
        assert "error: the lock" in outcome.stderr
        assert "hint: " in outcome.stderr
        assert machine.lock_path.read_bytes() == CORRUPT[name]
    # A merge is to be finished, not forgotten.
    machine.coral("lock").require(2 if name == "conflict" else 0)
    expected = CORRUPT[name] if name == "conflict" else whole.encode()
    assert machine.lock_path.read_bytes() == expected


@pytest.mark.parametrize("words", [(), ("--check",)])
def test_a_lock_of_another_major_version_is_not_overwritten(
    machine: Device, words: tuple[str, ...]
) -> None:
    text = machine.locked_once().replace('"lock_version": "1.0"', '"lock_version": "2.0"')
    machine.lock_path.write_text(text)
    assert machine.coral("lock", *words).require(2).stderr == (
        "error: the lock has the format version `2.0`, which this release can't read\n"
        "  expected: format version 1.x\n"
        "  found: 2.0\n"
        "  where: coral.lock: lock_version\n"
        "  hint: upgrade coral-lock to a release that reads format version 2.0\n"
    )
    assert machine.lock_path.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "# mine\n",
        '# Notes\n\nA lock begins with "lock_version".\n',
    ],
)
def test_a_file_that_is_no_lock_is_not_overwritten(machine: Device, text: str) -> None:
    path = machine.write("mine", text)
    assert machine.coral("lock", "-o", "mine").require(2).stderr == (
        "error: `mine` isn't a lock, so it isn't overwritten\n"
        "  where: mine\n"
        "  hint: remove it first, or write elsewhere with `-o FILE`\n"
    )
    assert path.read_text() == text


def test_a_link_to_the_lock_stays_a_link(machine: Device) -> None:
    (machine.directory / "real").mkdir()
    machine.lock_path.symlink_to("real/coral.lock")
    machine.locked()
    assert machine.lock_path.is_symlink()
    assert (machine.directory / "real" / "coral.lock").is_file()


def test_permissions_are_kept(machine: Device) -> None:
    machine.locked_once()
    machine.lock_path.chmod(0o640)
    machine.install("acme-object")
    machine.locked()
    assert stat.S_IMODE(machine.lock_path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    "target", ["absent/coral.lock", "/dev/full/coral.lock", "/proc/self/coral.lock"]
)
def test_a_place_that_cannot_be_written(machine: Device, target: str) -> None:
    outcome = machine.coral("lock", "-o", target).require(2)
    assert f"error: `{target}` can't be written: " in outcome.stderr


def _limit_file_size() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def test_no_room_for_the_lock_leaves_the_old_one(machine: Device) -> None:
    """A limit on the size of files stands in for a full disk: the write fails half-way."""
    before = machine.locked_once()
    machine.install("acme-object")
    finished = subprocess.run(
        (machine.environment.bin / "coral-runtime", "lock"),
        cwd=machine.directory,
        env=machine.variables(),
        preexec_fn=_limit_file_size,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert finished.returncode == 2
    assert b"error: `coral.lock` can't be written: File too large; what was there is unchanged" in (
        finished.stderr
    )
    assert machine.lock_path.read_text() == before
    assert [path.name for path in machine.directory.iterdir()] == ["coral.lock"]


def _obey_permissions() -> None:
    """Make a process of root's obey the permissions of files, as everybody's does (Linux)."""
    if os.geteuid() == 0:
        drop_from_bounding_set, dac_override = 24, 1
        ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


def test_a_read_only_directory_leaves_the_old_lock(machine: Device) -> None:
    before = machine.locked_once()
    machine.install("acme-object")
    machine.directory.chmod(0o555)
    try:
        finished = subprocess.run(
            (machine.environment.bin / "coral-runtime", "lock"),
            cwd=machine.directory,
            env=machine.variables(),
            preexec_fn=_obey_permissions,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    finally:
        machine.directory.chmod(0o755)
    assert finished.returncode == 2
    assert b"error: `coral.lock` can't be written: Permission denied" in finished.stderr
    assert machine.lock_path.read_text() == before


def test_two_runs_at_once_leave_one_whole_lock(machine: Device) -> None:
    expected = machine.locked_once()
    machine.lock_path.unlink()
    running = [
        subprocess.Popen(
            (machine.environment.bin / "coral-runtime", "lock"),
            cwd=machine.directory,
            env=machine.variables(),
            stderr=subprocess.DEVNULL,
        )
        for _ in range(4)
    ]
    assert [process.wait(TIMEOUT_SECONDS) for process in running] == [0, 0, 0, 0]
    assert machine.lock_path.read_text() == expected
    assert [path.name for path in machine.directory.iterdir()] == ["coral.lock"]


@pytest.mark.parametrize("delay", [0.02, 0.06, 0.1, 0.15, 0.2])
def test_an_interrupt_at_any_moment_leaves_the_old_lock_or_the_new(
    machine: Device, delay: float
) -> None:
    before = machine.locked_once()
    machine.install("acme-object")
    process = subprocess.Popen(
        (machine.environment.bin / "coral-runtime", "lock"),
        cwd=machine.directory,
        env=machine.variables(),
        stderr=subprocess.PIPE,
    )
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    # 1 is Python's own, where the interrupt comes before anything of ours runs.
    assert process.returncode in (0, 1, 130, -signal.SIGINT)
    assert [path.name for path in machine.directory.iterdir()] == ["coral.lock"]
    if machine.lock_path.read_text() != before:
        assert machine.coral("lock", "--check").require(0)
    if process.returncode == 130:
        assert b"Traceback" not in stderr


def test_all_problems_are_reported_at_once_in_a_fixed_order(device: MakeDevice) -> None:
    machine = device(
        "my-package==1.0.0", "future-core", "bad-requirement", "duplicate-one", "duplicate-two",
        "dynamic-exits", *HOSTS,
    )  # fmt: skip
    machine.write(
        "runtime.yaml", "patches: {future_core: true, camera_stabiliser: true, shared_name: true}\n"
    )
    outcome = machine.coral("lock", "-c", "runtime.yaml").require(1)
    slugs = [line for line in outcome.stderr.splitlines() if line.startswith("error[")]
    assert [line.partition(":")[0] for line in slugs] == [
        "error[invalid-requirement]",
        "error[unknown-plugin]",
        "error[spec-unknown]",
        "error[incompatible]",
        "error[conflict]",
    ]
    assert "hint: did you mean `patches:camera_stabilizer`?" in outcome.stderr
    assert "where: runtime.yaml:1:" in outcome.stderr
    assert not machine.lock_path.exists()


def test_a_conflict_is_settled_by_the_descriptor(device: MakeDevice) -> None:
    machine = device("duplicate-one", "duplicate-two", *HOSTS)
    machine.coral("lock").require(1)
    machine.write("runtime.yaml", "patches: {shared_name: {distribution: duplicate-two}}\n")
    document = json.loads(machine.locked("-c", "runtime.yaml"))
    assert document["plugins"]["patches:shared_name"]["distribution"] == "duplicate-two"
    assert document["excluded"] == {
        "patches:shared_name@duplicate-one": {
            "distribution": "duplicate-one",
            "reason": "the descriptor takes it from `duplicate-two`",
        }
    }
    report = machine.coral("init", "--locked", "-c", "runtime.yaml").require(0).json()
    assert report["state"]["plugins_loaded"] == {"patches:shared_name": True}


def test_a_host_whose_version_nobody_knows_names_the_flag(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0")
    outcome = machine.coral("lock").require(1)
    assert outcome.stderr == (
        "error[host-unknown]: `patches:camera_stabilizer` of `my-package` 1.0.0 requires "
        "coral-inference >= 0.0.4, and no core host is there\n"
        "  where: my_package.coral_plugins:register_camera_stabilizer\n"
        "  hint: pass its version with `--core-version V`, set "
        '`host: {core: "V"}` in the descriptor, or add it\n'
        "failed to lock; `coral.lock` is unchanged\n"
    )


def test_a_pre_release_of_the_host_does_not_meet_its_release(device: MakeDevice) -> None:
    machine = device("next-core", "coral-inference==0.0.5.dev1", "inference==0.58.0")
    outcome = machine.coral("lock").require(0)
    reason = (
        "requires coral-inference >= 0.0.5, found 0.0.5.dev1, a pre-release that comes before it"
    )
    assert f"`patches:next_core` of `next-core` 1.0.0 {reason}, so it is left out" in outcome.stderr
    excluded = json.loads(machine.lock_path.read_text())["excluded"]
    assert excluded["patches:next_core"]["reason"] == reason


@pytest.mark.parametrize("name", ["inference-core", "inference-cpu", "inference-gpu"])
def test_the_inference_host_goes_by_four_names(device: MakeDevice, name: str) -> None:
    machine = device("my-package==1.0.0", "coral-inference==0.0.4", name)
    document = json.loads(machine.locked())
    assert document["host"]["inference"] == {"distribution": name, "version": "0.58.0"}
    machine.coral("init", "--locked").require(0)


def test_the_inference_host_under_two_names_is_a_conflict(device: MakeDevice) -> None:
    machine = device("coral-inference==0.0.4", "inference", "inference-gpu")
    outcome = machine.coral("lock").require(1)
    assert "error[conflict]: the inference host is there under several names" in outcome.stderr


def test_a_flag_that_contradicts_the_installed_host(machine: Device) -> None:
    outcome = machine.coral("lock", "--core-version", "9.9").require(1)
    assert (
        "error[host-drift]: the given version of the core host isn't the one that was found\n"
        "  expected: 9.9\n"
        "  found: 0.0.4\n"
        "  where: --core-version 9.9\n"
        "  hint: give that version, or none\n"
    ) in outcome.stderr


def test_no_exec_forbids_the_probe(device: MakeDevice) -> None:
    machine = device("dynamic-spec", *HOSTS)
    outcome = machine.coral("lock", "--no-exec").require(1)
    assert "error[spec-unknown]: `patches:frame_compositor` of `dynamic-spec` can't be used: " in (
        outcome.stderr
    )
    assert "and `--no-exec` forbids a probe" in outcome.stderr
    machine.coral("lock").require(0)


def test_plugin_code_never_runs_in_the_process_of_lock_and_list(device: MakeDevice) -> None:
    machine = device(
        "kills-process",
        "hangs-import",
        "fails-exit-import",
        "prints-stdout",
        "dynamic-prints",
        *HOSTS,
    )
    for words in (("lock",), ("lock", "--check"), ("verify",), ("plugins", "list")):
        outcome = machine.coral(*words).require(0)
        assert "printed" not in outcome.stdout


def test_an_unmet_requirement_of_a_plugin_is_an_error(device: MakeDevice) -> None:
    machine = device(*HOSTS)
    machine.install("native-plugin", no_deps=True)
    outcome = machine.coral("lock").require(1)
    assert (
        "error[requirement-unmet]: `native-plugin` requires `markupsafe==3.0.4`, found nothing"
        in outcome.stderr
    )


def test_a_tampered_installation_is_not_locked(machine: Device) -> None:
    path = machine.site_packages / "my_package" / "coral_plugins.py"
    path.write_text(path.read_text() + "\n")
    outcome = machine.coral("lock").require(1)
    message = (
        "error[unusable-record]: `my_package/coral_plugins.py` of `my-package` isn't the file that "
        "its RECORD states"
    )
    assert message in outcome.stderr


def test_a_check_tells_changed_bytes_by_its_exit_code(machine: Device) -> None:
    machine.locked_once()
    source = machine.site_packages / "my_package" / "coral_plugins.py"
    original = source.read_text()
    source.write_text(original + "\n")
    for command in (("lock", "--check"), ("verify",)):
        machine.coral(*command).require(3)
    source.write_text(original)
    (machine.site_packages / "my_package" / "stray.py").touch()
    machine.coral("lock", "--check").require(3)
    (machine.site_packages / "my_package" / "stray.py").unlink()
    machine.coral("lock", "--check").require(0)
    metadata = machine.site_packages / "my_package-1.0.0.dist-info" / "METADATA"
    metadata.write_text("Nonsense\n")
    machine.coral("lock", "--check").require(1)


def test_a_stray_file_is_not_locked(machine: Device) -> None:
    (machine.site_packages / "my_package" / "stray.py").write_text("")
    outcome = machine.coral("lock").require(1)
    assert (
        "error[unlocked-file]: unexpected file in a directory of `my-package`: "
        "`my_package/stray.py`\n" in outcome.stderr
    )


def test_the_fixture_descriptors_lock(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "acme-vision", "acme-workflows", "rknn-backend", *HOSTS)
    descriptors = REPOSITORY / "fixtures" / "descriptors"
    yaml_lock = machine.locked("-c", descriptors / "runtime.yaml")
    json_lock = machine.locked("-c", descriptors / "runtime.json")
    assert yaml_lock == json_lock
    document = json.loads(yaml_lock)
    assert document["platform"] == "rknn"
    assert document["plugins"]["patches:night_vision"]["optional"] is True
    assert document["plugins"]["patches:night_vision"]["after"] == ["patches:camera_stabilizer"]
    assert document["excluded"]["backends:rknn_npu"]["reason"] == (
        "the host loads no backends: `backends.auto_discover` is false"
    )
    machine.locked("-c", descriptors / "runtime_cli.yaml")
    report = machine.coral("init", "--locked", "-c", descriptors / "runtime_cli.yaml").require(0)
    assert report.json()["state"]["patches_enabled"]["metric_sink"] is False
