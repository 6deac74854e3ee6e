"""Why a text isn't a lock. Only reached when it isn't, so `json` may be imported here."""

from __future__ import annotations

import json

from coral_lock.canonical_json import DuplicateKeyError, NotCanonicalError
from coral_lock.errors import LockError
from coral_lock.lockfile.mapping import is_later_minor
from coral_lock.lockfile.model import Lock

_LONGEST_START = 200
_CONFLICT_MARKERS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_REWRITE = "write the lock again with `coral-runtime lock`"


class _Duplicate(ValueError):
    pass


def diagnose(text: str, name: str, error: NotCanonicalError) -> LockError:
    """Return the error that tells best why `text` can't be read.

    Args:
        text: what isn't canonical JSON.
        name: how messages call the file.
        error: what the canonical reader said.
    """
    if not text.strip():
        return LockError("the lock is empty", where=name, hint=_REWRITE)
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_CONFLICT_MARKERS):
            return LockError(
                "the lock holds merge conflict markers",
                found=line[:80].rstrip(),
                where=f"{name}:{number}",
                hint="take either side, then run `coral-runtime lock`",
            )
    if text.partition("\n")[0].endswith("\r"):
        return LockError(
            "the lines of the lock end in CRLF: something converted it",
            expected="LF",
            where=f"{name}:1",
            hint=f"put `coral.lock -text` into .gitattributes, then {_REWRITE}",
        )
    if isinstance(error, DuplicateKeyError):
        return LockError(str(error), where=f"{name}:{error.line}", hint=_REWRITE)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_int=len,
        )
    except _Duplicate as duplicate:
        return LockError(
            f"the key `{duplicate}` appears twice in one object", where=name, hint=_REWRITE
        )
    except json.JSONDecodeError as json_error:
        return LockError(
            "the lock isn't JSON: "
            + ("it is cut off" if _is_cut_off(text, json_error) else _reason(json_error)),
            where=f"{name}:{json_error.lineno}:{json_error.colno}",
            hint=f"restore it from version control, or {_REWRITE}",
        )
    except (RecursionError, ValueError) as other:
        reason = "it is nested too deep" if isinstance(other, RecursionError) else str(other)
        return LockError(f"the lock can't be read: {reason}", where=name, hint=_REWRITE)
    if not isinstance(document, dict):
        return LockError("a lock is a JSON object", where=name, hint=_REWRITE)
    version = document.get("lock_version")
    if isinstance(version, str):
        try:
            is_later_minor(version)
        except LockError as version_error:
            version_error.where = f"{name}: lock_version"
            return version_error
    return LockError(
        f"the lock isn't in canonical form: {error}",
        where=f"{name}:{error.line}",
        hint=_REWRITE,
    )


def is_damaged_lock(text: str) -> bool:
    """Whether a text that can't be read as a lock is one all the same.

    JSON has to have what a lock has at its top, and nothing else. What isn't JSON, after a
    merge or since it is cut off, has to begin as a lock does.
    """
    text = text.removeprefix("\ufeff")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        start = "".join(text[:_LONGEST_START].split())
        return not start or start.startswith('{"lock_version":')
    return isinstance(document, dict) and {"lock_version"} <= document.keys() <= set(Lock._fields)


def _is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the error is that the text of an object ends too early."""
    content = text.strip()
    return (
        content.startswith("{")
        and not content.endswith("}")
        and "\n" not in text[error.pos :].rstrip()
    )


def _reason(error: json.JSONDecodeError) -> str:
    message = error.msg.removesuffix(" at").removesuffix(" starting")
    return message[0].lower() + message[1:]


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise _Duplicate(key)
        result[key] = value
    return result


def _refuse_constant(constant: str) -> object:
    raise ValueError(f"`{constant}` isn't JSON")
