"""What each target gets of one choice, and what is said of what fits none."""

from __future__ import annotations

import pytest

from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import Finding

from .deriving import TARGETS, acme, chosen, derived, told, verdicts
from .universe import Wheel, descriptor, wheel

WHERE = "runtime.yaml:2:3"


def test_a_plugin_is_only_for_the_targets_that_can_have_it() -> None:
    wheels = [acme("a 1.0"), acme("n 1.0", "lib", python=">=3.11"), wheel("lib 1.0")]
    choice, derivation = derived(descriptor(), *wheels, targets=TARGETS)
    assert derivation.findings == ()
    assert derivation.lock is not None
    assert {each.id: each.targets for each in derivation.lock.plugins} == {
        "patches:a": (),
        "patches:n": ("new",),
    }
    assert {each.name: each.targets for each in derivation.lock.distributions} == {
        "acme-a": (),
        "acme-n": ("new",),
        "lib": ("new",),
    }
    assert choice.by_target["old"] == {"acme-a": "1.0", "lib": "1.0"}
    assert verdicts(choice, "acme-n") == {"1.0": "taken"}


ALL = descriptor()
FITS_NONE = "no wheel of `acme-x`, which offers `patches:x`, fits any target, so it is left out"


@pytest.mark.parametrize(
    ("wanted", "wheels", "finding"),
    [
        pytest.param(
            ALL,
            [acme("x 1.0", targets=["other"]), acme("x 0.9", python=">=3.13")],
            Finding(
                code="wrong-platform",
                severity="warning",
                subject="patches:x",
                summary=FITS_NONE,
                found="acme_x-1.0-py3-none-other.whl (its tags fit no target)"
                "; 0.9 (requires Python >=3.13, found 3.11 for the target `new`, requires Python "
                ">=3.13, found 3.10 for the target `old`)",
                hint="add a wheel of `acme-x` that fits the targets `new` and `old`, or switch "
                "`patches:x` off",
            ),
            id="nobody asked for it",
        ),
        pytest.param(
            descriptor("patches:x"),
            [acme("x 1.0", targets=["other"])],
            Finding(
                code="wrong-platform",
                severity="error",
                subject="patches:x",
                summary="no wheel of `acme-x`, which offers `patches:x`, fits any target",
                found="acme_x-1.0-py3-none-other.whl (its tags fit no target)",
                where=WHERE,
                hint="add a wheel of `acme-x` that fits the targets `new` and `old`, or switch "
                "`patches:x` off",
            ),
            id="asked for",
        ),
        pytest.param(
            descriptor(optional=["patches:x"]),
            [acme("x 1.0", python="<3")],
            Finding(
                code="wrong-platform",
                severity="warning",
                subject="patches:x",
                summary=FITS_NONE,
                found="1.0 (requires Python <3, found 3.11 for the target `new`, requires Python "
                "<3, found 3.10 for the target `old`)",
                where=WHERE,
                hint="add a wheel of `acme-x` that fits the targets `new` and `old`, or switch "
                "`patches:x` off",
            ),
            id="optional",
        ),
        pytest.param(
            descriptor("patches:x"),
            [acme("x 1.0", python="<3")],
            Finding(
                code="no-solution",
                severity="error",
                subject="patches:x",
                summary="no compatible version of `acme-x` offers `patches:x`",
                found="1.0: requires Python <3, found 3.11 for the target `new`, requires Python "
                "<3, found 3.10 for the target `old`",
                where=WHERE,
                hint="add a compatible version of `acme-x`, or switch `patches:x` off",
            ),
            id="asked for, for another Python",
        ),
    ],
)
def test_a_plugin_that_fits_no_target(
    wanted: Descriptor, wheels: list[Wheel], finding: Finding
) -> None:
    choice, derivation = derived(wanted, acme("a 1.0"), *wheels, targets=TARGETS)
    assert list(derivation.findings) == [finding]
    assert (derivation.lock is None) is (finding.severity == "error")
    assert set(verdicts(choice, "acme-x")) == {each.version for each in wheels}
    assert "patches:x" in choice.known


@pytest.mark.parametrize(
    ("wanted", "wheels"),
    [
        (descriptor(off=["patches:x"]), [acme("x 1.0", targets=["other"])]),
        (descriptor(discover="listed"), [acme("x 1.0", targets=["other"])]),
        (descriptor(optional=["patches:x"], taken_from={"patches:x": "acme-y"}), []),
        (ALL, [acme("x 1.0", targets=["other"]), wheel("acme-y 1.0", plugins=["patches:x"])]),
        (ALL, [wheel("lib 1.0", targets=["other"])]),
        (ALL, [acme("x 1.0", targets=["other"], broken=True)]),
    ],
)
def test_what_fits_no_target_and_is_not_missed(wanted: Descriptor, wheels: list[Wheel]) -> None:
    choice = chosen(wanted, acme("a 1.0"), *wheels, targets=TARGETS)
    assert choice.findings == ()


