"""Through whom a distribution is needed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.derive.explanation import shortest_chain
from coral_lock.lockfile.entries import Host, HostPackage, LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from tests.support.locks import JETSON, TAG, digest_of, lock_of_targets

CORE = "coral-inference"


def lock_of(edges: dict[str, list[str]], *providers: str) -> Lock:
    """A lock of distributions that require each other, some of which provide a plugin."""
    core = HostPackage(distribution=CORE, version="0.0.4") if CORE in edges else None
    return Lock(
        platform="onnx",
        host=Host(core=core, inference=None, python="3.11"),
        plugins=tuple(
            LockedPlugin(id=f"patches:{name}", distribution=name, entry_point=f"{name}:spec")
            for name in providers
        ),
        distributions=tuple(
            LockedDistribution(
                name=name,
                version="1",
                digests={TAG: digest_of("A")},
                requires=tuple(sorted(set(required))),
            )
            for name, required in edges.items()
        ),
    )


CHAINS: dict[str, tuple[dict[str, list[str]], tuple[str, ...], str]] = {
    "a provider itself": ({"a": ["b"], "b": []}, ("a", "b"), "b"),
    "one step": ({"a": ["b"], "b": []}, ("a",), "a → b"),
    "the shortest": (
        {"a": ["b", "x"], "b": ["c"], "c": [], "x": ["y"], "y": ["c"]},
        ("a",),
        "a → b → c",
    ),
    "the first in the alphabet": (
        {"z": ["c"], "a": ["m"], "b": ["c"], "m": ["c"], "c": []},
        ("a", "b", "z"),
        "b → c",
    ),
    "a plugin before a nearer host": (
        {CORE: ["c"], "a": ["b"], "b": ["c"], "c": []},
        ("a",),
        "a → b → c",
    ),
    "the nearest host": (
        {CORE: ["a", "c"], "a": ["b"], "b": ["c"], "c": []},
        (),
        f"{CORE} → c",
    ),
    "a host that is required itself": ({CORE: ["c"], "c": [CORE]}, (), f"{CORE} → c"),
    "a cycle": ({"a": ["b"], "b": ["c"], "c": ["b"]}, ("a",), "a → b → c"),
    "nobody": ({"a": [], "c": []}, ("a",), "c"),
    "a cycle of its own": ({"a": [], "b": ["c"], "c": ["b"]}, ("a",), "c"),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain(name: str) -> None:
    edges, providers, expected = CHAINS[name]
    sought = expected.rpartition(" → ")[2]
    assert " → ".join(shortest_chain(lock_of(edges, *providers), sought)) == expected


def test_what_only_one_target_requires() -> None:
    lock = lock_of_targets()
    assert lock.distribution("my-package").target_requires == {JETSON: ("rknn-backend",)}
    plugins = tuple(plugin for plugin in lock.plugins if plugin.distribution == "my-package")
    lock = lock.replace(plugins=tuple(plugin.replace(after=()) for plugin in plugins))
    assert shortest_chain(lock, "rknn-backend") == ("my-package", "rknn-backend")


NAMES = [*"abcdef", CORE]


def distance(edges: dict[str, list[str]], starts: set[str], goal: str) -> int | None:
    """How many steps lead from any of the starts to the goal."""
    reached, steps = set(starts), 0
    while goal not in reached:
        further = {other for name in reached for other in edges[name]} | reached
        if further == reached:
            return None
        reached, steps = further, steps + 1
    return steps


@given(
    st.fixed_dictionaries({name: st.lists(st.sampled_from(NAMES), max_size=3) for name in NAMES}),
    st.sets(st.sampled_from(NAMES[:-1])),
    st.sampled_from(NAMES),
)
def test_a_chain_is_as_short_as_can_be(
    edges: dict[str, list[str]], providers: set[str], sought: str
) -> None:
    chain = shortest_chain(lock_of(edges, *providers), sought)
    assert chain[-1] == sought
    assert all(after in edges[before] for before, after in itertools.pairwise(chain))
    steps = distance(edges, providers, sought)
    if steps is None:
        steps = distance(edges, {CORE}, sought) or 0
    assert len(chain) == steps + 1
