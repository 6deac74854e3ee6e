"""What requires what: plugins, their distributions and what these require, drawn.

Names are untrusted text; each format has its own escapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from coral_lock.canonical_json import quote
from coral_lock.difference.model import Change
from coral_lock.errors import printable
from coral_lock.lockfile.model import Lock

MAX_COMMENT = 2000
"""The characters of a Mermaid graph in a comment: larger ones can't be read there."""

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_HOST = "the host"
"""The name of the host's node; no distribution has one with a space in it."""

_MAX_LABEL = 80
_CHARACTER, _ROW, _GAP, _PADDING = 7.2, 34, 70, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A plugin, a distribution, or the host.

    Attributes:
        name: the id of the plugin or the normalized name of the distribution.
        label: the text in it.
        is_plugin: whether it is a plugin.
        mark: `added`, `removed` or `changed` where two locks are compared, else empty.
    """

    name: str
    label: str
    is_plugin: bool = False
    mark: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """Nodes by their name, sorted with plugins first, and edges from what requires to what is."""

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]


def graph_of(lock: Lock, changes: Iterable[Change] = (), mark_of_gone: str = REMOVED) -> Graph:
    """Return what a lock holds as a graph.

    Args:
        lock: the lock.
        changes: what marks nodes as changed, or as added, where `lock` is the new one.
        mark_of_gone: how an entry is marked that only this lock has: `removed` where it is the
            old one, `added` where it is the new one.
    """
    marks: dict[str, str] = {}
    for change in changes:
        is_entry = len(change.place) == 2 and change.place[0] in ("plugins", "distributions")
        is_gone = is_entry and (change.before is None or change.after is None)
        marks[change.subject] = mark_of_gone if is_gone else marks.get(change.subject, CHANGED)
    nodes = [
        Node(name=each.id, label=each.id, is_plugin=True, mark=marks.get(each.id, ""))
        for each in lock.plugins
    ]
    edges = {(each.id, each.distribution) for each in lock.plugins}
    edges |= {(_HOST, each.distribution) for each in lock.host.packages()}
    for each in lock.distributions:
        label = f"{each.name} {each.version}"
        nodes.append(Node(name=each.name, label=label, mark=marks.get(each.name, "")))
        for required in (each.requires, *each.target_requires.values()):
            edges |= {(each.name, name) for name in required}
    names = {node.name for node in nodes}
    if any(end in names for start, end in edges if start == _HOST):
        nodes.insert(0, Node(name=_HOST, label="host"))
        names.add(_HOST)
    kept = sorted(edge for edge in edges if edge[0] in names and edge[1] in names)
    return Graph(nodes={node.name: node for node in nodes}, edges=tuple(kept))


def part_with(graph: Graph, names: Iterable[str]) -> Graph:
    """Return the part of a graph that has these nodes and what is between them."""
    wanted = set(names)
    return Graph(
        nodes={name: node for name, node in graph.nodes.items() if name in wanted},
        edges=tuple(edge for edge in graph.edges if wanted.issuperset(edge)),
    )


def mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart.

    https://mermaid.js.org/syntax/flowchart.html
    """
    numbers = {name: f"n{index}" for index, name in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for name, node in graph.nodes.items():
        start, end = ("([", "])") if node.is_plugin else ("[", "]")
        style = f":::{node.mark}" if node.mark else ""
        lines.append(f'  {numbers[name]}{start}"{_mermaid_text(_label(node))}"{end}{style}')
    lines += [f"  {numbers[start]} --> {numbers[end]}" for start, end in graph.edges]
    marks = {node.mark for node in graph.nodes.values()}
    lines += [f"  classDef {mark} {style}" for mark, style in _STYLES.items() if mark in marks]
    return "".join(f"{line}\n" for line in lines)


_STYLES = {
    ADDED: "stroke:#1a7f37,stroke-width:3px",
    REMOVED: "stroke:#cf222e,stroke-width:3px,stroke-dasharray:4",
    CHANGED: "stroke:#9a6700,stroke-width:3px",
}


def _mermaid_text(text: str) -> str:
    return "".join(each if each.isalnum() or each in " .:-_" else f"#{ord(each)};" for each in text)


def listed(graph: Graph) -> str:
    """Return the graph as a list: each plugin and distribution, and what it requires."""
    required: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for start, end in graph.edges:
        required[start].append(_label(graph.nodes[end]))
    return "".join(
        f"{_label(node)} → {', '.join(required[name])}\n"
        for name, node in graph.nodes.items()
        if required[name]
    )


def dot(graph: Graph) -> str:
    """Return the graph in the language of Graphviz, https://graphviz.org/doc/info/lang.html."""
    numbers = {name: f"n{index}" for index, name in enumerate(graph.nodes)}
    lines = ["digraph lock {", "  rankdir=LR;", "  node [shape=box];"]
    for name, node in graph.nodes.items():
        shape = ", style=rounded" if node.is_plugin else ""
        # A backslash would begin one of Graphviz's own escapes.
        text = quote(_label(node)).replace("\\", "\\\\").replace('\\\\"', '\\"')
        lines.append(f"  {numbers[name]} [label={text}{shape}];")
    lines += [f"  {numbers[start]} -> {numbers[end]};" for start, end in graph.edges]
    return "".join(f"{line}\n" for line in [*lines, "}"])


def svg(graph: Graph) -> str:
    """Return the graph as SVG: what requires is left of what it requires."""
    columns = _columns(graph)
    widths = [
        max(_CHARACTER * len(_label(graph.nodes[name])) + 2 * _PADDING for name in column)
        for column in columns
    ]
    boxes: dict[str, tuple[float, float, float]] = {}
    left = float(_PADDING)
    for column, width in zip(columns, widths):
        for row, name in enumerate(column):
            boxes[name] = (left, _PADDING + row * _ROW, width)
        left += width + _GAP
    height = _PADDING + _ROW * max(map(len, columns), default=0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left:g} {height:g}" '
        f'width="{left:g}" height="{height:g}" role="img" aria-label="What requires what" '
        'font-family="monospace" font-size="12">',
        "<style>.node rect{fill:none;stroke:#57606a}.node text{fill:currentColor}"
        ".added rect{stroke:#1a7f37;stroke-width:3}"
        ".removed rect{stroke:#cf222e;stroke-width:3;stroke-dasharray:4}"
        ".changed rect{stroke:#9a6700;stroke-width:3}"
        ".edge{fill:none;stroke:#8c959f}</style>",
    ]
    for start, end in graph.edges:
        lines.append(f'<path class="edge" d="{_curve(boxes[start], boxes[end])}"/>')
    for name, node in graph.nodes.items():
        x, y, width = boxes[name]
        kind = "plugin" if node.is_plugin else "distribution"
        label = escape(_label(node))
        title = f"{label}: {node.mark}" if node.mark else label
        lines.append(
            f'<g class="node {kind} {node.mark}"><title>{title}</title>'
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{_ROW - 10}" '
            f'rx="{12 if node.is_plugin else 2}"/>'
            f'<text x="{x + _PADDING:g}" y="{y + 16:g}">{label}</text></g>'
        )
    return "".join(f"{line}\n" for line in [*lines, "</svg>"])


