"""The values of `--target`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.errors import UsageError
from coral_lock.targets.machine import parse_target
from coral_lock.targets.model import Target, is_target_name
from tests.unit.descriptor.wording import told

_NEITHER = "this is neither a target nor the name of one | where: --target "
_A_TARGET = (
    "`python=3.11,platform=linux_aarch64`, with `name=NAME` if wanted, or a name that the "
    "descriptor gives a target"
)


_A_NAME = "at most 100 lower-case letters and digits, with `.`, `_` and `-` between them"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (
            "python=3.11,platform=linux_aarch64",
            Target(name="py3.11-linux_aarch64", python="3.11", platform="linux_aarch64"),
        ),
        (
            "platform=manylinux_2_31_aarch64, name=jetson, python=3.10.13",
            Target(name="jetson", python="3.10.13", platform="manylinux_2_31_aarch64"),
        ),
        ("jetson", "jetson"),
        ("py3.11-linux_aarch64", "py3.11-linux_aarch64"),
    ],
)
def test_a_target_or_its_name(text: str, target: Target | str) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (text, f'{_NEITHER}{text} | expected: {_A_TARGET} | found: "{text}"')
            for text in (
                "",
                "Jetson",
                "pyton=3.11,platform=linux_aarch64",
                "python=3.11,colour=red",
                "python=3.11,linux_aarch64",
                "python=3.11,",
                "python=3.11,python=3.12",
            )
        ),
        (
            "Jetson\n",
            f'{_NEITHER}Jetson\\n | expected: {_A_TARGET} | found: "Jetson\\n"',
        ),
        (
            "python=3.11",
            "`platform` is missing | where: --target python=3.11 | "
            "expected: a platform tag, like `linux_aarch64`",
        ),
        (
            "name=jetson,platform=linux_aarch64",
            "`python` is missing | where: --target name=jetson,platform=linux_aarch64 | "
            "expected: a version of Python 3, like `3.11`",
        ),
        (
            "python=py311,platform=linux_aarch64",
            "`python` has a wrong value | where: --target python=py311,platform=linux_aarch64 | "
            'expected: a version of Python 3, like `3.11` | found: "py311"',
        ),
        (
            "python=3.11,platform=linux/arm64",
            "`platform` has a wrong value | where: --target python=3.11,platform=linux/arm64 | "
            'expected: a platform tag, like `linux_aarch64` | found: "linux/arm64" | '
            "hint: did you mean `manylinux_2_28_aarch64`?",
        ),
        (
            "python=3.11,platform=any",
            "`platform` has a wrong value | where: --target python=3.11,platform=any | "
            'expected: a platform tag, like `linux_aarch64` | found: "any"',
        ),
        (
            "name=My Jetson",
            "`python` is missing | where: --target name=My Jetson | "
            "expected: a version of Python 3, like `3.11`",
        ),
        (
            f"python=3.11,platform={'x' * 100}",
            f"`name` has a wrong value | where: --target python=3.11,platform={'x' * 39}… | "
            f'expected: {_A_NAME} | found: "py3.11-{"x" * 53}…"',
        ),
        (
            "name=My Jetson,python=3.11,platform=linux_aarch64",
            "`name` has a wrong value | where: --target name=My Jetson,python=3.11,"
            f'platform=linux_aarch64 | expected: {_A_NAME} | found: "My Jetson"',
        ),
        (
            f"python=3.{'9' * 5000}",
            f"`python` has a wrong value | where: --target python=3.{'9' * 51}… | "
            f'expected: a version of Python 3, like `3.11` | found: "3.{"9" * 58}…"',
        ),
    ],
)
def test_what_is_no_target(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert told(caught.value) == [expected]


_TARGETS = st.builds(
    Target,
    name=st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True),
    python=st.from_regex(r"3\.[1-9][0-9]?(\.[1-9])?", fullmatch=True),
    platform=st.from_regex(r"[a-z]([a-z0-9_]{0,20}[0-9])", fullmatch=True),
)


@given(_TARGETS, st.permutations(["name", "python", "platform"]))
def test_a_written_target_is_read_back(target: Target, order: list[str]) -> None:
    text = ",".join(f"{key}={getattr(target, key)}" for key in order)
    assert parse_target(text) == target


@given(st.text() | st.text("pythonlafrme=,3.10_-", max_size=40))
def test_no_text_raises_anything_but_our_error(text: str) -> None:
    try:
        target = parse_target(text)
    except UsageError:
        return
    assert is_target_name(target.name if isinstance(target, Target) else target)
