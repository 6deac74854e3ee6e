"""`accept`: what a device takes for the lock to start from, and what it writes down."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from coral_lock.signing.accepted import (
    Acceptance,
    accepted_lock,
    accepted_text,
    read_accepted,
)
from tests.support.environments import clean_environment
from tests.support.signed import LOCK, OTHER_LOCK, Signing
from tests.support.wheelhouse import REPOSITORY

SHA256 = hashlib.sha256(LOCK.encode()).hexdigest()
OTHER_SHA256 = hashlib.sha256(OTHER_LOCK.encode()).hexdigest()


def acceptance(signing: Signing, text: str = LOCK) -> Acceptance | None:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return accepted_lock(digest, str(signing.directory / "trust"))


def test_a_signed_lock_is_accepted_once(signed: Signing) -> None:
    outcome = signed.accept().require(0)
    by = signed.short("old")
    assert (outcome.stdout, outcome.stderr) == (
        "",
        f"accepted coral.lock: serial 5 of the channel default, signed by {by}\n"
        "  wrote trust/accepted.json\n",
    )
    before = signed.record.stat()
    outcome = signed.accept("--output-format=json").require(0)
    assert outcome.json() == {
        "changed": False,
        "channel": "default",
        "serial": 5,
        "sha256": SHA256,
        "signers": [signed.ids["old"]],
        "rollback": None,
        "previous": None,
    }
    assert outcome.stderr == (
        f"coral.lock is accepted already: serial 5 of the channel default, signed by {by}\n"
    )
    assert signed.record.stat() == before
    assert acceptance(signed) == Acceptance(
        channel="default", serial=5, signers=(signed.ids["old"],)
    )
    assert acceptance(signed, OTHER_LOCK) is None


def test_everybody_may_read_the_record_whatever_the_umask(signed: Signing) -> None:
    before = os.umask(0o077)
    try:
        signed.accept().require(0)
    finally:
        os.umask(before)
    assert stat.S_IMODE(signed.record.stat().st_mode) == 0o644
    assert stat.S_IMODE(signed.record.parent.stat().st_mode) == 0o755
    assert sorted(os.listdir(signed.record.parent)) == ["accept.lock", "accepted.json"]
    assert stat.S_IMODE((signed.record.parent / "accept.lock").stat().st_mode) == 0o600


def test_there_is_no_way_back_but_with_a_reason(signing: Signing) -> None:
    signing.released(5, "old")
    signing.accepted()
    signing.released(4, "old", lock=OTHER_LOCK)
    before = signing.record.read_bytes()
    outcome = signing.accept().require(1)
    assert outcome.stderr == (
        "error: the serial of the lock is below the floor of the channel `default`\n"
        "  expected: at least 5\n"
        "  found: 4\n"
        "  where: coral.lock.sig\n"
        "  hint: deploy a later lock; if this device is to go back, say why: "
        "`coral-runtime accept --allow-rollback REASON`\n"
    )
    assert signing.record.read_bytes() == before
    back = signing.accepted("--allow-rollback=camera fails")
    assert (back["changed"], back["serial"], back["rollback"]) == (True, 4, "camera fails")
    found = acceptance(signing, OTHER_LOCK)
    assert found is not None
    assert found.rollback == "camera fails"
    assert found.message == (
        f"Accepted: serial 4 of default, signed by {signing.short('old')}, although it is older: "
        "camera fails"
    )
    assert acceptance(signing) is None
    # It is accepted now, so nothing is asked again, and the reason stays.
    again = signing.accepted()
    assert (again["changed"], again["rollback"]) == (False, "camera fails")
    # The floor stays where it was.
    signing.released(3, "old")
    signing.accept().require(1)
    signing.released(5, "old")
    forward = signing.accepted("--allow-rollback=not needed")
    assert (forward["changed"], forward["serial"], forward["rollback"]) == (True, 5, None)


def test_one_serial_is_of_one_lock(signing: Signing) -> None:
    signing.released(5, "old")
    signing.accepted()
    signing.released(5, "old", lock=OTHER_LOCK)
    for options in ((), ("--allow-rollback=because",)):
        outcome = signing.accept(*options).require(1)
        assert outcome.stderr == (
            "error: another lock with the serial 5 was accepted for the channel `default`\n"
            f"  expected: sha256 {SHA256}\n"
            f"  found: sha256 {OTHER_SHA256}\n"
            "  where: coral.lock.sig\n"
            "  hint: sign this lock with a serial of its own: `coral-runtime sign --serial 6`\n"
        )


def test_nor_does_a_lock_that_the_device_went_back_to_share_its_serial(signing: Signing) -> None:
    signing.released(8, "old")
    signing.accepted()
    signing.released(5, "old")
    signing.accepted("--allow-rollback=because")
    signing.released(5, "old", lock=OTHER_LOCK)
    outcome = signing.accept("--allow-rollback=because").require(1)
    assert "another lock with the serial 5 was accepted" in outcome.stderr
    assert "`coral-runtime sign --serial 9`" in outcome.stderr


def test_a_configured_floor_holds_in_any_case(signing: Signing) -> None:
    signing.keyring("keyring", "old", configuration="floors: {default: 6, beta: 1}\n")
    signing.released(5, "old")
    outcome = signing.accept("--allow-rollback=because").require(1)
    assert outcome.stderr == (
        "error: the serial of the lock is below the configured floor of the channel `default`\n"
        "  expected: at least 6\n"
        "  found: 5\n"
        "  where: coral.lock.sig\n"
        "  hint: deploy a later lock; `floors` in `keyring.yaml` of the keyring holds in any case\n"
    )
    signing.released(6, "old")
    assert signing.accepted()["serial"] == 6


def test_the_previous_lock_may_start_until_it_is_dropped(signing: Signing) -> None:
    signing.released(1, "old")
    signing.accepted("--keep-previous")
    signing.released(2, "old", lock=OTHER_LOCK)
    kept = signing.accepted("--keep-previous")
    assert (kept["changed"], kept["sha256"], kept["previous"]) == (True, OTHER_SHA256, SHA256)
    assert signing.accepted("--keep-previous")["changed"] is False
    assert acceptance(signing) == Acceptance(
        channel="default", serial=1, signers=(signing.ids["old"],)
    )
    assert acceptance(signing, OTHER_LOCK) is not None
    dropped = signing.accepted()
    assert (dropped["changed"], dropped["previous"]) == (True, None)
    assert acceptance(signing) is None


def test_a_threshold_counts_keys(signing: Signing) -> None:
    signing.keyring("keyring", "old", "new", "third", configuration="threshold: 2\n")
    signing.released(1, "old", "stranger")
    outcome = signing.accept().require(3)
    assert outcome.stderr == (
        "error: too few signatures of the lock are valid\n"
        f"  expected: 2 of the keys {signing.short('old', 'new', 'third')}\n"
        f"  found: 1 valid, of 2 in the file: {signing.short('old')}; missing: "
        f"{signing.short('new', 'third')}\n"
        "  where: coral.lock.sig\n"
        "  hint: sign the lock with a key that this device trusts, or look at its keyring: "
        "`keyring`\n"
    )
    assert not signing.record.exists()
    signing.sign("third").require(0)
    assert signing.accepted()["signers"] == sorted((signing.ids["old"], signing.ids["third"]))


def test_channels_are_apart(signing: Signing) -> None:
    signing.keyring("keyring", "old", configuration="channel: production\n")
    signing.sign("old", serial=9, options=("--channel=beta",)).require(0)
    outcome = signing.accept().require(2)
    assert outcome.stderr == (
        "error: the lock is for another channel than this device\n"
        "  expected: production\n"
        "  found: beta\n"
        "  where: coral.lock.sig\n"
        "  hint: take the lock of the device's channel; `channel` in `keyring.yaml` says which one "
        "it is, or `--channel NAME`\n"
    )
    assert signing.accepted("--channel=beta")["channel"] == "beta"
    options = ("--channel=production", "--signature=production.sig")
    signing.sign("old", serial=2, options=options).require(0)
    assert signing.accepted("--signature=production.sig")["channel"] == "production"
    channels = read_accepted(str(signing.record.parent))
    assert {name: each.accepted.serial for name, each in channels.items()} == {
        "beta": 9,
        "production": 2,
    }


def test_all_that_is_wrong_with_a_signed_lock_is_said(signed: Signing) -> None:
    signed.work.write("coral.lock", OTHER_LOCK)
    outcome = signed.accept("--channel=beta").require(3)
    assert outcome.stderr == (
        "error: `coral.lock` isn't the lock that was signed\n"
        f"  expected: sha256 {SHA256}\n"
        f"  found: sha256 {OTHER_SHA256}\n"
        "  where: coral.lock.sig\n"
        "  hint: take lock and signature from one release, or sign the lock again\n"
        "error: the lock is for another channel than this device\n"
        "  expected: beta\n"
        "  found: default\n"
        "  where: coral.lock.sig\n"
        "  hint: take the lock of the device's channel; `channel` in `keyring.yaml` says which one "
        "it is, or `--channel NAME`\n"
        "error: `coral.lock` isn't accepted, for 2 reasons\n"
    )


# Keys that change.


def test_a_new_key_arrives_under_the_old_signature(signing: Signing) -> None:
    signing.keyring("only-new", "new")
    signing.keyring("both", "old", "new", configuration="threshold: 1\n")
    signing.released(1, "old")
    signing.accepted()
    signing.released(2, "old", trust="both")
    outcome = signing.accept().require(0)
    assert outcome.stderr == (
        f"accepted coral.lock: serial 2 of the channel default, signed by {signing.short('old')}\n"
        "  `default` trusts the keys that the lock brought from now on: "
        f"{signing.short('old', 'new')}; threshold 1\n"
        "  wrote trust/accepted.json\n"
    )
    assert signing.accepted()["changed"] is False
    signing.released(3, "new", lock=OTHER_LOCK)
    signing.accepted()
    signing.released(4, "new", lock=OTHER_LOCK, trust="only-new")
    signing.accepted()
    # The lock that brought the keys is still accepted, though nobody trusts `old` any more.
    signing.released(5, "old")
    assert signing.accept().require(3).stderr == (
        "error: too few signatures of the lock are valid\n"
        f"  expected: 1 of the key {signing.short('new')}\n"
        f"  found: 0 valid, of 1 in the file; missing: {signing.short('new')}\n"
        "  where: coral.lock.sig\n"
        "  hint: these keys came with a lock that was accepted: sign with them; or change the "
        "keyring `keyring`, and it counts again\n"
    )
    signing.released(5, "new")
    assert signing.accepted()["serial"] == 5


def test_a_lower_threshold_is_said(signing: Signing) -> None:
    """By whoever signs it, and by whoever accepts it."""
    signing.keyring("keyring", "old", "new", configuration="threshold: 2\n")
    signing.keyring("three", "old", "new", "third", configuration="threshold: 1\n")
    both, three = signing.short("old", "new"), signing.short("old", "new", "third")
    trust = f"  devices that accept it trust from then on: {three}; threshold 1\n"
    options = ("--trust=three",)
    assert signing.sign("old", serial=1, options=options).require(0).stderr == (
        "wrote coral.lock.sig: serial 1 of the channel default, signed by "
        f"{signing.short('old')}\n{trust}"
    )
    assert signing.accept().code == 3
    assert signing.sign("new", options=options).require(0).stderr == (
        "wrote coral.lock.sig: serial 1 of the channel default, signed by "
        f"{signing.short('new')}\n"
        f"  other signatures are kept, which nobody has verified: {signing.short('old')}\n{trust}"
    )
    assert signing.accept().require(0).stderr == (
        f"accepted coral.lock: serial 1 of the channel default, signed by {both}\n"
        f"  `default` trusts the keys that the lock brought from now on: {three}; threshold 1, was "
        "2\n"
        "  wrote trust/accepted.json\n"
    )
    # An administrator who changes the keyring gets its threshold back.
    signing.keyring("keyring", "old", "third", configuration="threshold: 2\n")
    signing.released(2, "old", "third")
    back = signing.short("old", "third")
    assert signing.accept().require(0).stderr == (
        f"accepted coral.lock: serial 2 of the channel default, signed by {back}\n"
        "  the keyring has changed since a lock brought other keys for `default`, so the keyring "
        f"counts: {back}; threshold 2, was 1\n"
        "  wrote trust/accepted.json\n"
    )


def test_a_lock_that_replaces_its_own_key_can_be_accepted_again(signing: Signing) -> None:
    signing.keyring("only-new", "new")
    signing.released(2, "old", trust="only-new")
    assert signing.accepted()["changed"] is True
    assert signing.accepted()["changed"] is False
    # Another statement about the same lock isn't that one.
    signing.released(3, "old")
    assert signing.accept().code == 3
    signing.released(2, "old")
    assert signing.accept().code == 3


def test_a_key_that_a_lock_brought_has_its_serial_for_a_floor(signing: Signing) -> None:
    signing.keyring("only-new", "new")
    signing.released(7, "old", trust="only-new")
    signing.accepted()
    signing.released(6, "new", lock=OTHER_LOCK)
    assert signing.accept().code == 1
    signing.released(8, "new", lock=OTHER_LOCK)
    assert signing.accepted()["serial"] == 8


def test_a_key_beside_a_trusted_one_has_its_floor(signing: Signing) -> None:
    signing.released(7, "old")
    signing.accepted()
    signing.keyring("keyring", "old", "new")
    signing.released(6, "new", lock=OTHER_LOCK)
    assert signing.accept().code == 1


def test_a_changed_keyring_counts_again_and_forgets_no_floor(signing: Signing) -> None:
    """A thief has signed with the highest serial, and brought a key of their own."""
    signing.keyring("thief", "stranger")
    signing.released(3, "old")
    signing.accepted()
    signing.released(2**53 - 1, "old", lock=OTHER_LOCK, trust="thief")
    signing.accepted()
    signing.keyring("keyring", "new")
    signing.released(2**53 - 1, "stranger", lock=OTHER_LOCK)
    assert signing.accept().code == 3
    signing.released(4, "new")
    outcome = signing.accept().require(0)
    assert outcome.stderr == (
        f"accepted coral.lock: serial 4 of the channel default, signed by {signing.short('new')}\n"
        "  the keyring has changed since a lock brought other keys for `default`, so the keyring "
        f"counts: {signing.short('new')}; threshold 1\n"
        "  wrote trust/accepted.json\n"
    )
    (channel,) = read_accepted(str(signing.record.parent)).values()
    assert channel.rotation is None
    assert {key: floor.serial for key, floor in channel.floors.items()} == {
        signing.ids["old"]: 2**53 - 1,
        signing.ids["stranger"]: 2**53 - 1,
        signing.ids["new"]: 4,
    }
    # Whoever puts the old key back has its floor again.
    signing.keyring("keyring", "old", "new")
    signing.released(5, "new", lock=OTHER_LOCK)
    assert signing.accept().code == 1


def test_going_back_brings_no_key_back(signing: Signing) -> None:
    signing.keyring("both", "old", "new", configuration="threshold: 1\n")
    signing.keyring("only-new", "new")
    signing.released(3, "old", "new", trust="both")
    signing.accepted()
    back = signing.signature.read_bytes()
    signing.released(4, "old", "new", lock=OTHER_LOCK, trust="only-new")
    signing.accepted()
    signing.work.write("coral.lock", LOCK)
    signing.signature.write_bytes(back)
    for changed in (True, False):
        again = signing.accepted("--allow-rollback=because")
        assert (again["changed"], again["serial"], again["rollback"]) == (changed, 3, "because")
    # The key that was rotated away counts as little as before.
    signing.released(5, "old", lock=OTHER_LOCK)
    assert signing.accept().code == 3
    signing.released(5, "new", lock=OTHER_LOCK)
    assert signing.accepted()["serial"] == 5


def test_a_channel_that_is_over_is_named_until_it_is_forgotten(signing: Signing) -> None:
    signing.released(3, "old")
    signing.accepted()
    signing.keyring("keyring", "new", configuration="channel: production\n")
    signing.signature.unlink()
    signing.work.write("coral.lock", OTHER_LOCK)
    signing.sign("new", serial=1, options=("--channel=production",)).require(0)
    what = f"coral.lock: serial 1 of the channel production, signed by {signing.short('new')}\n"
    assert signing.accept().require(0).stderr == (
        f"accepted {what}"
        "  the lock of the channel `default` may start too, serial 3: if that is over, pass "
        "`--forget default`\n"
        "  wrote trust/accepted.json\n"
    )
    assert acceptance(signing) is not None
    words = ("--forget=default", "--forget=unknown")
    assert signing.accept(*words).require(0).stderr == (
        f"accepted {what}"
        "  forgot the channel `default`, its serials too\n"
        "  wrote trust/accepted.json\n"
    )
    assert acceptance(signing) is None
    assert acceptance(signing, OTHER_LOCK) is not None
    assert signing.accepted(*words)["changed"] is False
    assert signing.accept("--forget=production").require(2).stderr == (
        "error: `production` is the channel of the lock that is to be accepted, and can't be "
        "forgotten\n"
        "  hint: remove `--forget production`\n"
    )


def test_a_record_that_no_start_would_read_isn_t_written(
    signed: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coral_lock.signing.recording.MAX_RECORD_BYTES", 100)
    assert signed.accept().require(2).stderr == (
        "error: the record would be larger than 100 bytes, which no start reads\n"
        "  where: trust/accepted.json\n"
        "  hint: forget channels that are over with `--forget NAME`\n"
    )
    assert not signed.record.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_whoever_owns_the_trust_directory_can_t_keep_accept_waiting(signed: Signing) -> None:
    trust = signed.directory / "trust"
    trust.mkdir()
    os.chown(trust, 12345, -1)
    with (trust / "accept.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert signed.accept().require(2).stderr == (
            "error: the directory of the record belongs to somebody else\n"
            "  expected: root\n"
            "  found: the user 12345\n"
            "  where: trust\n"
            "  hint: find out who wrote it, and run `coral-runtime accept` as root\n"
        )


def test_a_damaged_record_isn_t_replaced(signed: Signing) -> None:
    signed.accepted()
    signed.record.write_text("{}\n")
    outcome = signed.accept().require(2)
    assert outcome.stderr == (
        "error: the record is damaged: expected an object with `accepted_version`, `channels`\n"
        "  where: trust/accepted.json\n"
        "  hint: restore it from a backup; without it, only the keyring's configuration knows the "
        "lowest serial that may be accepted\n"
    )
    assert signed.record.read_text() == "{}\n"


def test_a_new_key_knows_of_no_rollback(signing: Signing) -> None:
    """For it, the lock that an old key's device went back to is the first."""
    signing.released(5, "old", lock=OTHER_LOCK)
    signing.accepted()
    signing.released(4, "old")
    signing.accepted("--allow-rollback=because")
    signing.keyring("keyring", "new")
    signing.released(4, "new")
    again = signing.accepted()
    assert (again["changed"], again["rollback"]) == (True, None)


