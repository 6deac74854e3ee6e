"""What the file name of a wheel says."""

from __future__ import annotations

import pytest
from packaging.version import Version

from coral_lock.errors import BrokenDistributionError
from coral_lock.wheels.listing import HouseWheel, best_rank, parse_wheel_name

HINT = "restore the name that it was built with, `<name>-<version>-<python>-<abi>-<platform>.whl`"

NOT_A_WHEELS = [
    "acme.whl",
    "acme-1.0.whl",
    "acme-1.0-py3-none.whl",
    "acme-1.0-py3-none-any.zip",
    "acme-1.0-py3-none-any.WHL",
    "acme-1.0-x-py3-none-any.whl",
    "acme-1.0-1-x-py3-none-any.whl",
    "acme-one-py3-none-any.whl",
    "acme__x-1.0-py3-none-any.whl",
    "_acme-1.0-py3-none-any.whl",
    "acme_-1.0-py3-none-any.whl",
    "acmé-1.0-py3-none-any.whl",
    "-1.0-py3-none-any.whl",
    f"acme-1.0-{'.'.join('abcdefghijk')}-{'.'.join('abcdefghijk')}-{'.'.join('abcdefghijk')}.whl",
]


def test_a_name_with_all_its_parts() -> None:
    assert parse_wheel_name("/house/Acme.Vision-1.0.0-2b-py2.py3-none-Any.whl") == HouseWheel(
        path="/house/Acme.Vision-1.0.0-2b-py2.py3-none-Any.whl",
        name="acme-vision",
        version=Version("1.0"),
        build=(2, "b"),
        tags="py2.py3-none-any",
    )


def test_a_name_without_a_build_number() -> None:
    wheel = parse_wheel_name("acme-1!2.0rc1+cu118-cp311-abi3-linux_x86_64.whl")
    assert (wheel.file_name, wheel.build) == (wheel.path, ())
    assert str(wheel.version) == "1!2.0rc1+cu118"


@pytest.mark.parametrize("name", NOT_A_WHEELS)
def test_a_name_that_is_not_a_wheels(name: str) -> None:
    with pytest.raises(BrokenDistributionError) as caught:
        parse_wheel_name(f"/house/{name}")
    error = caught.value
    assert (error.message, error.code, error.where, error.hint) == (
        f"the file name `{name}` isn't a wheel's",
        "wheel-malformed",
        f"/house/{name}",
        HINT,
    )


def test_a_name_with_invisible_characters() -> None:
    with pytest.raises(BrokenDistributionError) as caught:
        parse_wheel_name("a\nb\udcff.whl")
    assert caught.value.message == "the file name `a\\nb\\udcff.whl` isn't a wheel's"


@pytest.mark.parametrize(
    ("tags", "rank"),
    [
        ("cp311-cp311-a", 0),
        ("cp310.cp311-abi3-b.a", 1),
        ("py2.py3-none-any", 2),
        ("py2-none-any", None),
        ("cp310.cp312-abi3-a.b", None),
    ],
)
def test_the_rank_of_a_tag_set_is_that_of_its_best_tag(tags: str, rank: int | None) -> None:
    assert best_rank(tags, {"cp311-cp311-a": 0, "cp311-abi3-a": 1, "py3-none-any": 2}) == rank
