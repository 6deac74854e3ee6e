"""securesystemslib verifies what is signed here, and what it signs is accepted."""

from __future__ import annotations

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, Key, SSlibKey  # type: ignore[attr-defined]

from coral_lock.signing.keys import key_id
from tests.support.signed import LOCK, Signing

SHA256 = hashlib.sha256(LOCK.encode()).hexdigest()


def their_key(signing: Signing, name: str) -> Key:
    return SSlibKey.from_crypto(
        load_pem_public_key((signing.directory / f"{name}.pub").read_bytes())
    )


def their_signer(signing: Signing, name: str) -> CryptoSigner:
    key = load_pem_private_key((signing.directory / f"{name}.key").read_bytes(), None)
    return CryptoSigner(key)


def test_securesystemslib_verifies_what_is_signed_here(signing: Signing) -> None:
    signing.sign("old", "new", serial=5).require(0)
    envelope = Envelope.from_dict(json.loads(signing.signature.read_text()))
    keys = [their_key(signing, name) for name in ("old", "new")]
    assert {key.keyid for key in keys} == {signing.ids["old"], signing.ids["new"]}
    assert envelope.verify(keys, 2).keys() == {key.keyid for key in keys}
    assert envelope.payload_type == "application/vnd.in-toto+json"
    with pytest.raises(VerificationError):
        envelope.verify([their_key(signing, "stranger")], 1)


def test_what_securesystemslib_signs_is_accepted(signing: Signing) -> None:
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"digest": {"sha256": SHA256, "sha1": "0"}, "name": "coral.lock", "uri": "x:y"}
        ],
        "predicateType": "urn:coral-lock:signed-lock:1",
        "predicate": {"serial": 3, "channel": "default"},
        "later": ["ignored"],
    }
    envelope = Envelope(json.dumps(document).encode(), "application/vnd.in-toto+json", {})
    envelope.sign(their_signer(signing, "old"))
    signing.signature.write_text(json.dumps(envelope.to_dict()))
    assert signing.accepted()["serial"] == 3
    # And one more signature is added here, to the same bytes.
    signing.sign("new").require(0)
    both = Envelope.from_dict(json.loads(signing.signature.read_text()))
    assert both.payload == envelope.payload
    both.verify([their_key(signing, name) for name in ("old", "new")], 2)


def test_the_id_of_a_known_key() -> None:
    """The public key is that of RFC 8032, section 7.1, test 1."""
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    known = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    expected = "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916"
    assert key_id(public) == SSlibKey.from_crypto(known).keyid == expected