def test_the_keyring_s_own_keys_come_back_in_a_lock(signing: Signing) -> None:
    signing.keyring("only-new", "new")
    signing.released(2, "old", trust="only-new")
    signing.accepted()
    signing.released(3, "new", trust="keyring")
    assert [signing.accepted()["changed"] for _ in range(2)] == [True, False]
    signing.released(4, "new")
    assert signing.accept().code == 3
    signing.released(4, "old")
    assert signing.accepted()["serial"] == 4


def test_where_others_could_have_removed_the_record_nothing_is_accepted(signed: Signing) -> None:
    trust = signed.directory / "trust"
    trust.mkdir()
    trust.chmod(0o777)
    outcome = signed.accept().require(2)
    assert outcome.stderr == (
        "error: others than its owner can write to the directory of the record\n"
        "  found: mode 0777\n"
        "  where: trust\n"
        "  hint: find out who could, and run `chmod go-w trust`\n"
    )
    assert not signed.record.exists()


def test_what_is_accepted_has_to_be_a_lock(signing: Signing) -> None:
    signing.released(1, "old")
    content = b'{"lock_version": "9.0"}\n'
    (signing.directory / "coral.lock").write_bytes(content)
    assert signing.accept().code == 2
    assert not signing.record.exists()


def test_a_trust_directory_that_can_t_be_made(signed: Signing) -> None:
    outcome = signed.accept("--trust-dir=a/b").require(2)
    assert outcome.stderr == (
        "error: the trust directory can't be written to: No such file or directory\n"
        "  where: a/b\n"
        "  hint: run it as root, or name another directory with `--trust-dir DIR`\n"
    )