def _columns(graph: Graph) -> list[list[str]]:
    """Return the names of the nodes, column by column: none before what requires it, but where
    distributions require each other in a circle."""
    required: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for start, end in graph.edges:
        required[start].append(end)
    waiting = dict.fromkeys(graph.nodes, 0)
    for _, end in graph.edges:
        waiting[end] += 1
    columns = []
    left = dict.fromkeys(graph.nodes)
    while left:
        # In a circle each waits for another one: the first is taken.
        column = [name for name in left if waiting[name] == 0] or [next(iter(left))]
        columns.append(column)
        for name in column:
            del left[name]
            for end in required[name]:
                waiting[end] -= 1
    return columns


def _curve(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    middle = (_ROW - 10) / 2
    x, y = start[0] + start[2], start[1] + middle
    to_x, to_y = end[0], end[1] + middle
    return f"M{x:g} {y:g}C{x + _GAP / 2:g} {y:g} {to_x - _GAP / 2:g} {to_y:g} {to_x:g} {to_y:g}"


def _label(node: Node) -> str:
    text = printable(node.label)
    return text if len(text) <= _MAX_LABEL else text[: _MAX_LABEL - 1] + "…"


GRAPHS: Mapping[str, Callable[[Graph], str]] = {"mermaid": mermaid, "dot": dot, "svg": svg}
"""The formats of a graph."""