def test_without_targets_it_is_this_interpreter_that_nothing_fits() -> None:
    wheels = [acme("x 1.0", targets=["other"]), acme("x 0.9", python=">=3.12")]
    (finding,) = chosen(ALL, *wheels).findings
    assert finding.summary == (
        "no wheel of `acme-x`, which offers `patches:x`, fits this interpreter, so it is left out"
    )
    assert finding.found == (
        "acme_x-1.0-py3-none-other.whl (its tags fit no target); "
        "0.9 (requires Python >=3.12, found 3.11.4)"
    )
    assert finding.hint == "add a wheel of `acme-x` that fits, or switch `patches:x` off"


def test_what_is_only_for_another_target_is_not_unknown() -> None:
    wheels = [acme("stab 1.0", targets=["new"]), acme("stat 1.0")]
    _, derivation = derived(descriptor("patches:stab"), *wheels, targets=TARGETS)
    assert list(derivation.findings) == [
        Finding(
            code="requirement-unmet",
            severity="error",
            subject="patches:stab",
            summary="`patches:stab` is wanted, and `acme-stab` has no compatible wheel for the "
            "target `old`",
            expected="`patches:stab`",
            found="acme_stab-1.0-py3-none-new.whl; acme-stab 1.0 (no compatible wheel for the "
            "target `old`)",
            where=WHERE,
            hint="add a wheel of `acme-stab` that fits the target `old`, or switch "
            "`patches:stab` off",
        )
    ]
    off = descriptor(off=["patches:stab"])
    assert derived(off, *wheels, targets=TARGETS)[1].findings == ()


@pytest.mark.parametrize(
    ("library", "summary", "hint"),
    [
        (
            wheel("lib 1.0", targets=["other"]),
            "`patches:a` (acme-a 1.0) requires `lib>=1`, and `lib` has no compatible wheel for the "
            "targets `new` and `old`",
            "add a wheel of `lib` that meets `>=1` and fits the targets `new` and `old`, or "
            "switch `patches:a` off",
        ),
        (
            wheel("lib 1.0", python=">=3.11"),
            "no version of `lib` meets all requirements: `patches:a` (acme-a 1.0) requires "
            "`lib>=1`",
            "add a wheel of `lib` that meets `>=1` and fits the target `old`, or switch "
            "`patches:a` off",
        ),
        (
            wheel("lib 0.9"),
            "no version of `lib` meets all requirements: `patches:a` (acme-a 1.0) requires "
            "`lib>=1`",
            "add a wheel of `lib` that meets `>=1` and fits the targets `new` and `old`, or "
            "switch `patches:a` off",
        ),
    ],
)
def test_the_hint_names_the_wheel_that_is_lacking(library: Wheel, summary: str, hint: str) -> None:
    wheels = [acme("a 1.0", "lib>=1"), library, wheel("lib 0.1", targets=["other"])]
    (finding,) = chosen(descriptor("patches:a"), *wheels, targets=TARGETS).findings
    assert (finding.summary, finding.hint) == (summary, hint)


def test_a_python_that_is_named_with_its_patch_release_is_shown_so() -> None:
    from coral_lock.resolver import choose

    from .universe import sources

    there = sources(acme("a 1.0", python=">=3.12"), targets=["x"], pythons={"x": "3.10.13"})
    choice = choose(there, ALL, kept={})
    assert verdicts(choice, "acme-a") == {
        "1.0": "requires Python >=3.12, found 3.10.13 for the target `x`"
    }


def test_nothing_is_taken_without_a_solution() -> None:
    wheels = [acme("a 1.0", "gone"), acme("a 2.0", "gone"), acme("b 1.0"), acme("b 2.0")]
    choice = chosen(descriptor("patches:a"), *wheels)
    assert told(choice.findings) == [("error", "requirement-unmet", "patches:a")]
    assert verdicts(choice, "acme-a") == {
        "2.0": "would be taken, but there is no solution",
        "1.0": "requires `gone`, found nothing",
    }
    assert verdicts(choice, "acme-b") == {
        "2.0": "would be taken, but there is no solution",
        "1.0": "older than 2.0",
    }


def test_every_distribution_is_considered() -> None:
    wheels = [
        acme("a 1.0", "lib"),
        wheel("lib 1.0"),
        wheel("lib 2.0"),
        wheel("lib 3.0rc1"),
    ]
    choice = chosen(descriptor(off=["patches:b"]), *wheels, acme("b 1.0"), wheel("other 1.0"))
    assert verdicts(choice, "lib") == {
        "3.0rc1": "pre-release",
        "2.0": "taken",
        "1.0": "older than 2.0",
    }
    assert verdicts(choice, "acme-b") == {"1.0": "switched off by the descriptor"}
    assert verdicts(choice, "other") == {"1.0": "not needed"}