@pytest.mark.parametrize("reason", ["", "   ", "two\nlines", "\033[31mred", "x" * 1001])
def test_what_is_no_reason(signed: Signing, reason: str) -> None:
    outcome = signed.accept(f"--allow-rollback={reason}").require(2)
    assert "\033" not in outcome.stderr
    assert outcome.stderr.endswith(
        " can't be the reason of a rollback\n"
        "  expected: one line of text, at most 1000 characters\n"
        '  hint: say why in words: `coral-runtime accept --allow-rollback "camera fails"`\n'
    )


def test_a_record_reads_as_it_is_written(signing: Signing, tmp_path: Path) -> None:
    signing.keyring("both", "old", "new", configuration="threshold: 1\n")
    signing.released(1, "old", trust="both")
    signing.accepted()
    signing.released(3, "new", lock=OTHER_LOCK)
    signing.accepted("--keep-previous")
    signing.released(2, "new")
    signing.accepted("--keep-previous", '--allow-rollback=the "camera" fails')
    text = signing.record.read_text()
    assert accepted_text(read_accepted(str(signing.record.parent))) == text
    assert json.loads(text)["channels"]["default"]["accepted"]["rollback"] == ('the "camera" fails')


# Other runs, and the end of this one.

KILLED = """\
import os, signal, sys
from coral_lock.__main__ import main
name, is_after = sys.argv[1], sys.argv[2] == "after"
real = getattr(os, name)
def end(*arguments, **options):
    if is_after:
        real(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, name, end)
main(["accept", "--keyring=keyring", "--trust-dir=trust"])
"""


