"""What is chosen from a few wheels, why other versions weren't, and what is said without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from coral_lock.descriptor.model import DISCOVER_LISTED, Descriptor
from coral_lock.finding import Finding
from coral_lock.locking.resolution import resolve, survey
from coral_lock.resolver import Choice, choose

from .universe import Plugin, Wheel, descriptor, sources, wheel

NUMPY = (wheel("numpy 1.26"), wheel("numpy 2.1"), wheel("numpy 2.2rc1"))
OLD_CORE, CORE = wheel("coral-inference 0.0.3"), wheel("coral-inference 0.0.5")


def acme(label: str, *requires: str, **more: object) -> Wheel:
    """Return a wheel of `acme-<letter>` that offers `patches:<letter>`."""
    plugin = Plugin(
        id=f"patches:{label.partition(' ')[0]}",
        **{key: more.pop(key) for key in ("core", "requires", "conflicts") if key in more},  # type: ignore[arg-type]
    )
    return wheel(f"acme-{label}", *requires, plugins=[plugin], **more)  # type: ignore[arg-type]


def chosen(
    wanted: Descriptor,
    *wheels: Wheel,
    kept: Mapping[str, str] | None = None,
    core: str | None = None,
    targets: Sequence[str] = ("",),
    pythons: Mapping[str, str] | None = None,
) -> Choice:
    return choose(
        sources(*wheels, targets=targets, pythons=pythons),
        wanted.replace(host_core=core),
        kept=kept or {},
    )


def verdicts(choice: Choice, name: str) -> dict[str, str]:
    return dict(choice.considered(name))


A = descriptor("patches:a")
AC = descriptor("patches:a", "patches:c")


@pytest.mark.parametrize(
    ("wanted", "wheels", "versions"),
    [
        pytest.param(A, [acme("a 1.0"), acme("a 2.0")], {"acme-a": "2.0"}, id="the newest"),
        pytest.param(
            AC,
            [acme("a 1.0", "numpy"), acme("a 2.0", "numpy<2"), acme("c 1.0", "numpy>=2"), *NUMPY],
            {"acme-a": "1.0", "acme-c": "1.0", "numpy": "2.1"},
            id="an older one where the newest clashes",
        ),
        pytest.param(
            A,
            [acme("a 1.0", "numpy>2.1"), *NUMPY],
            {"acme-a": "1.0", "numpy": "2.2rc1"},
            id="a pre-release where no final one does",
        ),
        pytest.param(
            A,
            [acme("a 1.0", "numpy>=2.1rc1"), *NUMPY],
            {"acme-a": "1.0", "numpy": "2.2rc1"},
            id="a pre-release where the specifier names one",
        ),
        pytest.param(
            A,
            [acme("a 1.0"), acme("a 2.0", python=">=3.12")],
            {"acme-a": "1.0"},
            id="one for this Python",
        ),
        pytest.param(
            A,
            [acme("a 1.0", 'numpy; extra == "fast"', "lib[fast]"), wheel("lib 1.0"), *NUMPY],
            {"acme-a": "1.0", "lib": "1.0"},
            id="an extra that nobody wants brings nothing",
        ),
        pytest.param(
            A,
            [acme("a 1.0", "lib[fast]"), wheel("lib 1.0", 'numpy<2; extra == "fast"'), *NUMPY],
            {"acme-a": "1.0", "lib": "1.0", "numpy": "1.26"},
            id="an extra that is required",
        ),
        pytest.param(
            A,
            [acme("a 2.0", core="99"), acme("a 1.0", core="0.0.4"), OLD_CORE, CORE],
            {"acme-a": "1.0", "coral-inference": "0.0.5"},
            id="one that fits the newest host",
        ),
        pytest.param(
            A,
            [acme("a 1.0", "lib"), wheel("lib 1.0", "coral-inference<0.0.5"), OLD_CORE, CORE],
            {"acme-a": "1.0", "coral-inference": "0.0.3", "lib": "1.0"},
            id="a host that is required",
        ),
        pytest.param(
            descriptor(),
            [acme("a 1.0"), acme("a 2.0", core="99"), acme("b 1.0", core="99"), CORE],
            {"acme-a": "1.0", "acme-b": "1.0", "coral-inference": "0.0.5"},
            id="what doesn't fit is listed",
        ),
        pytest.param(
            descriptor(off=["patches:b"]),
            [acme("a 1.0"), acme("b 1.0", "gone"), wheel("unneeded 1.0")],
            {"acme-a": "1.0", "acme-b": "1.0"},
            id="what is switched off is listed, what nobody needs isn't",
        ),
        pytest.param(
            descriptor("patches:p", discover=DISCOVER_LISTED),
            [acme("p 1.0", requires=("patches:a",)), acme("a 1.0"), acme("b 1.0")],
            {"acme-a": "1.0", "acme-b": "1.0", "acme-p": "1.0"},
            id="listed",
        ),
        pytest.param(
            A,
            [acme("a 1.0"), wheel("acme-b 2.0", plugins=["patches:a"]), wheel("acme-a 2.0")],
            {"acme-b": "2.0"},
            id="a plugin that has moved",
        ),
        pytest.param(
            A,
            [acme("a 1.0"), wheel("acme-a 2.0")],
            {"acme-a": "1.0"},
            id="a plugin that only an older version offers",
        ),
        pytest.param(
            descriptor("patches:a", "patches:b"),
            [
                acme("a 1.0"),
                acme("a 3.0", "lib"),
                acme("b 1.0", "lib[more]"),
                acme("b 3.0"),
                wheel("lib 3.0", "acme-a<2", "acme-b==1.0"),
            ],
            {"acme-a": "1.0", "acme-b": "3.0"},
            id="a version is no older for what only it requires",
        ),
    ],
)
def test_what_is_chosen(
    wanted: Descriptor, wheels: list[Wheel], versions: Mapping[str, str]
) -> None:
    choice = chosen(wanted, *wheels)
    assert choice.versions == versions
    assert choice.findings == ()


def test_what_is_kept_stays_while_it_fits() -> None:
    wheels = [acme("a 1.0", "numpy"), acme("a 2.0", "numpy"), *NUMPY]
    assert chosen(A, *wheels, kept={"acme-a": "1.0", "numpy": "1.26.0"}).versions == {
        "acme-a": "1.0",
        "numpy": "1.26",
    }
    wheels.append(acme("c 1.0", "numpy>=2"))
    assert chosen(AC, *wheels, kept={"acme-a": "1.0", "numpy": "1.26"}).versions == {
        "acme-a": "1.0",
        "acme-c": "1.0",
        "numpy": "2.1",
    }


def test_what_hosts_require_is_met_where_it_can_be() -> None:
    host = wheel("coral-inference 0.0.5", "numpy<2", "gone")
    choice = chosen(descriptor(), host, acme("c 1.0", "numpy>=2"), *NUMPY)
    assert choice.findings == ()
    assert choice.versions == {"acme-c": "1.0", "coral-inference": "0.0.5", "numpy": "2.1"}
    assert chosen(descriptor(), host, *NUMPY).versions == {
        "coral-inference": "0.0.5",
        "numpy": "1.26",
    }


def test_a_host_that_is_told_pins_its_wheel_or_counts_without_one() -> None:
    wheels = [acme("a 1.0", core="0.0.3"), acme("a 2.0", "coral-inference>=0.0.4", core="0.0.4")]
    for core, hosts in (("0.0.3.0", [OLD_CORE, CORE]), ("0.0.3", [])):
        choice = chosen(A, *wheels, *hosts, core=core)
        expected = {"acme-a": "1.0", **({"coral-inference": "0.0.3"} if hosts else {})}
        assert (choice.versions, choice.findings) == (expected, ())
    told = chosen(A, *wheels, core="0.0.4")
    assert (told.versions, told.findings) == ({"acme-a": "2.0"}, ())


def test_one_version_serves_every_target() -> None:
    wheels = [
        acme("a 1.0", "lib"),
        wheel("lib 1.0"),
        wheel("lib 2.0", targets=["jetson"]),
        wheel("lib 3.0", python=">=3.11"),
    ]
    targets = ("jetson", "nano")
    choice = chosen(A, *wheels, targets=targets, pythons={"nano": "3.10.2"})
    assert (choice.versions, choice.findings) == ({"acme-a": "1.0", "lib": "1.0"}, ())


def test_what_came_of_every_version() -> None:
    wheels = [
        acme("a 9.0", targets=["other"]),
        acme("a 8.0", python=">=3.12"),
        acme("a 6.0rc1"),
        wheel("acme-a 5.0", plugins=["patches:other"]),
        acme("a 4.0", core="99"),
        acme("a 3.0", "numpy<2"),
        acme("a 2.0"),
        acme("a 1.0"),
        acme("c 1.0", "numpy>=2"),
        CORE,
        *NUMPY,
    ]
    choice = chosen(AC, *wheels)
    assert verdicts(choice, "acme-a") == {
        "9.0": "no compatible wheel",
        "8.0": "requires Python >=3.12, found 3.11.4",
        "6.0rc1": "pre-release",
        "5.0": "doesn't offer `patches:a`",
        "4.0": "requires coral-inference >= 99, found 0.0.5",
        "3.0": "requires `numpy<2`, found 2.1",
        "2.0": "taken",
        "1.0": "older than 2.0",
    }
    kept = chosen(AC, *wheels, kept={"acme-a": "1.0"})
    assert verdicts(kept, "acme-a")["2.0"] == (
        "newer than 1.0, which is in the lock and still fits"
    )
    assert verdicts(kept, "acme-a")["1.0"] == "kept: it is in the lock"


WHERE = "runtime.yaml:2:3"


@pytest.mark.parametrize(
    ("wanted", "wheels", "findings"),
    [
        pytest.param(
            AC,
            [acme("a 1.0", "lib"), acme("c 1.0", "numpy>=2"), wheel("lib 1.0", "numpy<2"), *NUMPY],
            [
                Finding(
                    code="no-solution",
                    severity="error",
                    subject="patches:a",
                    summary="no version of `numpy` meets all requirements: `patches:c` "
                    "(acme-c 1.0) requires `numpy>=2`; `patches:a` (acme-a 1.0) → lib 1.0 "
                    "requires `numpy<2`",
                    expected="`numpy>=2`, `numpy<2`",
                    found="numpy 2.2rc1, 2.1, 1.26; acme-a 1.0; acme-c 1.0; lib 1.0",
                    where=WHERE,
                    hint="have `acme-c` relax `numpy>=2`, or have `lib` relax `numpy<2`, or "
                    "switch `patches:a` or `patches:c` off",
                )
            ],
            id="a clash",
        ),
        pytest.param(
            A,
            [acme("a 1.0", "numpy>=3", "gone"), wheel("gone 2.0", targets=["x"]), *NUMPY],
            [
                Finding(
                    code="requirement-unmet",
                    severity="error",
                    subject="patches:a",
                    summary="`patches:a` (acme-a 1.0) requires `gone`, and `gone` has no "
                    "compatible wheel",
                    expected="`gone`",
                    found="gone-2.0-py3-none-x.whl; acme-a 1.0; numpy 2.2rc1, 2.1, 1.26",
                    where=WHERE,
                    hint="add a wheel of `gone`, or switch `patches:a` off",
                )
            ],
            id="a wheel that doesn't fit",
        ),
        pytest.param(
            A,
            [acme("a 1.0", core="98"), acme("a 2.0", core="99"), acme("a 3.0", python="<3"), CORE],
            [
                Finding(
                    code="no-solution",
                    severity="error",
                    subject="patches:a",
                    summary="no compatible version of `acme-a` offers `patches:a`",
                    found="3.0: requires Python <3, found 3.11.4; "
                    "2.0: requires coral-inference >= 99, found 0.0.5; "
                    "1.0: requires coral-inference >= 98, found 0.0.5",
                    where=WHERE,
                    hint="add a compatible version of `acme-a`, or switch `patches:a` off",
                )
            ],
            id="no version that fits",
        ),
        pytest.param(
            A,
            [acme("a 1.0"), acme("a 2.0", broken=True)],
            [
                Finding(
                    code="wheel-malformed",
                    severity="error",
                    subject="acme-a",
                    summary="the wheel of `acme-a` 2.0 has two members of one name",
                    where="/wheels/acme_a-2.0-py3-none-any.whl",
                    hint="build it again",
                )
            ],
            id="a broken wheel that would come first",
        ),
    ],
)
def test_what_is_said_without_a_solution(
    wanted: Descriptor, wheels: list[Wheel], findings: list[Finding]
) -> None:
    assert list(chosen(wanted, *wheels).findings) == findings


def test_independent_causes_and_all_that_is_missing_are_told_together() -> None:
    choice = chosen(
        descriptor("patches:a", "patches:b", "patches:c", "patches:d"),
        acme("a 1.0", "gone", "lost>1"),
        acme("a 0.9", "lost>1"),
        acme("b 1.0", "numpy>=9"),
        acme("c 1.0", "numpy<2"),
        acme("d 1.0", "numpy>=2"),
        *NUMPY,
    )
    assert [(each.code, each.subject, each.expected) for each in choice.findings] == [
        ("requirement-unmet", "patches:a", "`gone`"),
        ("requirement-unmet", "patches:a", "`lost>1`"),
        ("no-solution", "patches:b", "`numpy>=9`"),
        ("no-solution", "patches:c", "`numpy<2`, `numpy>=2`"),
    ]


@pytest.mark.parametrize(
    ("wheels", "codes"),
    [
        ([acme("a 1.0", core="99"), CORE], []),
        ([acme("a 1.0", "gone")], ["requirement-unmet"]),
        ([acme("a 1.0", broken=True)], []),
        ([acme("a 1.0", "numpy>=9"), wheel("numpy 1.0")], ["no-solution"]),
        ([acme("a 1.0", requires=("patches:z",))], []),
        ([acme("a 1.0", conflicts=("patches:b",)), acme("b 1.0")], []),
        ([acme("a 1.0"), wheel("acme-b 1.0", plugins=["patches:a"])], []),
        ([wheel("acme-a 1.0", plugins=[Plugin(id="patches:a", is_known=False)])], []),
        ([acme("a 1.0", "not a requirement")], ["requirement-unmet"]),
        (
            [acme("b 1.0", "inference[more]"), wheel("inference-gpu 1.0"), wheel("inference 1.0")],
            [],
        ),
    ],
)
@pytest.mark.parametrize("wanted", [A, descriptor(), descriptor(optional=["patches:a"])])
def test_without_a_choice_the_versions_are_those_of_an_environment(
    wanted: Descriptor, wheels: list[Wheel], codes: list[str]
) -> None:
    choice = chosen(wanted, *wheels)
    (source,) = sources(*wheels).values()
    everything = source.chosen({each.name: each.version for each in wheels})
    assert [each.code for each in choice.findings] == codes
    assert resolve(survey(source.chosen(choice.versions), wanted)) == resolve(
        survey(everything, wanted)
    )


def test_a_version_is_not_held_down_by_what_only_itself_requires() -> None:
    wheels = [
        acme("a 3.0", "lib==2.0"),
        acme("a 2.0"),
        acme("a 1.0", "lib==2.0"),
        wheel("lib 2.0", "acme-a==1.0"),
    ]
    assert chosen(A, *wheels).versions == {"acme-a": "2.0"}
