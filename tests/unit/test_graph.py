"""What requires what, as Mermaid, for Graphviz, as a picture and as a list."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from coral_lock.difference.changes import difference
from coral_lock.lockfile.entries import LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.rendering.graph import (
    ADDED,
    CHANGED,
    GRAPHS,
    MAX_COMMENT,
    REMOVED,
    Graph,
    Node,
    compared,
    dot,
    graph_of,
    joined,
    listed,
    mermaid,
    svg,
)
from coral_lock.rendering.markdown import MAX_BYTES, render_markdown
from coral_lock.rendering.outcome import Outcome
from tests.support.locks import TAG, digest_of, sample_lock

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>\"'&\\ `x` \n\u202e\x00\ufffe#59; end"


def distribution(name: str, version: str = "1.0", *requires: str) -> LockedDistribution:
    return LockedDistribution(
        name=name, version=version, digests={TAG: digest_of("D")}, requires=requires
    )


def changed_lock() -> Lock:
    """Return the sample with a plugin more, one less, an upgrade and another requirement."""
    lock = sample_lock()
    (_, camera), (package, numpy, _) = lock.plugins, lock.distributions
    zoom = LockedPlugin(id="patches:zoom", distribution="acme-zoom", entry_point="acme_zoom:zoom")
    return lock.replace(
        plugins=(camera.replace(after=()), zoom),
        distributions=(
            distribution("acme-zoom", "0.1", "numpy", "zlib"),
            package.replace(version="1.1.0"),
            numpy,
            distribution("zlib"),
        ),
    )


def compared_sample(limit: int = 60) -> tuple[Graph, Graph, int]:
    return compared(outcome(sample_lock(), changed_lock()), limit)


def outcome(old: Lock, new: Lock) -> Outcome:
    changes = difference(old, new)
    return Outcome(document={}, changes=changes, locks=((old, "old.lock"), (new, "coral.lock")))


def in_a_circle() -> Graph:
    return graph_of(
        sample_lock().replace(
            plugins=(),
            distributions=(
                distribution("a", "1.0", "b"),
                distribution("b", "1.0", "a", "c"),
                distribution("c"),
            ),
        )
    )


def hostile() -> Graph:
    nodes = {"p": Node(label=HOSTILE, is_plugin=True, mark=ADDED), "d": Node(label="d")}
    return Graph(nodes=nodes, edges={("p", "d"): ADDED})


def test_a_lock_as_mermaid() -> None:
    assert mermaid(graph_of(sample_lock())) == (
        "flowchart LR\n"
        '  n0(["backends:rknn"])\n'
        '  n1(["patches:camera_stabilizer"])\n'
        '  n2["my-package 1.0.0"]\n'
        '  n3["numpy 2.0.0"]\n'
        '  n4["rknn-backend 1.0"]\n'
        "  n0 --> n4\n"
        "  n2 --> n3\n"
        "  n1 --> n2\n"
    )


def test_a_lock_for_graphviz() -> None:
    assert dot(graph_of(sample_lock())) == (
        "digraph lock {\n"
        "  rankdir=LR;\n"
        "  node [shape=box];\n"
        '  n0 [label="backends:rknn", style=rounded];\n'
        '  n1 [label="patches:camera_stabilizer", style=rounded];\n'
        '  n2 [label="my-package 1.0.0"];\n'
        '  n3 [label="numpy 2.0.0"];\n'
        '  n4 [label="rknn-backend 1.0"];\n'
        "  n0 -> n4;\n"
        "  n2 -> n3;\n"
        "  n1 -> n2;\n"
        "}\n"
    )


def test_a_lock_as_a_picture() -> None:
    picture = ElementTree.fromstring(svg(graph_of(sample_lock())))
    assert picture.tag == f"{SVG}svg"
    assert [text.text for text in picture.iter(f"{SVG}text")] == [
        "backends:rknn",
        "patches:camera_stabilizer",
        "my-package 1.0.0",
        "numpy 2.0.0",
        "rknn-backend 1.0",
    ]
    assert len(list(picture.iter(f"{SVG}path"))) == 3
    left = {text.text: float(text.get("x", "")) for text in picture.iter(f"{SVG}text")}
    assert left["patches:camera_stabilizer"] < left["my-package 1.0.0"] < left["numpy 2.0.0"]
    right = float(picture.get("width", ""))
    for box in picture.iter(f"{SVG}rect"):
        assert float(box.get("x", "")) + float(box.get("width", "")) <= right


@pytest.mark.parametrize("name", GRAPHS)
def test_names_are_data(name: str) -> None:
    text = GRAPHS[name](hostile())
    assert text.isascii() or text.replace("−", "-").isascii()
    assert all(line.isprintable() for line in text.splitlines())
    # A node more would be a line more.
    harmless = Graph(
        nodes={
            "p": Node(label="p", is_plugin=True, mark=ADDED),
            "d": Node(label="d"),
        },
        edges={("p", "d"): ADDED},
    )
    assert len(text.splitlines()) == len(GRAPHS[name](harmless).splitlines())


def test_escapes() -> None:
    shown = "</text><script>alert(1)</script>\"'&\\ `x` \\n\\u202e\\x00\\ufffe#59; end"
    picture = ElementTree.fromstring(svg(hostile()))
    assert [text.text for text in picture.iter(f"{SVG}text")] == [f"+ {shown}", "d"]
    assert '  n0(["#43; #60;#47;text#62;' in mermaid(hostile())
    assert "#35;59#59; end" in mermaid(hostile())
    assert 'label="+ </text><script>' not in mermaid(hostile())
    assert "\\\"'&\\\\\\\\ `x` \\\\\\\\n" in dot(hostile())
    assert listed(hostile()) == f"+ {shown} → d\n"


def test_long_names_are_cut() -> None:
    graph = Graph(nodes={"d": Node(label="x" * 5000, mark=CHANGED)}, edges={})
    assert listed(graph) == f"~ {'x' * 80}…\n"
    assert all(len(draw(graph)) < 1000 for draw in GRAPHS.values())


def test_wide_characters_fit_their_boxes() -> None:
    def width(label: str) -> float:
        picture = ElementTree.fromstring(svg(Graph(nodes={"d": Node(label=label)}, edges={})))
        return float(next(picture.iter(f"{SVG}rect")).get("width", ""))

    assert width("插件") == width("abcd")


@pytest.mark.parametrize("draw", [*GRAPHS.values(), listed])
def test_circles_and_nothing(draw: object) -> None:
    assert callable(draw)
    assert "a 1.0" in draw(in_a_circle())
    assert "c 1.0" in draw(in_a_circle())
    assert isinstance(draw(graph_of(None)), str)


def test_what_differs_is_marked() -> None:
    before, after, left_out = compared_sample()
    assert left_out == 0
    assert {name: node.mark for name, node in before.nodes.items()} == {
        "backends:rknn": REMOVED,
        "patches:camera_stabilizer": CHANGED,
        "my-package": CHANGED,
        "numpy": "",
        "rknn-backend": REMOVED,
    }
    assert {name: node.mark for name, node in after.nodes.items()} == {
        "patches:camera_stabilizer": CHANGED,
        "patches:zoom": ADDED,
        "acme-zoom": ADDED,
        "my-package": CHANGED,
        "numpy": "",
        "zlib": ADDED,
    }
    assert before.edges == {
        ("backends:rknn", "rknn-backend"): REMOVED,
        ("my-package", "numpy"): "",
        ("patches:camera_stabilizer", "my-package"): "",
    }
    assert after.edges == {
        ("acme-zoom", "numpy"): ADDED,
        ("acme-zoom", "zlib"): ADDED,
        ("my-package", "numpy"): "",
        ("patches:camera_stabilizer", "my-package"): "",
        ("patches:zoom", "acme-zoom"): ADDED,
    }


def test_both_as_one() -> None:
    assert listed(joined(*compared_sample()[:2])) == (
        "− backends:rknn → − rknn-backend 1.0\n"
        "~ patches:camera_stabilizer → ~ my-package 1.1.0\n"
        "+ patches:zoom → + acme-zoom 0.1\n"
        "+ acme-zoom 0.1 → numpy 2.0.0, + zlib 1.0\n"
        "~ my-package 1.1.0 → numpy 2.0.0\n"
    )
    text = mermaid(joined(*compared_sample()[:2]))
    assert '  n0(["#8722; backends:rknn"]):::removed\n' in text
    assert "  n0 -.-> n7\n" not in text
    assert text.count("==>") == 3
    assert text.count("-.->") == 1
    assert "  classDef removed stroke:#cf222e,stroke-width:3px,stroke-dasharray:4\n" in text


def test_the_part_that_changed_with_the_way_to_it() -> None:
    # `unrelated` and what leads to it are left out; `base` is reached through `middle`.
    lock = sample_lock().replace(
        plugins=(
            LockedPlugin(id="patches:a", distribution="top", entry_point="top:a"),
            LockedPlugin(id="patches:b", distribution="unrelated", entry_point="unrelated:b"),
        ),
        distributions=(
            distribution("base"),
            distribution("middle", "1.0", "base"),
            distribution("top", "1.0", "middle"),
            distribution("unrelated"),
        ),
    )
    base, *others = lock.distributions
    new = lock.replace(distributions=(base.replace(version="2.0"), *others))
    before, after, left_out = compared(outcome(lock, new), 60)
    assert left_out == 0
    assert list(before.nodes) == ["patches:a", "base", "middle", "top"]
    assert listed(after) == ("patches:a → top 1.0\nmiddle 1.0 → ~ base 2.0\ntop 1.0 → middle 1.0\n")


def test_what_is_too_much_is_counted() -> None:
    before, after, left_out = compared_sample(limit=3)
    # The new plugin is of medium risk, the other changes of none.
    assert [*before.nodes, *after.nodes] == ["patches:zoom", "acme-zoom", "zlib"]
    assert left_out == 4


def test_one_lock_alone() -> None:
    lock = sample_lock()
    sides = (None, "old.lock"), (lock, "coral.lock")
    before, after, _ = compared(Outcome(document={}, changes=(), locks=sides), 60)
    assert before == graph_of(None)
    assert {node.mark for node in after.nodes.values()} == {ADDED}


def large(version: str) -> Lock:
    names = [f"the-distribution-number-{number:03}" for number in range(400)]
    return sample_lock().replace(
        plugins=tuple(
            LockedPlugin(id=f"patches:{name}", distribution=name, entry_point="acme:x")
            for name in names
        ),
        distributions=tuple(distribution(name, version) for name in names),
    )


def markdown(old: Lock, new: Lock) -> str:
    locks = (old, "old.lock"), (new, "coral.lock")
    return render_markdown(Outcome(document={}, changes=difference(old, new), locks=locks))


def test_a_comment_has_the_drawing_folded() -> None:
    text = markdown(sample_lock(), changed_lock())
    drawing = mermaid(joined(*compared_sample(40)[:2]))
    assert len(drawing) <= MAX_COMMENT
    assert (
        "\n<details><summary>What requires what</summary>\n\n"
        f"Marked: + added, − removed, ~ changed.\n\n```mermaid\n{drawing}```\n\n</details>\n"
    ) in text


def test_a_long_comment_has_a_list_within_its_limit() -> None:
    text = markdown(large("1.0"), large("2.0"))
    assert len(text.encode()) <= MAX_BYTES
    assert "mermaid" not in text
    assert "\n380 more that changed aren't shown.\n" in text
    short = markdown(
        large("1.0"),
        large("1.0").replace(
            distributions=(
                *large("1.0").distributions[:-1],
                distribution("the-distribution-number-399", "2.0"),
            )
        ),
    )
    assert "```mermaid" in short


def test_a_comment_without_a_difference_there_has_no_drawing() -> None:
    text = markdown(sample_lock(), sample_lock().replace(platform="onnx"))
    assert "What requires what" not in text