@pytest.mark.parametrize(
    ("call", "when", "serial"),
    [("fsync", "before", 1), ("replace", "before", 1), ("replace", "after", 2)],
)
def test_a_killed_run_leaves_the_old_record_or_the_new(
    signing: Signing, call: str, when: str, serial: int
) -> None:
    signing.released(1, "old")
    signing.accepted()
    signing.released(2, "old", lock=OTHER_LOCK)
    command = (sys.executable, "-c", KILLED, call, when)
    ended = subprocess.run(command, cwd=signing.directory, env=_with_us(), check=False)
    assert ended.returncode == -signal.SIGKILL
    (channel,) = read_accepted(str(signing.record.parent)).values()
    assert channel.accepted.serial == serial
    assert signing.accepted()["serial"] == 2
    # What was half written is gone, too.
    assert sorted(os.listdir(signing.record.parent)) == ["accept.lock", "accepted.json"]


def test_a_run_waits_for_another(signed: Signing) -> None:
    """What the other one has written isn't lost."""
    signed.accepted("--signature=coral.lock.sig")
    (channel,) = read_accepted(str(signed.record.parent)).values()
    signed.released(6, "old", lock=OTHER_LOCK)
    words = ("accept", "--keyring=keyring", "--trust-dir=trust")
    with (signed.record.parent / "accept.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            (sys.executable, "-m", "coral_lock", *words),
            cwd=signed.directory,
            env=_with_us(),
            stderr=subprocess.PIPE,
        ) as process:
            # Without the lock it would write, and this would undo it.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            signed.record.write_text(accepted_text({"beta": channel, "default": channel}))
            fcntl.flock(lock, fcntl.LOCK_UN)
            process.communicate()
    channels = read_accepted(str(signed.record.parent))
    assert {name: each.accepted.serial for name, each in channels.items()} == {
        "beta": 5,
        "default": 6,
    }


def _with_us() -> dict[str, str]:
    return clean_environment({"PYTHONPATH": str(REPOSITORY)})
