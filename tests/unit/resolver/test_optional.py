"""Optional plugins: given up where there is no other way, one by one, and said to be."""

from __future__ import annotations

import pytest

from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import Finding, has_errors
from coral_lock.locking.resolution import resolve, survey

from .deriving import TARGETS, acme, chosen, derived, told, verdicts
from .universe import Wheel, descriptor, sources, wheel

WHERE = "runtime.yaml:2:3"
NUMPY = (wheel("numpy 1.26"), wheel("numpy 2.1"))
LIB = (wheel("lib 1.0"), wheel("lib 2.0"))
C = acme("c 1.0", "numpy>=2")
WANTED = descriptor("patches:c", optional=["patches:a", "patches:b"])


def excluded(wanted: Descriptor, *wheels: Wheel) -> dict[str, str]:
    """The plugins that the lock leaves out, and why."""
    _, derivation = derived(wanted, *wheels)
    assert derivation.lock is not None, derivation.findings
    return {each.id: each.reason for each in derivation.lock.excluded}


@pytest.mark.parametrize(
    ("wheels", "reasons"),
    [
        pytest.param([acme("a 1.0", "numpy>=2"), C, *NUMPY], {}, id="all fit"),
        pytest.param(
            [acme("a 1.0", "markupsafe>=2"), C, *NUMPY],
            {"patches:a": "requires `markupsafe>=2`, which isn't met"},
            id="nothing there",
        ),
        pytest.param(
            [acme("a 1.0", "lib"), wheel("lib 1.0", "gone"), C, *NUMPY],
            {"patches:a": "needs `lib`, which requires `gone`, which isn't met"},
            id="nothing there for what it needs",
        ),
        pytest.param(
            [acme("a 1.0", "lib"), wheel("lib 1.0", targets=["other"]), C, *NUMPY],
            {"patches:a": "requires `lib`, which isn't met"},
            id="no wheel fits",
        ),
        pytest.param(
            [acme("a 1.0", "lib", "numpy<2"), wheel("lib 1.0"), C, *NUMPY],
            {"patches:a": "requires `numpy<2`, which isn't met"},
            id="a conflict with what is asked for, and what can be met isn't the reason",
        ),
        pytest.param(
            [acme("a 1.0", "not a requirement"), C, *NUMPY],
            {"patches:a": "has a requirement that isn't PEP 508"},
            id="malformed",
        ),
        pytest.param(
            [acme("a 1.0", conflicts=["patches:c"]), C, *NUMPY],
            {"patches:a": "can't go together with `patches:c`"},
            id="it excludes another plugin",
        ),
        pytest.param(
            [acme("a 1.0"), acme("c 1.0", conflicts=["patches:a"])],
            {"patches:a": "can't go together with `patches:c`"},
            id="another plugin excludes it",
        ),
        pytest.param(
            [acme("a 1.0", conflicts=["patches:b"]), acme("b 1.0"), C, *NUMPY],
            {"patches:b": "can't go together with `patches:a`"},
            id="the first of two that exclude each other stays",
        ),
        pytest.param(
            [acme("a 1.0", "lib<2"), acme("b 1.0", "lib>=2"), *LIB, C, *NUMPY],
            {"patches:b": "requires `lib>=2`, which isn't met"},
            id="the first of two that clash stays",
        ),
        pytest.param(
            [acme("a 1.0", "gone"), acme("b 1.0", needs=["patches:a"]), C, *NUMPY],
            {
                "patches:a": "requires `gone`, which isn't met",
                "patches:b": "requires `patches:a`, which isn't selected",
            },
            id="what needs it goes as well",
        ),
        pytest.param(
            [acme("a 1.0", "numpy<2"), acme("a 0.9", "numpy"), C, *NUMPY],
            {},
            id="an older version that fits",
        ),
    ],
)
def test_what_is_left_out(wheels: list[Wheel], reasons: dict[str, str]) -> None:
    assert excluded(WANTED, *wheels) == reasons


