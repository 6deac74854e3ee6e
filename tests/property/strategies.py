"""Hypothesis strategies for valid locks, with text as odd as a lock may hold."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache

from hypothesis import strategies as st

from coral_lock.lockfile.entries import (
    ExcludedPlugin,
    Host,
    HostPackage,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.lockfile.model import Lock
from coral_lock.names import GROUPS, INFERENCE_DISTRIBUTIONS, is_plugin_name
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.reserved import ACCEPTABLE
from coral_lock.targets.model import Target, fits

ODD_TEXT = (
    "", '"', "\\", "\\u0041", "\n", "\r\n", "\t", "\x00", "\x7f", "\u202e", "\u2066", "\u200b",
    "\ufeff", "\u2028", "é", "e\u0301", "日本", "😀", "\U000e0041", "{", "}", "},", "[", "]", '": ',
    ",", "true", "null", "<<<<<<< ours", "__proto__",
)  # fmt: skip

texts = st.one_of(
    st.text(max_size=20),
    st.lists(st.one_of(st.sampled_from(ODD_TEXT), st.text(max_size=3)), max_size=5).map("".join),
)
versions = st.one_of(
    st.sampled_from(["1.0", "1.0.0", "2.0", "0.0.5.dev1", "1!0", "1.0+local", "not a version"]),
    texts.filter(bool),
)
optional_versions = st.one_of(st.none(), versions)
TAG_OF_ALL = "py3-none-any"
tags = st.one_of(
    st.sampled_from(["py3-none-any", "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"]),
    texts,
)
digests = st.binary(min_size=32, max_size=32).map(
    lambda content: "t1:" + base64.b64encode(content).decode("ascii")
)
distribution_names = st.one_of(
    st.sampled_from(["my-package", "acme", "acme-vision", "numpy", "a", "0"]),
    st.lists(st.text("abz019", min_size=1, max_size=3), min_size=1, max_size=3).map("-".join),
)
few_distribution_names = st.lists(distribution_names, unique=True, max_size=4)
plugin_names = st.one_of(
    st.sampled_from(["a", "b", "camera", "é", "名前", "with space", 'quo"te', "a:b", "a.b", "\\"]),
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8),
).filter(is_plugin_name)
plugin_ids = st.tuples(st.sampled_from(GROUPS), plugin_names).map(":".join)
few_plugin_ids = st.lists(plugin_ids, unique=True, max_size=4)
identifiers = st.sampled_from(["a", "plugins", "_private", "Klass", "größe", "名前"])
dotted_names = st.lists(identifiers, min_size=1, max_size=3).map(".".join)
entry_points = st.tuples(dotted_names, dotted_names).map(":".join)


target_names = st.one_of(
    st.sampled_from(["jetson", "server", "a", "b", "all", "py3.10", "a_b-c"]),
    st.text("ab09", min_size=1, max_size=3),
)
pythons = st.sampled_from(["3.10", "3.11", "3.13"])
platforms = st.one_of(
    st.sampled_from(["manylinux_2_31_aarch64", "linux_x86_64", "win_amd64", "win32"]),
    st.text("ab09", min_size=1, max_size=3),
)


@st.composite
def targets(draw: st.DrawFn) -> tuple[Target, ...]:
    """None for about half of all locks, else up to three of which two may be of one kind."""
    if draw(st.booleans()):
        return ()
    names = draw(st.lists(target_names, unique=True, min_size=1, max_size=3))
    return tuple(
        Target(
            name=name,
            python=draw(st.one_of(pythons, st.just("3.10.4"))),
            platform=draw(platforms),
        )
        for name in names
    )


@st.composite
def hosts(draw: st.DrawFn, has_python: bool = True) -> Host:
    """Hosts that are known and hosts that aren't."""
    core = draw(optional_versions)
    inference = draw(optional_versions)
    return Host(
        core=None if core is None else HostPackage(distribution="coral-inference", version=core),
        inference=None
        if inference is None
        else HostPackage(
            distribution=draw(st.sampled_from(INFERENCE_DISTRIBUTIONS)), version=inference
        ),
        python=draw(pythons) if has_python else None,
    )


