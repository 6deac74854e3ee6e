"""`--target`: a target in one word, or the name of one that the descriptor describes."""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.errors import UsageError
from coral_lock.printable import shortened
from coral_lock.targets.model import Target, is_platform_tag, is_python_version, is_target_name
from coral_lock.targets.spelling import likely_platform

_KEYS = ("python", "platform", "name")
_EXAMPLE = "python=3.11,platform=linux_aarch64"
_EXPECTED = {
    "python": "a version of Python 3, like `3.11`",
    "platform": "a platform tag, like `linux_aarch64`",
    "name": "lower-case letters and digits, with `.`, `_` and `-` between them",
}
_IS_RIGHT = {
    "python": is_python_version,
    "platform": is_platform_tag,
    "name": is_target_name,
}
_LONGEST_TEXT = 400
_LONGEST_SHOWN = 60


def parse_target(text: str) -> Target | str:
    """Return the target that the value of `--target` describes, or the name that it is.

    Args:
        text: `python=3.11,platform=linux_aarch64[,name=NAME]`, the parts in any order; or
            a name alone. A target without a name is called `py3.11-linux_aarch64`.

    Raises:
        UsageError: it is neither.
    """
    if len(text) > _LONGEST_TEXT:
        raise _error(text, "the target is too long", expected=f"at most {_LONGEST_TEXT} characters")
    if "=" not in text:
        return _parse_name(text)
    values: dict[str, str] = {}
    for part in text.split(","):
        key, separator, value = part.strip().partition("=")
        if key not in _KEYS or not separator:
            raise _unknown_part(text, key, separator)
        if key in values:
            raise _error(text, f"`{key}` stands in it twice", expected="each part once")
        if not _IS_RIGHT[key](value):
            raise _wrong_value(text, key, value)
        values[key] = value
    for key in ("python", "platform"):
        if key not in values:
            raise _error(text, f"`{key}` is missing", expected=_EXPECTED[key])
    name = values.get("name", f"py{values['python']}-{values['platform']}")
    if not is_target_name(name):
        raise _error(
            text,
            "the target is too long to be called by its parts",
            hint="give it a name: add `,name=NAME`",
        )
    return Target(name=name, python=values["python"], platform=values["platform"])


def _parse_name(text: str) -> str:
    if is_target_name(text):
        return text
    raise _error(
        text,
        "this is neither a target nor the name of one",
        expected=f"`{_EXAMPLE}`, or a name that the descriptor gives a target",
        found=_shown(text),
    )


def _unknown_part(text: str, key: str, separator: str) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(key[:_LONGEST_SHOWN].lower(), _KEYS, 1)
    what = f"unknown part {_shown(key)}" if separator else f"the part {_shown(key)} has no `=`"
    return _error(
        text,
        what,
        expected=f"parts like in `{_EXAMPLE}`, and `name`",
        hint=f"did you mean `{near[0]}`?" if near and separator else None,
    )


def _wrong_value(text: str, key: str, value: str) -> UsageError:
    likely = likely_platform(value) if key == "platform" else None
    return _error(
        text,
        f"`{key}` has a wrong value",
        expected=_EXPECTED[key],
        found=_shown(value),
        hint=f"did you mean `{likely}`?" if likely else None,
    )


def _error(
    text: str,
    message: str,
    *,
    expected: str | None = None,
    found: str | None = None,
    hint: str | None = None,
) -> UsageError:
    where = f"--target {_shown(text)[1:-1]}"
    return UsageError(message, expected=expected, found=found, where=where, hint=hint)


def _shown(text: str) -> str:
    return quote(shortened(text, _LONGEST_SHOWN))