def test_what_is_said_of_one_that_is_left_out() -> None:
    wheels = [acme("a 1.0", "numpy<2"), acme("a 2.0", "numpy<2"), C, *NUMPY]
    choice, derivation = derived(descriptor("patches:c", optional=["patches:a"]), *wheels)
    assert list(derivation.findings) == [
        Finding(
            code="no-solution",
            severity="warning",
            subject="patches:a",
            summary="no version of `numpy` meets all requirements: `patches:a` (acme-a 2.0) "
            "requires `numpy<2`; `patches:c` (acme-c 1.0) requires `numpy>=2`; the optional "
            "`patches:a` is left out",
            expected="`numpy<2`, `numpy>=2`",
            found="numpy 2.1, 1.26; acme-a 2.0, 1.0; acme-c 1.0",
            where=WHERE,
            hint="have `acme-a` relax `numpy<2`, or have `acme-c` relax `numpy>=2`, or switch "
            "`patches:a` or `patches:c` off",
        )
    ]
    assert verdicts(choice, "acme-a") == {
        "2.0": "requires `numpy<2`, found 2.1",
        "1.0": "requires `numpy<2`, found 2.1",
    }


def test_it_is_left_out_for_the_targets_where_it_has_to_be() -> None:
    wheels = [acme("a 1.0", "lib"), wheel("lib 1.0", targets=["new"]), acme("c 1.0")]
    wanted = descriptor("patches:c", optional=["patches:a"])
    _, derivation = derived(wanted, *wheels, targets=TARGETS)
    (finding,) = derivation.findings
    assert finding.summary == (
        "`patches:a` (acme-a 1.0) requires `lib`, and `lib` has no compatible wheel for the target "
        "`old`; the optional `patches:a` is left out for `old`"
    )
    assert finding.hint == (
        "add a wheel of `lib` that fits the target `old`, or switch `patches:a` off"
    )
    assert derivation.lock is not None
    (plugin, other) = derivation.lock.plugins
    (left_out,) = derivation.lock.excluded
    assert (plugin.id, plugin.targets, other.targets) == ("patches:a", ("new",), ())
    assert (left_out.id, left_out.targets) == ("patches:a", ("old",))


def test_one_that_has_no_wheel_for_a_target_is_left_out_there() -> None:
    wheels = [acme("a 1.0", targets=["new"]), acme("c 1.0")]
    wanted = descriptor("patches:c", optional=["patches:a"])
    _, derivation = derived(wanted, *wheels, targets=TARGETS)
    assert list(derivation.findings) == [
        Finding(
            code="wrong-platform",
            severity="warning",
            subject="patches:a",
            summary="`acme-a` 1.0, which offers the optional `patches:a`, doesn't fit every "
            "target, so it is left out for `old`",
            found="no compatible wheel for the target `old`",
            where=WHERE,
            hint="add a wheel of `acme-a` 1.0 that fits the target `old`",
        )
    ]
    assert derivation.lock is not None
    assert {each.id: each.targets for each in derivation.lock.plugins} == {
        "patches:a": ("new",),
        "patches:c": (),
    }


@pytest.mark.parametrize(
    ("wheels", "verdict"),
    [
        (
            [acme("a 1.0", "numpy<2"), acme("c 1.0", "gone"), acme("c 2.0", "gone"), *NUMPY],
            "there is no solution",
        ),
        (
            [acme("a 1.0", "gone"), acme("c 1.0", "numpy>=9"), *NUMPY],
            "requires `gone`, found nothing",
        ),
    ],
)
def test_only_what_is_asked_for_is_an_error(wheels: list[Wheel], verdict: str) -> None:
    choice, derivation = derived(WANTED, *wheels)
    errors = [each for each in derivation.findings if each.severity == "error"]
    assert [each.subject for each in errors] == ["patches:c"]
    assert derivation.lock is None
    assert verdicts(choice, "acme-a") == {"1.0": verdict}


