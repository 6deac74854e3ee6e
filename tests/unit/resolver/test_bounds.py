"""Problems that a search alone wouldn't end, and that are solved or explained all the same."""

from __future__ import annotations

from coral_lock.descriptor.model import Descriptor

from .deriving import acme, chosen
from .universe import Wheel, descriptor, wheel

A = descriptor("patches:a")


def chain(letter: str, last: str, *, offset: int = 0, length: int = 60) -> list[Wheel]:
    """Distributions in three versions, each of which pins the same version of the next one."""
    return [
        wheel(
            f"{letter}{number} {version}",
            f"{letter}{number + 1}=={version}"
            if number + 1 < length
            else f"{last}=={version + offset}",
        )
        for number in range(length)
        for version in (1, 2, 3)
    ]


def summary(wanted: Descriptor, *wheels: Wheel) -> str:
    (finding,) = chosen(wanted, *wheels).findings
    assert (finding.code, finding.severity) == ("no-solution", "error")
    return finding.summary


def test_two_long_chains_that_end_in_a_conflict() -> None:
    ends = [wheel(f"end {version}") for version in range(1, 7)]
    wheels = [*chain("l", "end"), *chain("m", "end", offset=3)]
    text = summary(A, acme("a 1.0", "l0", "m0"), *wheels, *ends)
    assert text.startswith("no version of `end` meets all requirements: `patches:a` (acme-a 1.0) →")
    assert text.endswith("→ m58 3 → m59 3 requires `end==6`")


def test_a_long_chain_of_which_only_the_oldest_versions_will_do() -> None:
    wheels = [acme("a 1.0", "l0", "end==1"), *chain("l", "end"), wheel("end 1"), wheel("end 3")]
    choice = chosen(A, *wheels)
    assert choice.findings == ()
    assert {choice.versions[f"l{number}"] for number in range(60)} == {"1"}


def test_a_search_that_would_take_too_long_is_given_up() -> None:
    """Six distributions of which each takes one of five places: no pair of them conflicts."""
    wheels = [acme("a 1.0", *[f"p{number}" for number in range(6)])]
    wheels += [
        wheel(f"p{number} {at}", f"at{at}=={number}") for number in range(6) for at in range(5)
    ]
    wheels += [wheel(f"at{at} {number}") for number in range(6) for at in range(5)]
    assert summary(A, *wheels) == (
        "no version of `at4` was found before the search gave up: `patches:a` (acme-a 1.0) → p4 4 "
        "requires `at4==4`; `patches:a` (acme-a 1.0) → p5 4 requires `at4==5`"
    )


def test_many_plugins_whose_newest_versions_lack_something() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    wheels = [acme(f"{letter} 1.0") for letter in letters]
    wheels += [
        acme(f"{letter} {version}.0", f"gone-{letter}")
        for letter in letters
        for version in range(2, 9)
    ]
    choice = chosen(descriptor(*[f"patches:{letter}" for letter in letters]), *wheels)
    assert choice.findings == ()
    assert set(choice.versions.values()) == {"1.0"}