Scope = tuple[str, ...]
"""The names of the targets that something is for, sorted; one without name where there are none."""

NO_TARGETS: Scope = ("",)


@cache
def subsets(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    """Sorted selections of a few of `names`.

    To make a strategy and to see whether it is valid takes longer than to draw from it.
    """
    if not names:
        return st.just(())
    return st.sets(st.sampled_from(names), max_size=3).map(lambda chosen: tuple(sorted(chosen)))


@cache
def scopes(whole: Scope) -> st.SearchStrategy[Scope]:
    """Selections of targets, all of them more often than not."""
    return st.one_of(st.just(whole), subsets(whole).map(lambda chosen: chosen or whole))


def written(scope: Scope, every: Scope) -> tuple[str, ...]:
    """Return how an entry writes its targets: not at all, if they are all targets."""
    return () if scope == every else scope


def fitting_digests(draw: st.DrawFn, needing: Sequence[Target]) -> dict[str, str]:
    """None at all, or those of wheels of which each target has one that fits."""
    own_tags = {
        target: (f"py3-none-{target.platform}", f"{interpreter}-{interpreter}-{target.platform}")
        for target in needing
        for interpreter in (f"cp{target.language_version.replace('.', '')}",)
    }
    common = sorted({tag for own in own_tags.values() for tag in own})
    chosen = set(draw(subsets((TAG_OF_ALL, *common))))
    for target in needing if chosen else ():
        if not any(fits(tag, target) for tag in chosen):
            chosen.add(draw(st.sampled_from(own_tags[target])))
    return {tag: draw(digests) for tag in sorted(chosen)}


digests_of_any_tags = st.dictionaries(tags, digests, max_size=3)
data_digests = digests.map(lambda digest: f"d1:{digest.removeprefix('t1:')}")


@cache
def data_digests_of(tags: tuple[str, ...]) -> st.SearchStrategy[dict[str, str] | None]:
    """Those of some of the wheels, none at all, or none that can be told."""
    if not tags:
        return st.none()
    pinned = st.dictionaries(st.sampled_from(tags), data_digests, min_size=1)
    return st.one_of(st.none(), st.just({}), pinned)


def distribution(
    draw: st.DrawFn,
    name: str,
    scope_of: Mapping[str, Scope],
    every: Scope,
    chosen: Sequence[Target],
) -> LockedDistribution:
    """A distribution called `name` that requires some of those that are there."""
    scope = scope_of[name]
    edges = {
        target: set(draw(subsets(tuple(each for each in scope_of if target in scope_of[each]))))
        for target in scope
    }
    everywhere = tuple(each for each in scope_of if set(scope) <= set(scope_of[each]))
    for other in draw(subsets(everywhere)):
        for names in edges.values():
            names.add(other)
    shared = set.intersection(*edges.values())
    own_digests = (
        fitting_digests(draw, [target for target in chosen if target.name in scope])
        if chosen
        else draw(digests_of_any_tags)
    )
    return LockedDistribution(
        name=name,
        version=draw(versions),
        digests=own_digests,
        data_digests=draw(data_digests_of(tuple(sorted(own_digests)))),
        accepted=tuple(draw(subsets(ACCEPTABLE))),
        program=draw(st.booleans()),
        requires=tuple(sorted(shared)),
        target_requires={
            target: tuple(sorted(names - shared))
            for target, names in edges.items()
            if names - shared
        },
        targets=written(scope, every),
    )


data = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.dictionaries(texts, children, max_size=3)
    ),
    max_leaves=6,
)
overrides = st.fixed_dictionaries(
    {},
    optional={
        "patches": st.dictionaries(
            st.sampled_from(sorted(BUILT_IN_PATCHES)), st.booleans(), max_size=3
        ),
        "services": st.dictionaries(texts, data, max_size=3),
    },
)


