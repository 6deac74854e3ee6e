"""Hypothesis strategies for valid locks, with text as odd as a lock may hold."""

from __future__ import annotations

import base64

from hypothesis import strategies as st

from coral_lock.lockfile.model import (
    ExcludedPlugin,
    Host,
    HostPackage,
    Lock,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.names import GROUPS, INFERENCE_DISTRIBUTIONS, is_plugin_name
from coral_lock.plugin.config import BUILT_IN_PATCHES

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
plugin_names = st.one_of(
    st.sampled_from(["a", "b", "camera", "é", "名前", "with space", 'quo"te', "a:b", "a.b", "\\"]),
    st.text(max_size=8),
).filter(is_plugin_name)
plugin_ids = st.tuples(st.sampled_from(GROUPS), plugin_names).map(":".join)
identifiers = st.sampled_from(["a", "plugins", "_private", "Klass", "größe", "名前"])
dotted_names = st.lists(identifiers, min_size=1, max_size=3).map(".".join)
entry_points = st.tuples(dotted_names, dotted_names).map(":".join)


@st.composite
def hosts(draw: st.DrawFn) -> Host:
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
        python=draw(st.sampled_from(["3.10", "3.11", "3.13"])),
    )


def subsets(names: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """Sorted selections of a few of `names`."""
    if not names:
        return st.just(())
    return st.sets(st.sampled_from(names), max_size=3).map(lambda chosen: tuple(sorted(chosen)))


@st.composite
def distributions(draw: st.DrawFn, name: str, names: list[str]) -> LockedDistribution:
    """A distribution called `name` that requires some of `names`."""
    return LockedDistribution(
        name=name,
        version=draw(versions),
        digests=draw(st.dictionaries(tags, digests, max_size=3)),
        requires=draw(subsets(names)),
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


@st.composite
def plugins(draw: st.DrawFn, identifier: str, names: list[str], earlier: list[str]) -> LockedPlugin:
    """A plugin called `identifier`, from one of `names`, perhaps after some of `earlier`."""
    return LockedPlugin(
        id=identifier,
        distribution=draw(st.sampled_from(names)),
        entry_point=draw(entry_points),
        description=draw(texts),
        min_core_version=draw(optional_versions),
        min_inference_version=draw(optional_versions),
        optional=draw(st.booleans()),
        after=draw(subsets(earlier)),
        default_config_overrides=draw(overrides),
        env=draw(subsets(["ACME_TOKEN", "A", "_"])),
    )


@st.composite
def exclusions(draw: st.DrawFn) -> ExcludedPlugin:
    """A plugin that is left out, its id with and without its distribution."""
    identifier, distribution = draw(plugin_ids), draw(distribution_names)
    if draw(st.booleans()):
        identifier = f"{identifier}@{distribution}"
    return ExcludedPlugin(id=identifier, distribution=distribution, reason=draw(texts))


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """Valid locks; their few common names make that two of them have much in common."""
    names = draw(st.lists(distribution_names, unique=True, max_size=5))
    excluded = draw(st.lists(exclusions(), unique_by=lambda plugin: plugin.id, max_size=3))
    identifiers = draw(st.lists(plugin_ids, unique=True, max_size=5)) if names else []
    identifiers.sort(key=lambda identifier: GROUPS.index(identifier.partition(":")[0]))
    excluded_ids = [plugin.id.partition("@")[0] for plugin in excluded]
    unordered = [identifier for identifier in excluded_ids if identifier not in identifiers]
    return Lock(
        platform=draw(texts),
        host=draw(hosts()),
        plugins=tuple(
            draw(plugins(identifier, names, identifiers[:index] + unordered))
            for index, identifier in enumerate(identifiers)
        ),
        excluded=tuple(draw(st.permutations(excluded))),
        distributions=tuple(draw(distributions(name, names)) for name in names),
    )
