"""The order of activation."""

from __future__ import annotations

import random

import pytest

from coral_lock.lockfile.order import CycleError, activation_order


def test_groups_then_after_then_id() -> None:
    after = {
        "workflows:a": ["patches:z", "workflows:z"],
        "workflows:z": [],
        "patches:b": ["patches:z"],
        "patches:a": [],
        "patches:z": ["backends:z"],
        "backends:z": [],
    }
    order = (
        "backends:z", "patches:a", "patches:z", "patches:b", "workflows:z", "workflows:a",
    )  # fmt: skip
    assert activation_order(after) == order
    for seed in range(20):
        items = list(after.items())
        random.Random(seed).shuffle(items)
        assert activation_order(dict(items)) == order


def test_ids_without_after_are_sorted() -> None:
    assert activation_order({"patches:b": [], "patches:a": []}) == ("patches:a", "patches:b")


def test_an_id_goes_as_early_as_its_name_allows() -> None:
    after = {"patches:a": ["patches:c"], "patches:b": [], "patches:c": [], "patches:d": []}
    assert activation_order(after) == ("patches:b", "patches:c", "patches:a", "patches:d")


def test_ids_that_are_not_there_do_not_matter() -> None:
    assert activation_order({"patches:a": ["patches:gone"]}) == ("patches:a",)
    assert activation_order({"patches:a": ["workflows:gone"]}) == ("patches:a",)
    assert activation_order({}) == ()


@pytest.mark.parametrize(
    ("after", "message", "cycle"),
    [
        (
            {"patches:a": ["patches:a"]},
            "plugins wait for each other: `patches:a` → `patches:a`",
            ("patches:a",),
        ),
        (
            {"patches:c": ["patches:b"], "patches:b": ["patches:a"], "patches:a": ["patches:c"]},
            "plugins wait for each other: `patches:a` → `patches:c` → `patches:b` → `patches:a`",
            ("patches:a", "patches:c", "patches:b"),
        ),
        (
            {"patches:a": ["patches:b"], "patches:b": ["patches:c"], "patches:c": ["patches:b"]},
            "plugins wait for each other: `patches:b` → `patches:c` → `patches:b`",
            ("patches:b", "patches:c"),
        ),
        (
            # Of several cycles the first one is named.
            {
                "patches:a": ["patches:b", "patches:y"],
                "patches:b": ["patches:a"],
                "patches:y": ["patches:z"],
                "patches:z": ["patches:y"],
            },
            "plugins wait for each other: `patches:a` → `patches:b` → `patches:a`",
            ("patches:a", "patches:b"),
        ),
        (
            # The search enters the cycle at `c`; the message starts from `b`.
            {
                "patches:a": ["patches:c"],
                "patches:b": ["patches:c"],
                "patches:c": ["patches:b"],
            },
            "plugins wait for each other: `patches:b` → `patches:c` → `patches:b`",
            ("patches:b", "patches:c"),
        ),
        (
            {"patches:a": ["patches:a", "workflows:b"], "workflows:b": []},
            "`patches:a` can't come after `workflows:b`: "
            "the groups are activated in the order backends, patches, workflows",
            ("patches:a", "workflows:b"),
        ),
        (
            {"backends:a": ["workflows:b"], "workflows:b": []},
            "`backends:a` can't come after `workflows:b`: "
            "the groups are activated in the order backends, patches, workflows",
            ("backends:a", "workflows:b"),
        ),
    ],
)
def test_cycles_are_named(
    after: dict[str, list[str]], message: str, cycle: tuple[str, ...]
) -> None:
    with pytest.raises(CycleError) as caught:
        activation_order(after)
    assert caught.value.message == message
    assert caught.value.cycle == cycle
    assert caught.value.path == f'plugins["{cycle[0]}"].after'
    assert caught.value.hint == "remove one of these ids from `after` in the descriptor"


def test_of_many_later_ids_the_first_is_named() -> None:
    later = [f"workflows:{number:02}" for number in range(50)]
    with pytest.raises(CycleError) as caught:
        activation_order({"patches:a": later, **dict.fromkeys(later, ())})
    assert caught.value.cycle == ("patches:a", "workflows:00")


def test_a_long_cycle_is_cut_in_the_message() -> None:
    ids = [f"patches:{number:02}" for number in range(30)]
    with pytest.raises(CycleError) as caught:
        activation_order({each: [after] for each, after in zip(ids, [*ids[1:], ids[0]])})
    named = " → ".join([*(f"`{each}`" for each in ids[:19]), "…", "`patches:00`"])
    assert caught.value.message == f"plugins wait for each other: {named}"
    assert caught.value.cycle == tuple(ids)
