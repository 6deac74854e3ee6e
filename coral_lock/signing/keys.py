"""Ed25519 keys: made, read from files, and their signatures.

`cryptography`, which the extra `sign` brings along, does all of it; this module alone knows it.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

from coral_lock.errors import InputError, UsageError, WriteError, quoted
from coral_lock.safe_files import read_named_file, sync_directory
from coral_lock.signing.envelope import Envelope, Signature, signed_bytes
from coral_lock.signing.weak_keys import is_weak

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from coral_lock.signing.accepted import KeySet

PASSPHRASE_VARIABLE = "CORAL_LOCK_PASSPHRASE"
_MAX_KEY_BYTES = 16 << 10
_LONGEST_PASSPHRASE = 1000
"""OpenSSL takes little more."""

_BEGIN = b"-----BEGIN"
_PRIVATE = b"PRIVATE KEY-----"


def key_id(public: str) -> str:
    """Return the id of a key: the SHA-256 of its public part as securesystemslib writes it.

    Args:
        public: the 32 bytes of the public key, in hexadecimal.
    """
    written = f'{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}'
    return hashlib.sha256(written.encode("ascii")).hexdigest()


def shown_ids(identifiers: Iterable[str]) -> str:
    """Return the beginnings of key ids, as messages list them."""
    return ", ".join(sorted(each[:12] for each in identifiers))


def shown_keys(keys: KeySet, before: int | None = None) -> str:
    """Return the keys that count, and their threshold: `553bf893695e; threshold 1, was 2`.

    Args:
        keys: the keys.
        before: the threshold that counted until now, None where nobody knows.
    """
    was = "" if before in (None, keys.threshold) else f", was {before}"
    return f"{shown_ids(map(key_id, keys.keys))}; threshold {keys.threshold}{was}"


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs."""

    _key: Ed25519PrivateKey

    @cached_property
    def public(self) -> str:
        """The 32 bytes of the public key, in hexadecimal."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return raw.hex()

    def sign(self, payload: bytes) -> Signature:
        """Return the signature of a payload; it is the same each time."""
        return Signature(key_id=key_id(self.public), content=self._key.sign(signed_bytes(payload)))


def make_key(name: str) -> str:
    """Make a key, and write it to `NAME.key` and its public part to `NAME.pub`; return its id.

    The private key is PKCS #8 in PEM (RFC 5958, RFC 7468), mode 0600, encrypted with the passphrase
    of the environment variable where that is set. Nothing is overwritten.

    Args:
        name: the path of both files without their endings.

    Raises:
        InputError: `cryptography` isn't installed, or the passphrase is too long.
        UsageError: the name is none, or is that of one of the files.
        WriteError: one of the files is there already, or can't be written.
    """
    _require_name(name)
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    passphrase = _passphrase()
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for path in (f"{name}.key", f"{name}.pub"):
        if os.path.lexists(path):
            raise _already_there(path)
    _write_new(f"{name}.key", private, 0o600)
    try:
        _write_new(f"{name}.pub", public, 0o644)
    except WriteError:
        os.unlink(f"{name}.key")
        raise
    return key_id(PrivateKey(key).public)


def _require_name(name: str) -> None:
    if os.path.basename(name) in ("", ".", ".."):
        raise UsageError(
            f"{quoted(name)} can't name a key",
            expected="the path of its files, without `.key` and `.pub`",
            hint="name it like `coral-runtime keygen release`",
        )
    stem, ending = os.path.splitext(name)
    if ending in (".key", ".pub", ".pem"):
        words = ["coral-runtime", "keygen", stem]
        raise UsageError(
            f"{quoted(name)} is the name of a file, and the endings are added to that of the key",
            hint=f"`{shlex.join(words)}`",
        )


def _passphrase() -> bytes:
    """Return the passphrase of the environment, nothing where there is none."""
    passphrase = os.environ.get(PASSPHRASE_VARIABLE, "").encode("utf-8", "surrogateescape")
    if len(passphrase) > _LONGEST_PASSPHRASE:
        raise InputError(
            f"the passphrase in `{PASSPHRASE_VARIABLE}` is too long",
            expected=f"at most {_LONGEST_PASSPHRASE} bytes",
            found=f"{len(passphrase)} bytes",
        )
    return passphrase


def _write_new(path: str, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
        except OSError:
            os.unlink(path)
            raise
        sync_directory(os.path.dirname(os.path.abspath(path)))
    except FileExistsError:
        raise _already_there(path) from None
    except OSError as error:
        raise WriteError(
            f"the key can't be written: {error.strerror}",
            where=path,
            hint="name a directory that exists and can be written to",
        ) from None


def _already_there(path: str) -> WriteError:
    return WriteError(
        f"`{path}` is there already, and a key is never overwritten",
        where=path,
        hint="choose another name",
    )


def load_private_key(path: str) -> PrivateKey:
    """Return the private key of a PEM file.

    Raises:
        InputError: there is none, it isn't an Ed25519 key, or it is encrypted and the environment
            variable doesn't have its passphrase.
    """
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    hint = "make one with `coral-runtime keygen NAME`"
    content = read_named_file(path, _MAX_KEY_BYTES, what="private key", hint=hint)
    passphrase = _passphrase()
    problem = "the file isn't a private key"
    try:
        try:
            key = load_pem_private_key(content, None)
        except TypeError:
            if not passphrase:
                raise InputError(
                    "the private key is encrypted, and its passphrase isn't known",
                    where=path,
                    hint=f"set `{PASSPHRASE_VARIABLE}` in the environment",
                ) from None
            key = _decrypted(content, passphrase, path)
        if isinstance(key, Ed25519PrivateKey):
            return PrivateKey(key)
        problem = "the private key isn't an Ed25519 key"
    except (ValueError, UnsupportedAlgorithm):
        if _BEGIN in content and _PRIVATE not in content:
            problem = "the file holds no private key"
    raise InputError(
        problem,
        expected="an Ed25519 private key, PKCS #8 in PEM",
        where=path,
        hint=hint,
    )


def _decrypted(content: bytes, passphrase: bytes, path: str) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(content, passphrase)
    except ValueError:
        raise InputError(
            "the passphrase doesn't decrypt the private key",
            where=path,
            hint=f"set `{PASSPHRASE_VARIABLE}` in the environment to the passphrase that it was "
            "made with",
        ) from None


def is_exposed(path: str) -> bool:
    """Whether others than its owner may read a private key."""
    try:
        return bool(os.stat(path).st_mode & 0o077)
    except (OSError, ValueError):
        return False


def read_public_key(content: bytes, path: str) -> str:
    """Return the public key of a PEM file's bytes, in hexadecimal.

    Raises:
        InputError: it isn't one Ed25519 public key.
    """
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )

    expected = "one Ed25519 public key, SubjectPublicKeyInfo in PEM"
    hint = "put the `.pub` file of `coral-runtime keygen` there, or remove it"
    if _PRIVATE in content:
        raise InputError(
            "a private key lies in the keyring, where anybody may read it",
            expected=expected,
            where=path,
            hint="take it away, count it as stolen, and make another with `coral-runtime keygen`",
        )
    problem = "the file isn't a public key"
    if content.count(_BEGIN) > 1:
        problem = "the file holds several keys"
    else:
        try:
            key = load_pem_public_key(content)
            if isinstance(key, Ed25519PublicKey):
                public = key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
                if not is_weak(public):
                    return public
                problem = "anybody can sign for this key: it is a point of small order"
            else:
                problem = "the key isn't an Ed25519 key"
        except (ValueError, UnsupportedAlgorithm):
            pass
    raise InputError(problem, expected=expected, where=path, hint=hint)


def valid_signers(envelope: Envelope, keys: Iterable[str]) -> dict[str, str]:
    """Return the ids and public keys whose signatures of an envelope are valid.

    The key ids in an envelope aren't signed. A signature is tried with the key that it names
    first, and then with all others; several signatures by one key count once.

    Args:
        envelope: the envelope.
        keys: public keys, in hexadecimal.
    """
    _require_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    known = {key_id(public): public for public in keys}
    message = signed_bytes(envelope.payload)
    signers: dict[str, str] = {}
    for signature in envelope.signatures:
        for identifier in sorted(known, key=lambda each: (each != signature.key_id, each)):
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(known[identifier]))
            try:
                public.verify(signature.content, message)
            except InvalidSignature:
                continue
            signers[identifier] = known[identifier]
            break
    return dict(sorted(signers.items()))


def _require_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise InputError(
            "the library that makes and verifies signatures isn't installed",
            expected="`cryptography`",
            hint="install `coral-lock[sign]`",
        )
