"""Envelopes and keyrings that somebody changed: one thing of a valid one, and what is said."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.signing.envelope import (
    Envelope,
    Signature,
    Statement,
    read_envelope,
    read_statement,
)
from coral_lock.signing.keys import load_private_key, valid_signers
from tests.support.signed import Signing

Document = dict[str, Any]
AGAIN = "  hint: sign the lock again with `coral-runtime sign`\n"
FEW = "too few signatures of the lock are valid\n"


def few(signed: Signing, found: str) -> str:
    """Return the refusal of signatures of which too few are valid."""
    return (
        f"error: {FEW}"
        f"  expected: 1 of the key {signed.short('old')}\n"
        f"  found: {found}; missing: {signed.short('old')}\n"
        "  where: coral.lock.sig\n"
        "  hint: sign the lock with a key that this device trusts, or look at its keyring: "
        "`keyring`\n"
    )


def resign(signed: Signing, change: Callable[[Document], object]) -> None:
    """Change one thing of the statement, and sign that with the trusted key."""
    document = json.loads(base64.b64decode(json.loads(signed.signature.read_text())["payload"]))
    change(document)
    sign_payload(signed, json.dumps(document).encode())


def sign_payload(signed: Signing, payload: bytes) -> None:
    key = load_private_key(str(signed.directory / "old.key"))
    envelope = Envelope(payload=payload, signatures=(key.sign(payload),))
    signed.signature.write_text(envelope.text())


# Envelopes whose signatures aren't valid: nobody has to sign them.

FORGED: dict[str, tuple[Callable[[Document], object], str]] = {
    "another payload": (
        lambda e: e.update(payload=base64.b64encode(b'{"serial": 9}').decode()),
        "0 valid, of 1 in the file",
    ),
    "another signature": (
        lambda e: e["signatures"][0].update(sig=base64.b64encode(bytes(64)).decode()),
        "0 valid, of 1 in the file",
    ),
    "a short signature": (
        lambda e: e["signatures"][0].update(sig="AAAA"),
        "0 valid, of 1 in the file",
    ),
    "an empty signature": (
        lambda e: e["signatures"][0].update(sig=""),
        "0 valid, of 1 in the file",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_signature(signed: Signing, name: str) -> None:
    change, found = FORGED[name]
    signed.change_envelope(change)
    assert signed.accept().require(3).stderr == few(signed, found)
    assert not signed.record.exists()


def test_a_signature_by_an_unknown_key(signing: Signing) -> None:
    signing.released(5, "stranger")
    assert signing.accept().require(3).stderr == few(signing, "0 valid, of 1 in the file")


def test_a_key_id_is_only_a_hint(signing: Signing) -> None:
    """A stranger's signature with a trusted name isn't valid; a trusted one with any name is."""
    signing.released(5, "stranger")
    signing.change_envelope(lambda e: e["signatures"][0].update(keyid=signing.ids["old"]))
    assert signing.accept().require(3).stderr == few(signing, "0 valid, of 1 in the file")
    signing.released(5, "old")
    signing.change_envelope(lambda e: e["signatures"][0].update(keyid=signing.ids["stranger"]))
    assert signing.accepted()["signers"] == [signing.ids["old"]]
    signing.change_envelope(lambda e: e["signatures"][0].pop("keyid"))
    assert signing.accepted()["signers"] == [signing.ids["old"]]


def test_two_signatures_by_one_key_count_once(signed: Signing) -> None:
    signed.keyring("keyring", "old", "new", configuration="threshold: 2\n")
    second = {"keyid": signed.ids["new"]}
    signed.change_envelope(lambda e: e["signatures"].append({**e["signatures"][0], **second}))
    outcome = signed.accept().require(3)
    one, missing = signed.short("old"), signed.short("new")
    assert f"  found: 1 valid, of 2 in the file: {one}; missing: {missing}\n" in outcome.stderr


def test_base64_for_addresses_and_unknown_fields_are_taken(signed: Signing) -> None:
    """As DSSE demands."""

    def change(envelope: Document) -> None:
        for part in (envelope, envelope["signatures"][0]):
            key = "payload" if "payload" in part else "sig"
            part[key] = part[key].replace("+", "-").replace("/", "_")
            part["later"] = {"a": [1, 2]}

    signed.change_envelope(change)
    signed.accepted()


# Envelopes that can't be read.

UNREADABLE: dict[str, tuple[Callable[[Document], object], str]] = {
    "no base64": (
        lambda e: e.update(payload="A*=="),
        f"error: `payload` isn't base64\n  where: coral.lock.sig\n{AGAIN}",
    ),
    "base64 with a line feed": (
        lambda e: e.update(payload=e["payload"] + "\n"),
        f"error: `payload` isn't base64\n  where: coral.lock.sig\n{AGAIN}",
    ),
    "base64 without its end": (
        lambda e: e["signatures"][0].update(sig=e["signatures"][0]["sig"].rstrip("=")),
        f"error: `signatures[0].sig` isn't base64\n  where: coral.lock.sig\n{AGAIN}",
    ),
    "another type": (
        lambda e: e.update(payloadType="text/\033[31mplain"),
        "error: the envelope holds something else than a signed lock\n"
        "  expected: `payloadType` application/vnd.in-toto+json\n"
        "  found: `text/\\x1b[31mplain`\n"
        f"  where: coral.lock.sig\n{AGAIN}",
    ),
    "no type": (
        lambda e: e.pop("payloadType"),
        "error: `payloadType` is missing\n  expected: text\n  where: coral.lock.sig:1:1\n",
    ),
    "a number for a payload": (
        lambda e: e.update(payload=7),
        "error: `payload` has a wrong value\n"
        "  expected: text\n  found: 7\n  where: coral.lock.sig:1:13\n"
        '  hint: quote it if it is meant as text: "7"\n',
    ),
    "no signatures": (
        lambda e: e.update(signatures=[]),
        "error: `signatures` has a wrong value\n"
        "  expected: up to 64 signatures\n  found: a list\n  where: coral.lock.sig:1:{}\n",
    ),
    "too many signatures": (
        lambda e: e.update(signatures=e["signatures"] * 65),
        "error: `signatures` has a wrong value\n"
        "  expected: at most 64 entries\n  found: 65\n  where: coral.lock.sig:1:{}\n",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_envelope_that_can_t_be_read(signed: Signing, name: str) -> None:
    change, message = UNREADABLE[name]
    signed.change_envelope(change)
    at = signed.signature.read_text().find('"signatures": ') + len('"signatures": ') + 1
    outcome = signed.accept().require(2)
    assert outcome.stderr == message.format(at)
    assert signed.sign("new", serial=9).require(2).stderr == outcome.stderr


BYTES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "error: `payload` is missing\n"),
    "no UTF-8": (b"\xff", "error: the file isn't UTF-8\n"),
    "no JSON": (b"{", "error: not JSON: "),
    "deep": (b"[" * 100_000, "error: the document is nested too deep\n"),
    "a key twice": (b'{"payload": "", "payload": ""}', "error: `payload` appears twice\n"),
    "huge": (b" " * (256 << 10) + b"{}", "error: the signature can't be read: 262146 bytes"),
    "a list": (b"[]", "error: the document isn't a mapping\n"),
}


@pytest.mark.parametrize("name", BYTES)
def test_a_file_that_is_no_envelope(signed: Signing, name: str) -> None:
    content, message = BYTES[name]
    signed.signature.write_bytes(content)
    assert message in signed.accept().require(2).stderr


def test_a_pipe_for_a_signature(signed: Signing) -> None:
    signed.signature.unlink()
    assert signed.accept().require(2).stderr == (
        f"error: there is no signature\n  where: coral.lock.sig\n{AGAIN}"
    )
    os.mkfifo(signed.signature)
    assert signed.accept().require(2).stderr == (
        "error: the signature can't be read: not a regular file\n  where: coral.lock.sig\n"
    )


# Statements that a trusted key has signed.

SERIAL = "a whole number from 1 to 9007199254740991"


def wrong(key: str, expected: str, found: str) -> str:
    return f"error: `{key}` has a wrong value\n  expected: {expected}\n  found: {found}\n"


def serial(value: object) -> Callable[[Document], object]:
    return lambda s: s["predicate"].update(serial=value)


STATEMENTS: dict[str, tuple[Callable[[Document], object], str]] = {
    "a serial of true": (serial(True), wrong("predicate.serial", SERIAL, "true")),
    "a serial with a fraction": (serial(5.0), wrong("predicate.serial", SERIAL, "5.0")),
    "a serial as text": (serial("5"), wrong("predicate.serial", SERIAL, '"5"')),
    "a negative serial": (serial(-5), wrong("predicate.serial", SERIAL, "-5")),
    "a serial of none": (serial(0), wrong("predicate.serial", SERIAL, "0")),
    "a large serial": (serial(2**53), wrong("predicate.serial", SERIAL, str(2**53))),
    "a huge serial": (
        serial(2**70),
        "error: `predicate.serial` is a number out of range\n"
        "  expected: an integer of at most 64 bits\n",
    ),
    "a channel with an escape sequence": (
        lambda s: s["predicate"].update(channel="\033[31mred"),
        wrong(
            "predicate.channel",
            "a name of letters and digits, with `.`, `_` and `-` between them",
            '"\\u001b[31mred"',
        ),
    ),
    "a long channel": (
        lambda s: s["predicate"].update(channel="a" * 5000),
        wrong(
            "predicate.channel",
            "a name of letters and digits, with `.`, `_` and `-` between them",
            f'"{"a" * 60}…"',
        ),
    ),
    "two subjects": (
        lambda s: s["subject"].append(s["subject"][0]),
        wrong("subject", "at most 1 entries", "2"),
    ),
    "no subject": (
        lambda s: s.update(subject=[]),
        wrong("subject", "the one lock that was signed", "a list"),
    ),
    "another subject": (
        lambda s: s["subject"][0].update(name="app.whl"),
        wrong("subject[0].name", "coral.lock", '"app.whl"'),
    ),
    "another digest": (
        lambda s: s["subject"][0].update(digest={"sha512": "0" * 128}),
        "error: `subject[0].digest.sha256` is missing\n"
        "  expected: 64 hexadecimal digits, in lower case\n",
    ),
    "an upper-case digest": (
        lambda s: s["subject"][0]["digest"].update(sha256="A" * 64),
        wrong(
            "subject[0].digest.sha256",
            "64 hexadecimal digits, in lower case",
            f'"{"A" * 60}…"',
        ),
    ),
    "another predicate": (
        lambda s: s.update(predicateType="urn:coral-lock:signed-lock:2"),
        wrong("predicateType", "urn:coral-lock:signed-lock:1", '"urn:coral-lock:signed-lock:2"'),
    ),
    "a predicate that knows more": (
        lambda s: s["predicate"].update(expires="2030"),
        "error: unknown key `predicate.expires`\n  expected: one of channel, serial, trust\n",
    ),
    "keys that are none": (
        lambda s: s["predicate"].update(trust={"keys": [], "threshold": 1}),
        wrong("predicate.trust.keys", "up to 64 Ed25519 public keys", "a list"),
    ),
    "a key twice": (
        lambda s: s["predicate"].update(trust={"keys": ["0" * 64] * 2, "threshold": 1}),
        "error: `predicate.trust.keys` contains a duplicate entry\n",
    ),
    "a key for which anybody can sign": (
        lambda s: s["predicate"].update(trust={"keys": ["01" + "0" * 62], "threshold": 1}),
        "error: the statement brings a key for which anybody can sign: a point of small order\n"
        f"  found: 01{'0' * 62}\n",
    ),
    "a threshold that can't be met": (
        lambda s: s["predicate"].update(trust={"keys": ["0" * 64], "threshold": 2}),
        "error: the statement asks for 2 signatures of 1 key\n",
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_that_can_t_be_taken(signed: Signing, name: str) -> None:
    change, message = STATEMENTS[name]
    resign(signed, change)
    outcome = signed.accept().require(2)
    assert outcome.stderr.startswith(message)
    assert "  where: payload of coral.lock.sig" in outcome.stderr
    assert "\033" not in outcome.stderr
    assert not signed.record.exists()


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\xff", "error: the file isn't UTF-8\n"),
        (b'{"_type": 1, "_type": 2}', "error: `_type` appears twice\n"),
        (b"[" * 50_000, "error: the document is nested too deep\n"),
        (b"", "error: `_type` is missing\n"),
    ],
)
def test_a_payload_that_is_no_statement(signed: Signing, payload: bytes, message: str) -> None:
    sign_payload(signed, payload)
    assert message in signed.accept().require(2).stderr


# Keyrings.


def _other_key(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _weak_key(path: Path) -> None:
    key = Ed25519PublicKey.from_public_bytes(b"\1" + bytes(31))
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


EXPECTED = "  expected: one Ed25519 public key, SubjectPublicKeyInfo in PEM\n"
PUT = "  hint: put the `.pub` file of `coral-runtime keygen` there, or remove it\n"
FILES = "  expected: `*.pem` and `*.pub` with public keys, and `keyring.yaml`\n"
KEYRINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no key": (
        lambda d: (d / "old.pub").unlink(),
        "error: the keyring holds no key\n  where: keyring\n"
        "  hint: put public keys there, such as the `.pub` file of `coral-runtime keygen`\n",
    ),
    "an unknown file": (
        lambda d: (d / "README").write_text("keys\n"),
        "error: the keyring holds `README`, which isn't one of its files\n"
        f"{FILES}  where: keyring/README\n  hint: take it away\n",
    ),
    "a hidden file, which doesn't count": (
        lambda d: ((d / ".gitkeep").write_text(""), (d / "old.pub").rename(d / ".old.pub")),
        "error: the keyring holds no key\n  where: keyring\n"
        "  hint: put public keys there, such as the `.pub` file of `coral-runtime keygen`\n",
    ),
    "a file with an escape sequence": (
        lambda d: (d / "\033[31m.txt").write_text("keys\n"),
        "error: the keyring holds `\\x1b[31m.txt`, which isn't one of its files\n"
        f"{FILES}  where: keyring/\\x1b[31m.txt\n  hint: take it away\n",
    ),
    "a key of another kind": (
        lambda d: _other_key(d / "ec.pub"),
        f"error: the key isn't an Ed25519 key\n{EXPECTED}  where: keyring/ec.pub\n{PUT}",
    ),
    "a key for which anybody can sign": (
        lambda d: _weak_key(d / "weak.pem"),
        "error: anybody can sign for this key: it is a point of small order\n"
        f"{EXPECTED}  where: keyring/weak.pem\n{PUT}",
    ),
    "no key at all": (
        lambda d: (d / "text.pem").write_text("hello\n"),
        f"error: the file isn't a public key\n{EXPECTED}  where: keyring/text.pem\n{PUT}",
    ),
    "several keys in one file": (
        lambda d: (d / "two.pem").write_bytes((d / "old.pub").read_bytes() * 2),
        f"error: the file holds several keys\n{EXPECTED}  where: keyring/two.pem\n{PUT}",
    ),
    "a key twice": (
        lambda d: (d / "twin.pem").write_bytes((d / "old.pub").read_bytes()),
        "error: the keyring has one key twice, in `old.pub` too\n"
        "  where: keyring/twin.pem\n  hint: remove one of the files\n",
    ),
    "a private key": (
        lambda d: (d / "old.pem").write_bytes((d.parent / "old.key").read_bytes()),
        "error: a private key lies in the keyring, where anybody may read it\n"
        f"{EXPECTED}  where: keyring/old.pem\n"
        "  hint: take it away, count it as stolen, and make another with `coral-runtime keygen`\n",
    ),
    "a private key under its own name": (
        lambda d: (d / "old.key").write_bytes((d.parent / "old.key").read_bytes()),
        "error: the keyring holds `old.key`, which isn't one of its files\n"
        f"{FILES}  where: keyring/old.key\n"
        "  hint: take it away; a private key doesn't belong into a keyring\n",
    ),
    "a large key": (
        lambda d: (d / "large.pem").write_text("x" * 70_000),
        "error: the key can't be read: 70000 bytes, more than the 65536 allowed\n"
        "  where: keyring/large.pem\n",
    ),
    "a pipe": (
        lambda d: os.mkfifo(d / "pipe.pub"),
        "error: the key can't be read: not a regular file\n  where: keyring/pipe.pub\n",
    ),
    "a threshold that can't be met": (
        lambda d: (d / "keyring.yaml").write_text("threshold: 2\n"),
        "error: the keyring asks for more signatures than it has keys: 2 of 1\n"
        "  where: keyring/keyring.yaml\n  hint: add the keys, or lower `threshold`\n",
    ),
    "a misspelt setting": (
        lambda d: (d / "keyring.yaml").write_text("treshold: 1\n"),
        "error: unknown key `treshold`\n  where: keyring/keyring.yaml:1:1\n"
        "  hint: did you mean `threshold`?\n",
    ),
    "a threshold of true": (
        lambda d: (d / "keyring.yaml").write_text("threshold: true\n"),
        "error: `threshold` has a wrong value\n  expected: a whole number from 1 to 64\n"
        "  found: true\n  where: keyring/keyring.yaml:1:12\n",
    ),
    "a floor of a wrong channel": (
        lambda d: (d / "keyring.yaml").write_text("floors: {a b: 1}\n"),
        'error: invalid key `floors."a b"`\n'
        "  expected: a name of letters and digits, with `.`, `_` and `-` between them\n"
        "  where: keyring/keyring.yaml:1:10\n",
    ),
    "too many files": (
        lambda d: [(d / f"{number}.pub").write_text("") for number in range(65)],
        "error: the keyring holds 66 files\n"
        "  expected: at most 64 keys and `keyring.yaml`\n  where: keyring\n"
        "  hint: take away the keys that nobody signs with\n",
    ),
    "several things": (
        lambda d: (
            (d / "README").write_text("keys\n"),
            (d / "keyring.yaml").write_text("channel: 1\nthreshold: 0\n"),
        ),
        "error: the keyring holds `README`, which isn't one of its files\n"
        f"{FILES}  where: keyring/README\n  hint: take it away\n"
        "error: `channel` has a wrong value\n"
        "  expected: a name of letters and digits, with `.`, `_` and `-` between them\n"
        "  found: 1\n  where: keyring/keyring.yaml:1:10\n"
        '  hint: quote it if it is meant as text: "1"\n'
        "error: `threshold` has a wrong value\n  expected: a whole number from 1 to 64\n"
        "  found: 0\n  where: keyring/keyring.yaml:2:12\n"
        "error: the keyring has 3 mistakes\n",
    ),
    "for the group": (
        lambda d: d.chmod(0o775),
        "error: others can write to the keyring, and could put other keys there\n"
        "  found: mode 0775\n  where: keyring\n"
        "  hint: look at it, and run `chmod go-w keyring`\n",
    ),
    "a key for everybody": (
        lambda d: (d / "old.pub").chmod(0o646),
        "error: others can write to the keyring, and could put other keys there\n"
        "  found: mode 0646\n  where: keyring/old.pub\n"
        "  hint: look at it, and run `chmod go-w keyring/old.pub`\n",
    ),
}


@pytest.mark.parametrize("name", KEYRINGS)
def test_a_keyring_that_can_t_be_used(signed: Signing, name: str) -> None:
    change, message = KEYRINGS[name]
    change(signed.directory / "keyring")
    assert signed.accept().require(2).stderr == message
    assert not signed.record.exists()


def test_no_keyring(signed: Signing) -> None:
    words = ("accept", "--trust-dir=trust", "--keyring=none")
    assert signed.work.coral(*words).require(2).stderr == (
        "error: there is no keyring\n  where: none\n"
        "  hint: put public keys there, such as the `.pub` file of `coral-runtime keygen`\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_keyring_of_somebody_else(signed: Signing) -> None:
    os.chown(signed.directory / "keyring" / "old.pub", 12345, -1)
    assert signed.accept().require(2).stderr == (
        "error: the keyring belongs to somebody else, who could put other keys there\n"
        "  expected: root, or this user\n  found: the user 12345\n  where: keyring/old.pub\n"
        "  hint: look at it, and run `chown root keyring/old.pub`\n"
    )


# Laws.

contents = st.binary(max_size=20)


@given(
    contents,
    st.lists(
        st.builds(Signature, key_id=st.text(max_size=5), content=contents), min_size=1, max_size=3
    ),
)
def test_an_envelope_reads_as_it_is_written(payload: bytes, signatures: list[Signature]) -> None:
    envelope = Envelope(payload=payload, signatures=tuple(signatures))
    assert read_envelope(envelope.text().encode(), "x") == envelope


def test_a_changed_bit_is_never_signed(signing: Signing) -> None:
    """Of the payload, or of the signature."""
    statement = Statement(sha256="0" * 64, channel="a", serial=1)
    key = load_private_key(str(signing.directory / "old.key"))
    payload = statement.payload()
    signature = key.sign(payload)
    assert read_statement(payload, "x") == statement
    for at in range(0, len(payload) * 8, 7):
        changed = bytearray(payload)
        changed[at // 8] ^= 1 << at % 8
        envelope = Envelope(payload=bytes(changed), signatures=(signature,))
        assert valid_signers(envelope, [key.public]) == {}
    for at in range(0, 512, 3):
        broken = bytearray(signature.content)
        broken[at // 8] ^= 1 << at % 8
        forged = Signature(key_id=signature.key_id, content=bytes(broken))
        assert valid_signers(Envelope(payload=payload, signatures=(forged,)), [key.public]) == {}