def plugin_of(
    draw: st.DrawFn, identifier: str, distribution: str, scope: Scope, earlier: tuple[str, ...]
) -> LockedPlugin:
    """A plugin called `identifier`, perhaps after some of `earlier`; its targets are unwritten."""
    return LockedPlugin(
        id=identifier,
        distribution=distribution,
        entry_point=draw(entry_points),
        description=draw(texts),
        min_core_version=draw(optional_versions),
        min_inference_version=draw(optional_versions),
        optional=draw(st.booleans()),
        after=draw(subsets(earlier)),
        default_config_overrides=draw(overrides),
        env=draw(subsets(("ACME_TOKEN", "A", "_"))),
        targets=scope,
    )


Offer = tuple[str, str]
"""The id `<group>:<name>` of a plugin and the distribution that offers it."""


def exclusion(
    draw: st.DrawFn, offer: Offer, scope: Scope, every: Scope, is_shared: bool
) -> ExcludedPlugin:
    """A plugin that is left out.

    Its id has to name the distribution where `is_shared`; without targets it may anyhow.
    """
    identifier, distribution = offer
    if is_shared or (every == NO_TARGETS and draw(st.booleans())):
        identifier = f"{identifier}@{distribution}"
    reason = draw(texts)
    other_reasons = {target: draw(st.one_of(st.just(reason), texts)) for target in scope[1:]}
    return ExcludedPlugin(
        id=identifier,
        distribution=distribution,
        reason=reason,
        target_reasons={
            target: other for target, other in other_reasons.items() if other != reason
        },
        targets=written(scope, every),
    )


@st.composite
def locks(
    draw: st.DrawFn, chosen_targets: st.SearchStrategy[tuple[Target, ...]] | None = None
) -> Lock:
    """Valid locks; their few common names make that two of them have much in common."""
    chosen = draw(targets() if chosen_targets is None else chosen_targets)
    every = tuple(sorted(target.name for target in chosen)) or NO_TARGETS
    names = draw(few_distribution_names)
    scope_of = {name: draw(scopes(every)) for name in names}
    activated: dict[Offer, Scope] = {}
    for identifier in draw(few_plugin_ids) if names else []:
        name = draw(st.sampled_from(names))
        activated[identifier, name] = draw(scopes(scope_of[name]))
    left_out = _left_out(draw, activated, every)
    offers = [identifier for identifier, _ in {**activated, **left_out}]
    return Lock(
        platform=draw(texts),
        host=draw(hosts(has_python=not chosen)),
        plugins=_activated(draw, activated, left_out, every),
        excluded=tuple(
            exclusion(draw, offer, scope, every, offers.count(offer[0]) > 1)
            for offer, scope in left_out.items()
        ),
        distributions=tuple(distribution(draw, name, scope_of, every, chosen) for name in names),
        targets=chosen,
    )


def _left_out(
    draw: st.DrawFn, activated: Mapping[Offer, Scope], every: Scope
) -> dict[Offer, Scope]:
    """Offers that are left out, some of them of what is activated for other targets."""
    kinds = st.tuples(plugin_ids, distribution_names)
    if activated:
        kinds = st.one_of(kinds, st.sampled_from(sorted(activated)))
    left_out = {}
    for offer in draw(st.lists(kinds, unique=True, max_size=3)):
        free = tuple(target for target in every if target not in activated.get(offer, ()))
        if free:
            left_out[offer] = draw(scopes(free))
    return left_out


def _activated(
    draw: st.DrawFn,
    activated: Mapping[Offer, Scope],
    left_out: Mapping[Offer, Scope],
    every: Scope,
) -> tuple[LockedPlugin, ...]:
    """The plugins of a lock, each after some of those that can come before it."""
    order = sorted(activated, key=lambda offer: GROUPS.index(offer[0].partition(":")[0]))
    ids = {identifier for identifier, _ in activated}
    found = []
    for index, offer in enumerate(order):
        before = [other for other in left_out if other[0] not in ids] + order[:index]
        scope = activated[offer]
        earlier = {
            other[0] for other in before if set(scope) & set({**left_out, **activated}[other])
        }
        plugin = plugin_of(draw, *offer, scope, tuple(sorted(earlier)))
        found.append(plugin.replace(targets=written(scope, every)))
    return tuple(found)