def test_what_nobody_asked_for_stays_an_error() -> None:
    _, derivation = derived(descriptor(optional=["patches:c"]), acme("a 1.0", "gone"), C, *NUMPY)
    (finding,) = derivation.findings
    assert (finding.severity, finding.code) == ("error", "requirement-unmet")
    assert finding.summary == "`patches:a` (acme-a 1.0) requires `gone`, and `gone` has no wheel"
    assert finding.hint == "add a wheel of `gone`, or switch `patches:a` off"


def test_what_something_else_requires_too_stays_an_error() -> None:
    wheels = [acme("a 1.0", "gone"), acme("c 1.0", "acme-a")]
    _, derivation = derived(WANTED, *wheels)
    assert told(derivation.findings)[0] == ("error", "requirement-unmet", "patches:c")
    assert derivation.findings[0].summary == (
        "`patches:c` (acme-c 1.0) → acme-a 1.0 requires `gone`, and `gone` has no wheel"
    )
    assert derivation.findings[0].hint == "add a wheel of `gone`, or switch `patches:c` off"


def test_many_are_given_up_in_their_order() -> None:
    letters = "abdefghij"
    wheels = [
        acme(f"{letter} 1.0", *(["numpy<2"] if letter in "dgj" else ["numpy"]))
        for letter in letters
    ]
    wanted = descriptor("patches:c", optional=[f"patches:{letter}" for letter in letters])
    assert sorted(excluded(wanted, *wheels, C, *NUMPY)) == ["patches:d", "patches:g", "patches:j"]


@pytest.mark.parametrize(
    "installed",
    [
        [acme("a 1.0", "markupsafe>=2"), acme("c 1.0")],
        [acme("a 1.0", "markupsafe>=2"), acme("c 1.0"), wheel("markupsafe 1.0")],
    ],
)
def test_an_environment_that_lacks_what_it_requires(installed: list[Wheel]) -> None:
    (source,) = sources(*installed).values()
    inventory = source.chosen({each.name: each.version for each in installed})
    lock, findings = resolve(survey(inventory, descriptor("patches:c", optional=["patches:a"])))
    found = "1.0" if len(installed) > 2 else "nothing"
    assert list(findings) == [
        Finding(
            code="requirement-unmet",
            severity="warning",
            subject="patches:a",
            summary="`patches:a` of `acme-a` 1.0 requires `markupsafe>=2`, which isn't met, so it "
            "is left out",
            expected="markupsafe>=2",
            found=found,
            where=WHERE,
            hint="add a version that meets it, or switch `patches:a` off",
        )
    ]
    assert lock is not None
    assert [each.name for each in lock.distributions] == ["acme-c"]
    assert {each.id: each.reason for each in lock.excluded} == {
        "patches:a": "requires `markupsafe>=2`, which isn't met"
    }


def test_what_it_needs_can_be_broken() -> None:
    wheels = [acme("a 1.0", "lib"), wheel("lib 1.0", broken=True), acme("c 1.0")]
    wanted = descriptor("patches:c", optional=["patches:a"])
    (source,) = sources(*wheels).values()
    _, findings = resolve(survey(source.chosen(chosen(wanted, *wheels).versions), wanted))
    assert told(findings) == [
        ("error", "wheel-malformed", "lib"),
        ("warning", "wheel-malformed", "patches:a"),
    ]
    assert findings[1].summary == (
        "`patches:a` of `acme-a` 1.0 needs `lib`, which can't be used, so it is left out"
    )


def test_nothing_is_given_up_without_need() -> None:
    choice = chosen(WANTED, acme("a 1.0", "numpy<2"), acme("a 0.9"), acme("b 1.0"), C, *NUMPY)
    assert choice.findings == ()
    assert not has_errors(choice.findings)
    assert choice.versions == {"acme-a": "0.9", "acme-b": "1.0", "acme-c": "1.0", "numpy": "2.1"}
