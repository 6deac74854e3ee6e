"""`coral.lock.sig`: a DSSE envelope around an in-toto statement about a lock.

https://github.com/secure-systems-lab/dsse, version 1.0, and
https://github.com/in-toto/attestation, Statement v1. Reading and writing need no cryptography.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from coral_lock import canonical_json
from coral_lock.document.node import Mistakes
from coral_lock.document.reader import decode, read_json
from coral_lock.document.schema import check
from coral_lock.errors import InputError, quoted, raise_together
from coral_lock.messages import counted
from coral_lock.safe_files import read_named_file
from coral_lock.signing.accepted import KeySet
from coral_lock.signing.weak_keys import is_weak

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:coral-lock:signed-lock:1"
SUBJECT = "coral.lock"
DEFAULT_CHANNEL = "default"

MAX_ENVELOPE_BYTES = 256 << 10
_SIGN_AGAIN = "sign the lock again with `coral-runtime sign`"
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What is signed: which lock, for which channel, and in which order.

    Attributes:
        sha256: of the bytes of the lock, in hexadecimal.
        channel: for which devices it is.
        serial: its number among the locks of the channel, from 1.
        trust: the keys that the channel trusts from this lock on, None where they stay.
    """

    sha256: str
    channel: str
    serial: int
    trust: KeySet | None = None

    def payload(self) -> bytes:
        """Return the bytes to sign, which are equal for equal statements."""
        predicate: dict[str, Any] = {"channel": self.channel, "serial": self.serial}
        if self.trust is not None:
            keys = list(self.trust.keys)
            predicate["trust"] = {"keys": keys, "threshold": self.trust.threshold}
        document: dict[str, Any] = {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": SUBJECT, "digest": {"sha256": self.sha256}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
        return canonical_json.write(document).encode("utf-8")


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """A signature; `key_id` is a hint at its key, and may be wrong."""

    key_id: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """Signatures of one payload."""

    payload: bytes
    signatures: tuple[Signature, ...]

    def text(self) -> str:
        """Return the text of the file."""
        document: dict[str, Any] = {
            "payload": _encoded(self.payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {"keyid": each.key_id, "sig": _encoded(each.content)} for each in self.signatures
            ],
        }
        return canonical_json.write(document)


def signed_bytes(payload: bytes) -> bytes:
    """Return what a signature of a payload is made over: DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def load_envelope(path: str) -> Envelope:
    """Return the envelope of a file.

    Raises:
        InputError: there is none, or it can't be read.
    """
    content = read_named_file(path, MAX_ENVELOPE_BYTES, what="signature", hint=_SIGN_AGAIN)
    return read_envelope(content, path)


def read_envelope(content: bytes, source: str) -> Envelope:
    """Return the envelope that the bytes of a file hold. Nothing is verified.

    Args:
        content: the whole file.
        source: how messages call it.

    Raises:
        InputError: it isn't a DSSE envelope around a statement.
        ProblemsError: there are several mistakes, by their position.
    """
    document = _checked(content, source, "envelope", "the signature file")
    if document["payloadType"] != PAYLOAD_TYPE:
        raise InputError(
            "the envelope holds something else than a signed lock",
            expected=f"`payloadType` {PAYLOAD_TYPE}",
            found=quoted(document["payloadType"]),
            where=source,
            hint=_SIGN_AGAIN,
        )
    return Envelope(
        payload=_decoded(document["payload"], "payload", source),
        signatures=tuple(
            Signature(
                key_id=each.get("keyid", ""),
                content=_decoded(each["sig"], f"signatures[{index}].sig", source),
            )
            for index, each in enumerate(document["signatures"])
        ),
    )


def read_statement(payload: bytes, source: str) -> Statement:
    """Return the statement that the payload of an envelope holds.

    Args:
        payload: the bytes that are signed.
        source: how messages call the envelope.

    Raises:
        InputError: it isn't a statement about one lock.
        ProblemsError: there are several mistakes, by their position.
    """
    document = _checked(payload, f"payload of {source}", "signed-lock", "the signed statement")
    predicate = document["predicate"]
    trust = None
    if "trust" in predicate:
        keys, threshold = predicate["trust"]["keys"], predicate["trust"]["threshold"]
        if threshold > len(keys):
            raise InputError(
                f"the statement asks for {counted(threshold, 'signature')} of "
                f"{counted(len(keys), 'key')}",
                where=f"payload of {source}",
                hint=_SIGN_AGAIN,
            )
        weak = sorted(filter(is_weak, keys))
        if weak:
            raise InputError(
                "the statement brings a key for which anybody can sign: a point of small order",
                found=weak[0],
                where=f"payload of {source}",
                hint=_SIGN_AGAIN,
            )
        trust = KeySet(keys=tuple(sorted(keys)), threshold=threshold)
    return Statement(
        sha256=document["subject"][0]["digest"]["sha256"],
        channel=predicate["channel"],
        serial=predicate["serial"],
        trust=trust,
    )


def _checked(content: bytes, source: str, schema: str, what: str) -> dict[str, Any]:
    """Return the JSON document of some bytes, which conforms to a schema."""
    mistakes = Mistakes()
    document = check(read_json(decode(content, source), source, mistakes), schema, mistakes)
    raise_together(mistakes.in_order(), what)
    return document


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _decoded(text: str, what: str, source: str) -> bytes:
    """Return what base64 stands for, which DSSE lets be of the standard or the URL-safe kind."""
    try:
        if not _BASE64.fullmatch(text):
            raise ValueError
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise InputError(f"`{what}` isn't base64", where=source, hint=_SIGN_AGAIN) from None
