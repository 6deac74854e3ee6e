"""Which plugins are selected: a few plugins, a descriptor, and what is decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.inventory import EntryPoint
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.locking.decision import Decision, DiscoveredPlugin
from coral_lock.locking.selection import select
from coral_lock.plugin.facts import PluginFacts, PluginTerms, Relation
from tests.support.shelf import Shelf, shelved

HOST = Host(
    core=HostPackage(distribution="coral-inference", version="0.0.4"), inference=None, python="3.11"
)


def plugin(
    name: str,
    group: str = "patches",
    *,
    core: str | None = None,
    problem: str | None = None,
    distribution: str = "acme",
    distribution_requires: tuple[str, ...] = (),
    **terms: Any,
) -> DiscoveredPlugin:
    """Return a plugin; `core` is the core version that it requires, `problem` a finding code."""
    identifier = f"{group}:{name}"
    return DiscoveredPlugin(
        id=identifier,
        entry_point=EntryPoint(group=group, name=name, value=f"acme:{name}"),
        distribution=shelved(distribution, requires=distribution_requires),
        facts=PluginFacts(name=name, min_core_version=core),
        terms=PluginTerms(**terms),
        problem=Finding(code=problem, severity=ERROR, subject=identifier, summary="it is so")
        if problem
        else None,
    )


class Selection(NamedTuple):
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]


def selected(plugins: Sequence[DiscoveredPlugin], *settings: str) -> Selection:
    descriptor = load_descriptor(None, settings=settings)
    shelf = Shelf(*{each.distribution.name: each.distribution for each in plugins}.values())
    decisions, found = select(plugins, descriptor, HOST, shelf)
    return Selection(decisions, sorted_findings(found))


def ids(selection: Selection) -> list[str]:
    return [each.plugin.id for each in selection.decisions if each.is_selected]


def findings(selection: Selection) -> list[tuple[str, str, str]]:
    return [(each.code, each.severity, each.subject) for each in selection.findings]


def reasons(selection: Selection) -> dict[str, str | None]:
    return {each.plugin.id: each.reason for each in selection.decisions if not each.is_selected}


TOO_NEW = "requires coral-inference >= 9, found 0.0.4"


@pytest.mark.parametrize(
    ("settings", "severity"),
    [
        ((), WARNING),
        (("patches.a=true",), ERROR),
        (('patches.a={"enabled": true, "optional": true}',), WARNING),
    ],
)
def test_a_plugin_that_does_not_fit_is_an_error_if_it_is_required(
    settings: tuple[str, ...], severity: str
) -> None:
    selection = selected([plugin("a", core="9"), plugin("b")], *settings)
    assert ids(selection) == ["patches:b"]
    assert reasons(selection) == {"patches:a": TOO_NEW}
    assert findings(selection) == [("incompatible", severity, "patches:a")]


@pytest.mark.parametrize(
    ("settings", "severity"),
    [
        ((), ERROR),
        (("patches.a=true",), ERROR),
        (('patches.a={"enabled": true, "optional": true}',), WARNING),
    ],
)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("manifest-invalid", "its manifest can't be used"),
        ("plugin-broken", "its spec is malformed"),
        ("spec-unknown", "what it is can't be learnt"),
    ],
)
def test_a_broken_plugin_is_an_error_unless_it_is_optional(
    code: str, reason: str, settings: tuple[str, ...], severity: str
) -> None:
    selection = selected([plugin("a", problem=code)], *settings)
    assert reasons(selection) == {"patches:a": reason}
    assert findings(selection) == [(code, severity, "patches:a")]
    assert [each.problem for each in selection.decisions] == list(selection.findings)


def test_a_plugin_that_is_switched_off_is_no_finding() -> None:
    selection = selected([plugin("a", core="9")], "patches.a=false")
    assert reasons(selection) == {"patches:a": "switched off by the descriptor"}
    assert findings(selection) == []


def test_listed_selects_what_is_switched_on() -> None:
    plugins = [plugin("a"), plugin("b")]
    selection = selected(plugins, "plugins.discover=listed", "patches.b=true")
    assert ids(selection) == ["patches:b"]
    assert reasons(selection) == {
        "patches:a": "not switched on, and `plugins.discover` is `listed`"
    }


@pytest.mark.parametrize(
    ("setting", "ids_left", "left_out"),
    [
        (
            "backends.auto_discover=false",
            ["patches:a", "workflows:a"],
            {"backends:a": "the host loads no backends: `backends.auto_discover` is false"},
        ),
        (
            "patches.plugins=false",
            ["backends:a"],
            {
                "patches:a": "the host loads no patches: `patches.plugins` is false",
                "workflows:a": "the host loads no workflows: `patches.plugins` is false",
            },
        ),
    ],
)
def test_what_the_host_does_not_load_is_left_out(
    setting: str, ids_left: list[str], left_out: dict[str, str]
) -> None:
    plugins = [plugin("a", group) for group in ("backends", "patches", "workflows")]
    selection = selected(plugins, setting)
    assert ids(selection) == ids_left
    assert reasons(selection) == left_out


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("true", [("loading-off", ERROR, "patches:a")]),
        ('{"optional": true}', [("loading-off", WARNING, "patches:a")]),
        ("false", []),
    ],
)
def test_what_is_switched_on_though_the_host_loads_none(
    request_: str, expected: list[tuple[str, str, str]]
) -> None:
    selection = selected([plugin("a")], "patches.plugins=false", f"patches.a={request_}")
    assert findings(selection) == expected


@pytest.mark.parametrize(
    ("request_", "severity"),
    [
        ('{"distribution": "other"}', ERROR),
        ('{"distribution": "other", "optional": true}', WARNING),
        ('{"distribution": "other", "enabled": false}', WARNING),
    ],
)
def test_a_distribution_that_does_not_offer_the_plugin(request_: str, severity: str) -> None:
    selection = selected([plugin("a")], f"patches.a={request_}")
    assert findings(selection) == [("unknown-plugin", severity, "patches:a")]


def test_one_id_from_two_distributions_is_a_conflict() -> None:
    plugins = [plugin("a"), plugin("a", distribution="other")]
    selection = selected(plugins)
    assert ids(selection) == []
    assert findings(selection) == [("conflict", ERROR, "patches:a")]
    settled = selected(plugins, 'patches.a={"distribution": "other"}')
    assert [each.plugin.distribution.name for each in settled.decisions if each.is_selected] == [
        "other"
    ]
    assert findings(settled) == []


@pytest.mark.parametrize(
    ("request_", "severity"),
    [
        ('{"after": ["patches:absent"]}', ERROR),
        ('{"after": ["patches:absent"], "optional": true}', WARNING),
        ('{"after": ["patches:absent"], "enabled": false}', WARNING),
    ],
)
def test_after_names_what_no_distribution_offers(request_: str, severity: str) -> None:
    """It is an error only where the plugin that comes after it has to run."""
    selection = selected([plugin("a")], f"patches.a={request_}")
    assert findings(selection) == [("unknown-plugin", severity, "patches:absent")]


@pytest.mark.parametrize(
    ("request_", "severity"),
    [("true", ERROR), ('{"optional": true}', WARNING), ("false", WARNING)],
)
def test_the_descriptor_names_what_no_distribution_offers(request_: str, severity: str) -> None:
    selection = selected([plugin("camera")], f"patches.camra={request_}")
    (finding,) = selection.findings
    assert (finding.code, finding.severity, finding.hint) == (
        "unknown-plugin",
        severity,
        "did you mean `patches:camera`?",
    )


def test_what_requires_a_plugin_that_is_left_out_is_left_out_too() -> None:
    plugins = [
        plugin("a", core="9"),
        plugin("b", requires=(Relation(id="patches:a", reason="shares its buffers"),)),
        plugin("c", requires=(Relation(id="patches:b", reason="reads its output"),)),
    ]
    selection = selected(plugins)
    assert ids(selection) == []
    assert reasons(selection) == {
        "patches:a": TOO_NEW,
        "patches:b": "requires `patches:a`, which isn't selected",
        "patches:c": "requires `patches:b`, which isn't selected",
    }
    assert [severity for _, severity, _ in findings(selection)] == [WARNING] * 3
    asked = selected(plugins, "patches.c=true")
    assert [each.subject for each in asked.findings if each.severity == ERROR] == ["patches:c"]


CLASH = (Relation(id="patches:a", reason="both own the camera"),)
OPTIONAL = ('patches.a={"optional": true}', 'patches.b={"optional": true}')


def test_plugins_that_exclude_each_other_are_an_error_unless_one_is_optional() -> None:
    plugins = [plugin("a"), plugin("b", distribution="other", conflicts=CLASH)]
    assert findings(selected(plugins)) == [("conflict", ERROR, "patches:b")]
    selection = selected(plugins, OPTIONAL[1])
    assert ids(selection) == ["patches:a"]
    assert findings(selection) == [("conflict", WARNING, "patches:b")]
    assert ids(selected(plugins, OPTIONAL[0])) == ["patches:b"]
    assert ids(selected(plugins, *OPTIONAL)) == ["patches:a"]


def test_a_plugin_whose_requirements_are_unmet_excludes_no_other() -> None:
    """Requirements come before clashes: else both of these would be left out."""
    plugins = [
        plugin("a", distribution_requires=("absent",)),
        plugin("b", distribution="other", conflicts=CLASH),
    ]
    selection = selected(plugins, *OPTIONAL)
    assert ids(selection) == ["patches:b"]
    assert reasons(selection) == {"patches:a": "requires `absent`, which isn't met"}
    assert findings(selection) == [("requirement-unmet", WARNING, "patches:a")]


def test_overrides_of_two_plugins_may_not_contradict_each_other() -> None:
    plugins = [
        plugin(name, default_config_overrides={"services": {"webrtc": {"port": port}}})
        for name, port in (("a", 1), ("b", 2))
    ]
    assert findings(selected(plugins)) == [("conflict", ERROR, "patches:b")]
    assert findings(selected(plugins, "services.webrtc.port=3")) == []
