"""A keyring: a directory of public keys, and what its administrator decided about them.

It is configuration: nothing here writes to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from coral_lock.document.node import Mistakes
from coral_lock.document.reader import decode, read_yaml
from coral_lock.document.schema import check
from coral_lock.errors import CoralLockError, InputError, ProblemsError, quoted, raise_together
from coral_lock.safe_files import read_named_file
from coral_lock.signing.accepted import MAX_KEYS, Channel, KeySet
from coral_lock.signing.keys import read_public_key

DEFAULT_KEYRING = "/etc/coral-lock/keyring"
CONFIGURATION = "keyring.yaml"
_SUFFIXES = (".pem", ".pub")
_MAX_BYTES = 64 << 10
_MAKE_ONE = "put public keys there, such as the `.pub` file of `coral-runtime keygen`"


@dataclass(frozen=True, kw_only=True, slots=True)
class Keyring:
    """Whose signatures count.

    Attributes:
        key_set: the keys, and how many of them have to sign.
        has_threshold: whether somebody has written down how many, instead of taking the default.
        channel: that of this device, None where it isn't configured.
        floors: the lowest serial that may be accepted, by channel.
    """

    key_set: KeySet
    has_threshold: bool = False
    channel: str | None = None
    floors: Mapping[str, int] = field(default_factory=dict)


def load_keyring(directory: str, *, is_trusted: bool = False) -> Keyring:
    """Return the keyring of a directory.

    Args:
        directory: it holds `*.pem` and `*.pub` files, and perhaps a `keyring.yaml`. Files whose
            names start with a dot, such as `.gitkeep`, don't count.
        is_trusted: whether a device relies on it, so that only its owner, root or this user, may
            be able to write to it.

    Raises:
        InputError: there is no such directory, or one thing is wrong with it.
        ProblemsError: several things are wrong with it, by their files.
    """
    names = _names(directory)
    problems: list[CoralLockError] = []
    keys: dict[str, str] = {}
    settings: dict[str, Any] = {}
    if is_trusted:
        problems += _writable(directory, ("", *names))
    for name in names:
        path = os.path.join(directory, name)
        try:
            if name == CONFIGURATION:
                settings = _read_configuration(path)
            elif name.endswith(_SUFFIXES):
                content = read_named_file(path, _MAX_BYTES, what="key", hint=_MAKE_ONE)
                public = read_public_key(content, path)
                if public in keys:
                    raise InputError(
                        f"the keyring has one key twice, in `{keys[public]}` too",
                        where=path,
                        hint="remove one of the files",
                    )
                keys[public] = name
            else:
                raise _unknown_file(path, name)
        except ProblemsError as error:
            problems += error.problems
        except CoralLockError as error:
            problems.append(error)
    threshold = settings.get("threshold", 1)
    if not problems:
        problems += _counted_problems(directory, len(keys), threshold)
    raise_together(problems, "the keyring")
    return Keyring(
        key_set=KeySet(keys=tuple(sorted(keys)), threshold=threshold),
        has_threshold="threshold" in settings,
        channel=settings.get("channel"),
        floors=settings.get("floors", {}),
    )


def trusted_keys(keyring: Keyring, before: Channel | None) -> KeySet:
    """Return the keys that count: those that a lock brought, while the keyring is as it was then.

    A keyring that has been changed since then counts again: so an administrator gets back to it.
    """
    rotation = before.rotation if before else None
    if rotation is not None and rotation.replaces == keyring.key_set:
        return rotation.keys
    return keyring.key_set


def _names(directory: str) -> list[str]:
    try:
        names = sorted(each for each in os.listdir(directory) if not each.startswith("."))
    except FileNotFoundError:
        raise InputError("there is no keyring", where=directory, hint=_MAKE_ONE) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the keyring can't be read: {reason}", where=directory) from None
    if len(names) > MAX_KEYS + 1:
        raise InputError(
            f"the keyring holds {len(names)} files",
            expected=f"at most {MAX_KEYS} keys and `{CONFIGURATION}`",
            where=directory,
            hint="take away the keys that nobody signs with",
        )
    return names


def _unknown_file(path: str, name: str) -> InputError:
    return InputError(
        f"the keyring holds {quoted(name)}, which isn't one of its files",
        expected=f"`*.pem` and `*.pub` with public keys, and `{CONFIGURATION}`",
        where=path,
        hint="take it away; a private key doesn't belong into a keyring"
        if name.endswith(".key")
        else "take it away",
    )


def _counted_problems(directory: str, count: int, threshold: int) -> Iterator[CoralLockError]:
    if count == 0:
        yield InputError("the keyring holds no key", where=directory, hint=_MAKE_ONE)
    elif threshold > count:
        yield InputError(
            f"the keyring asks for more signatures than it has keys: {threshold} of {count}",
            where=os.path.join(directory, CONFIGURATION),
            hint="add the keys, or lower `threshold`",
        )


def _writable(directory: str, names: tuple[str, ...]) -> Iterator[CoralLockError]:
    """Yield what others than root and this user can change."""
    for name in names:
        path = os.path.join(directory, name).rstrip("/")
        try:
            status = os.stat(path)
        except OSError:
            # What can't be looked at can't be read either, which is said elsewhere.
            continue
        if status.st_uid not in (0, os.geteuid()):
            yield InputError(
                "the keyring belongs to somebody else, who could put other keys there",
                expected="root, or this user",
                found=f"the user {status.st_uid}",
                where=path,
                hint=f"look at it, and run `chown root {path}`",
            )
        elif status.st_mode & 0o022:
            yield InputError(
                "others can write to the keyring, and could put other keys there",
                found=f"mode {stat.S_IMODE(status.st_mode):04o}",
                where=path,
                hint=f"look at it, and run `chmod go-w {path}`",
            )


def _read_configuration(path: str) -> dict[str, Any]:
    content = read_named_file(path, _MAX_BYTES, what="configuration", hint="remove it")
    mistakes = Mistakes()
    document = check(read_yaml(decode(content, path), path, mistakes), "keyring", mistakes)
    problems = tuple(mistakes.in_order())
    if problems:
        raise ProblemsError("the configuration of the keyring has mistakes", problems)
    return document
