"""What choosing and looking at what was chosen both find is told once."""

from __future__ import annotations

import pytest

from coral_lock.descriptor.model import Descriptor
from tests.unit.resolver.deriving import acme, derived, told
from tests.unit.resolver.universe import Plugin, Wheel, descriptor, wheel

A = descriptor("patches:a")
AB = descriptor("patches:a", "patches:b")
OLD_CORE, CORE = wheel("coral-inference 0.0.3"), wheel("coral-inference 0.0.5")


@pytest.mark.parametrize(
    ("wanted", "wheels", "findings"),
    [
        pytest.param(
            A,
            [acme("a 1.0", core="99"), OLD_CORE, CORE],
            [("error", "incompatible", "patches:a")],
            id="incompatible",
        ),
        pytest.param(
            A,
            [acme("a 1.0", core="99"), acme("a 2.0", core="98"), OLD_CORE, CORE],
            [("error", "no-solution", "patches:a")],
            id="incompatible, as each of several versions",
        ),
        pytest.param(
            A,
            [acme("a 1.0", core="99"), acme("a 1.1", core="98")],
            [("error", "no-solution", "patches:a")],
            id="no host, for several versions",
        ),
        pytest.param(
            A,
            [wheel("acme-a 1.0", plugins=[Plugin(id="patches:a", is_known=False)]), acme("b 1.0")],
            [("error", "spec-unknown", "patches:a")],
            id="unknown",
        ),
        pytest.param(
            A,
            [wheel("acme-a 1.0", plugins=[Plugin(id="patches:a", platforms=("rknn",))])],
            [("error", "wrong-platform", "patches:a")],
            id="another platform",
        ),
        pytest.param(
            AB,
            [acme("a 1.0", conflicts=["patches:b"]), acme("b 1.0"), acme("b 2.0")],
            [("error", "conflict", "patches:a")],
            id="a conflict",
        ),
        pytest.param(
            A,
            [acme("a 1.0"), acme("a 0.9"), wheel("acme-b 1.0", plugins=["patches:a"])],
            [("error", "conflict", "patches:a")],
            id="offered twice",
        ),
        pytest.param(
            A,
            [acme("a 1.0", needs=["patches:z"]), OLD_CORE, CORE],
            [("error", "required-plugin-missing", "patches:a")],
            id="a plugin that isn't there",
        ),
        pytest.param(
            A,
            [acme("a 1.0", broken=True), acme("b 1.0")],
            [("error", "wheel-malformed", "acme-a")],
            id="malformed",
        ),
        pytest.param(
            A,
            [acme("a 1.0", broken=True), acme("a 2.0", broken=True), acme("b 1.0")],
            [("error", "wheel-malformed", "acme-a")],
            id="malformed in each version",
        ),
        pytest.param(
            A,
            [acme("aa 1.0")],
            [("error", "unknown-plugin", "patches:a")],
            id="a plugin that nothing offers",
        ),
        pytest.param(
            AB,
            [acme("a 1.0", "gone"), acme("a 2.0", "gone")],
            [
                ("error", "requirement-unmet", "patches:a"),
                ("error", "unknown-plugin", "patches:b"),
            ],
            id="two that have nothing to do with each other",
        ),
    ],
)
def test_each_error_stands_once(
    wanted: Descriptor, wheels: list[Wheel], findings: list[tuple[str, str, str]]
) -> None:
    assert told(derived(wanted, *wheels)[1].findings) == findings
