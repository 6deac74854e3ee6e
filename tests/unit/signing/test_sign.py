"""`keygen` and `sign`: keys, and the envelopes that they sign."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from coral_lock.signing.keys import key_id
from tests.support.signed import LOCK, OTHER_LOCK, Signing

SHA256 = hashlib.sha256(LOCK.encode()).hexdigest()


def statement(signing: Signing) -> object:
    """Return what the envelope is about."""
    return json.loads(base64.b64decode(json.loads(signing.signature.read_text())["payload"]))


def public_key(signing: Signing, name: str) -> str:
    """Return a public key in hexadecimal."""
    key = load_pem_public_key((signing.directory / f"{name}.pub").read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


# Signing.


def test_what_is_signed(signing: Signing) -> None:
    signing.keyring("both", "old", "new", configuration="threshold: 2\n")
    options = ("--channel=beta", "--trust=both")
    outcome = signing.sign("old", serial=5, options=options).require(0)
    assert outcome.stderr == (
        f"wrote coral.lock.sig: serial 5 of the channel beta, signed by {signing.short('old')}\n"
        f"  devices that accept it trust from then on: {signing.short('old', 'new')}; threshold 2\n"
    )
    raw = [public_key(signing, name) for name in ("old", "new")]
    assert statement(signing) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "coral.lock", "digest": {"sha256": SHA256}}],
        "predicateType": "urn:coral-lock:signed-lock:1",
        "predicate": {
            "channel": "beta",
            "serial": 5,
            "trust": {"keys": sorted(raw), "threshold": 2},
        },
    }


def test_signing_again_adds_a_signature_and_nothing_else(signed: Signing) -> None:
    before = signed.signature.read_bytes()
    by_one, by_another = signed.short("old"), signed.short("new")
    outcome = signed.sign("old").require(0)
    assert outcome.stderr == (
        f"coral.lock.sig is up to date: serial 5 of the channel default, signed by {by_one}\n"
    )
    assert signed.signature.read_bytes() == before
    outcome = signed.sign("new", serial=5, options=("--channel=default",)).require(0)
    assert outcome.stderr == (
        f"wrote coral.lock.sig: serial 5 of the channel default, signed by {by_another}\n"
        f"  other signatures are kept, which nobody has verified: {by_one}\n"
    )
    one_by_one = signed.signature.read_bytes()
    signed.signature.unlink()
    signed.sign("new", "old", serial=5).require(0)
    assert signed.signature.read_bytes() == one_by_one


FIRST = (
    "error: the lock has no serial yet\n"
    "  expected: `--serial N`, higher than that of any lock of the channel before\n"
    "  hint: `coral-runtime sign --key FILE --serial 1`\n"
)
NEXT = (
    "error: what was signed is another lock, or had other keys to trust\n"
    "  expected: `--serial N`, higher than that of any lock of the channel before\n"
    "  found: the serial 5 in `coral.lock.sig`\n"
    "  hint: `coral-runtime sign --key FILE --serial 6`\n"
)
LOWER = (
    "error: the serial {} isn't higher than that of the lock that was signed before\n"
    "  expected: at least 6\n"
    "  where: coral.lock.sig\n"
    "  hint: pass `--serial 6`; if none of your releases wrote the file, remove it\n"
)


def test_another_lock_needs_a_higher_serial(signing: Signing) -> None:
    assert signing.sign("old").require(2).stderr == FIRST
    signing.sign("old", serial=5).require(0)
    signing.work.write("coral.lock", OTHER_LOCK)
    assert signing.sign("old").require(2).stderr == NEXT
    for serial in (4, 5):
        assert signing.sign("old", serial=serial).require(2).stderr == LOWER.format(serial)
    signing.sign("new", serial=6).require(0)
    assert len(json.loads(signing.signature.read_text())["signatures"]) == 1


def test_the_same_lock_with_other_words_needs_one_too(signed: Signing) -> None:
    signed.keyring("both", "old", "new", configuration="threshold: 1\n")
    assert signed.sign("old", serial=4).require(2).stderr == LOWER.format(4)
    assert signed.sign("old", options=("--trust=both",)).require(2).stderr == NEXT
    outcome = signed.sign("old", options=("--channel=beta",)).require(2)
    assert outcome.stderr == (
        "error: the signature file is for another channel\n"
        "  expected: beta\n"
        "  found: default\n"
        "  where: coral.lock.sig\n"
        "  hint: pass `--channel default` if that is meant, or write this one to a file of its own "
        "with `--signature FILE`; to start over, remove the file, and pass a serial higher than "
        "that of any lock of `beta` before\n"
    )


def test_only_a_lock_is_signed(signing: Signing) -> None:
    signing.work.write("coral.lock", "{}\n")
    assert signing.sign("old", serial=1).code == 2
    assert not signing.signature.exists()


def test_only_signatures_are_overwritten(signing: Signing) -> None:
    signing.signature.write_text("important\n")
    outcome = signing.sign("old", serial=1).require(2)
    assert outcome.stderr == ("error: not JSON: expecting value\n  where: coral.lock.sig:1:1\n")
    assert signing.signature.read_text() == "important\n"


def test_how_many_have_to_sign_is_said_where_keys_are_brought(signing: Signing) -> None:
    signing.keyring("both", "old", "new")
    options = ("--trust=both",)
    assert signing.sign("old", serial=1, options=options).require(2).stderr == (
        "error: nothing says how many of the 2 keys have to sign from then on\n"
        "  expected: `threshold` in `keyring.yaml`, from 1 to 2\n"
        "  where: both/keyring.yaml\n"
        "  hint: write it there, as `threshold: 2`: it takes the place of that of the devices\n"
    )
    assert not signing.signature.exists()
    # Of one key, one has to sign.
    signing.keyring("both", "new", configuration="channel: beta\nfloors: {beta: 3}\n")
    assert signing.sign("old", serial=1, options=options).require(0).stderr == (
        "warning: `channel` and `floors` of the keyring `both` are ignored: a lock brings keys and "
        "their threshold, nothing else\n"
        "wrote coral.lock.sig: serial 1 of the channel default, signed by "
        f"{signing.short('old')}\n"
        f"  devices that accept it trust from then on: {signing.short('new')}; threshold 1\n"
    )


@pytest.mark.parametrize("options", [(), ("--serial=5",)])
def test_what_nobody_verified_isn_t_signed_again(
    signing: Signing, options: tuple[str, ...]
) -> None:
    """Somebody put an envelope about the right lock there, with keys of their own."""
    signing.keyring("evil", "stranger")
    signing.released(5, "stranger", trust="evil")
    before = signing.signature.read_bytes()
    assert signing.sign("old", options=options).require(2).stderr == (
        "error: the signature file brings keys for devices to trust, and nobody has verified it\n"
        f"  found: {signing.short('stranger')}; threshold 1\n"
        "  where: coral.lock.sig\n"
        "  hint: if that is meant, pass the same keys with `--trust KEYRING_DIR`; else remove the "
        "file\n"
    )
    assert signing.signature.read_bytes() == before
    signing.signature.unlink()
    signing.sign("stranger", serial=5, options=("--channel=beta",)).require(0)
    assert signing.sign("old", options=options).require(2).stderr == (
        "error: the signature file is for another channel\n"
        "  expected: default\n"
        "  found: beta\n"
        "  where: coral.lock.sig\n"
        "  hint: pass `--channel beta` if that is meant, or write this one to a file of its own "
        "with `--signature FILE`; to start over, remove the file, and pass a serial higher than "
        "that of any lock of `default` before\n"
    )


def test_after_the_highest_serial_there_is_none(signing: Signing) -> None:
    highest = 2**53 - 1
    signing.released(highest, "old")
    signing.sign("old").require(0)
    signing.work.write("coral.lock", OTHER_LOCK)
    for serial in (None, 7, highest):
        assert signing.sign("old", serial=serial).require(2).stderr == (
            "error: the signature file has the highest serial that there is\n"
            "  found: 9007199254740991\n"
            "  where: coral.lock.sig\n"
            "  hint: if none of your releases wrote that, remove the file\n"
        )


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "\033[31m", "a" * 101, "é"])
def test_what_is_no_channel(signing: Signing, name: str) -> None:
    for command in ("sign", "accept"):
        words = ("--key=old.key",) if command == "sign" else ()
        outcome = signing.work.coral(command, *words, f"--channel={name}").require(2)
        assert "\033" not in outcome.stderr
        assert outcome.stderr.endswith(
            "can't name a channel\n"
            "  expected: letters and digits, with `.`, `_` and `-` between them, at most 100\n"
            "  hint: name it like `production`\n"
        )


# Keys.


def test_a_key_is_made_and_never_overwritten(signing: Signing) -> None:
    outcome = signing.work.coral("keygen", "k").require(0)
    assert outcome.stderr == "wrote k.key, which is secret, and k.pub, for keyrings\n"
    assert outcome.stdout == f"{key_id(public_key(signing, 'k'))}\n"
    private, public = signing.directory / "k.key", signing.directory / "k.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----\n")
    before = private.read_bytes()
    outcome = signing.work.coral("keygen", "k").require(2)
    assert outcome.stderr == (
        "error: `k.key` is there already, and a key is never overwritten\n"
        "  where: k.key\n"
        "  hint: choose another name\n"
    )
    private.unlink()
    outcome = signing.work.coral("keygen", "k").require(2)
    assert outcome.stderr.startswith("error: `k.pub` is there already")
    assert not private.exists()
    assert before


ENDINGS = "is the name of a file, and the endings are added to that of the key"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(
            (
                name,
                f"error: {shown} can't name a key\n"
                "  expected: the path of its files, without `.key` and `.pub`\n"
                "  hint: name it like `coral-runtime keygen release`\n",
            )
            for name, shown in {"": "``", "keys/": "`keys/`", "..": "`..`"}.items()
        ),
        ("g.key", f"error: `g.key` {ENDINGS}\n  hint: `coral-runtime keygen g`\n"),
        ("a b.pub", f"error: `a b.pub` {ENDINGS}\n  hint: `coral-runtime keygen 'a b'`\n"),
    ],
)
def test_what_can_t_name_a_key(signing: Signing, name: str, message: str) -> None:
    before = sorted(os.listdir(signing.directory))
    assert signing.work.coral("keygen", "--", name).require(2).stderr == message
    assert sorted(os.listdir(signing.directory)) == before


def test_a_private_key_that_others_can_read(signing: Signing) -> None:
    (signing.directory / "old.key").rename(signing.directory / "my old.key")
    (signing.directory / "my old.key").chmod(0o640)
    written = (
        f"wrote coral.lock.sig: serial 1 of the channel default, signed by {signing.short('old')}\n"
    )
    assert signing.sign("my old", serial=1).require(0).stderr == (
        "warning: others can read the private key `my old.key`: run `chmod 600 'my old.key'`\n"
        f"{written}"
    )
    (signing.directory / "my old.key").chmod(0o600)
    signing.signature.unlink()
    assert signing.sign("my old", serial=1).require(0).stderr == written


def test_a_key_where_none_can_be_written(signing: Signing) -> None:
    assert signing.work.coral("keygen", "no/k").require(2).stderr == (
        "error: the key can't be written: No such file or directory\n"
        "  where: no/k.key\n"
        "  hint: name a directory that exists and can be written to\n"
    )


@pytest.mark.parametrize("failing", [1, 2])
def test_a_full_disk_leaves_no_half_of_a_key(
    signing: Signing, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    calls = iter(range(1, 9))

    def sync(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and next(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", sync)
    path = "k.key" if failing == 1 else "k.pub"
    assert signing.work.coral("keygen", "k").require(2).stderr == (
        "error: the key can't be written: No space left on device\n"
        f"  where: {path}\n"
        "  hint: name a directory that exists and can be written to\n"
    )
    assert not {"k.key", "k.pub"}.intersection(os.listdir(signing.directory))


def test_an_encrypted_key_needs_its_passphrase(signing: Signing) -> None:
    known = {"CORAL_LOCK_PASSPHRASE": "swordfish"}
    signing.work.coral("keygen", "k", env=known).require(0)
    assert "BEGIN ENCRYPTED PRIVATE KEY" in (signing.directory / "k.key").read_text()
    words = ("sign", "--key=k.key", "--serial=1")
    assert signing.work.coral(*words).require(2).stderr == (
        "error: the private key is encrypted, and its passphrase isn't known\n"
        "  where: k.key\n"
        "  hint: set `CORAL_LOCK_PASSPHRASE` in the environment\n"
    )
    wrong = {"CORAL_LOCK_PASSPHRASE": "sailfish"}
    assert signing.work.coral(*words, env=wrong).require(2).stderr == (
        "error: the passphrase doesn't decrypt the private key\n"
        "  where: k.key\n"
        "  hint: set `CORAL_LOCK_PASSPHRASE` in the environment to the passphrase that it was made "
        "with\n"
    )
    long = {"CORAL_LOCK_PASSPHRASE": "x" * 1001}
    for command in (words, ("keygen", "other")):
        assert signing.work.coral(*command, env=long).require(2).stderr == (
            "error: the passphrase in `CORAL_LOCK_PASSPHRASE` is too long\n"
            "  expected: at most 1000 bytes\n"
            "  found: 1001 bytes\n"
        )
    signing.work.coral(*words, env=known).require(0)
    # A key that isn't encrypted needs none, whatever is set.
    signing.work.coral("sign", "--key=old.key", env=known).require(0)


def _of_another_kind(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_what_is_no_private_key(signing: Signing) -> None:
    _of_another_kind(signing.directory / "ec.key")
    (signing.directory / "text.key").write_text("hello\n")
    (signing.directory / "large.key").write_text("x" * 20_000)
    os.mkfifo(signing.directory / "pipe.key")
    hint = "  hint: make one with `coral-runtime keygen NAME`\n"
    expected = "  expected: an Ed25519 private key, PKCS #8 in PEM\n"
    for name, message in {
        "ec.key": f"the private key isn't an Ed25519 key\n{expected}  where: ec.key\n{hint}",
        "text.key": f"the file isn't a private key\n{expected}  where: text.key\n{hint}",
        "old.pub": f"the file holds no private key\n{expected}  where: old.pub\n{hint}",
        "none.key": f"there is no private key\n  where: none.key\n{hint}",
        "pipe.key": "the private key can't be read: not a regular file\n  where: pipe.key\n",
        "large.key": "the private key can't be read: 20000 bytes, more than the 16384 allowed\n"
        "  where: large.key\n",
    }.items():
        outcome = signing.work.coral("sign", f"--key={name}", "--serial=1").require(2)
        assert outcome.stderr == f"error: {message}"


def test_without_the_library_it_is_said(signed: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coral_lock.signing.keys.find_spec", lambda name: None)
    for words in (("keygen", "k"), ("sign", "--key=old.key"), ("accept", "--keyring=keyring")):
        assert signed.work.coral(*words).require(2).stderr == (
            "error: the library that makes and verifies signatures isn't installed\n"
            "  expected: `cryptography`\n"
            "  hint: install `coral-lock[sign]`\n"
        )
