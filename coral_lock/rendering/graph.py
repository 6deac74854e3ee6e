"""What requires what: plugins, their distributions and what these require, drawn.

Names are untrusted text; each format has its own escapes.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from unicodedata import east_asian_width

from coral_lock.canonical_json import quote
from coral_lock.errors import printable, shortened
from coral_lock.lockfile.model import Lock
from coral_lock.rendering.outcome import Outcome

MAX_COMMENT = 2000
"""The characters of a Mermaid graph in a comment: larger ones can't be read there."""

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_HOST = "the host"
"""The name of the host's node; no distribution has one with a space in it."""

_SIGNS = {ADDED: "+", REMOVED: "−", CHANGED: "~"}
LEGEND = "Marked: + added, − removed, ~ changed."

_MAX_LABEL = 80
_CHARACTER, _ROW, _GAP, _PADDING = 7.2, 34, 70, 10

SVG_STYLE = (
    ".node rect{fill:none;stroke:#57606a}.node text{fill:currentColor}"
    ".edge{fill:none;stroke:#8c959f}"
)
"""For a picture of one lock, which has no marks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A plugin, a distribution, or the host.

    Attributes:
        label: the text in it.
        is_plugin: whether it is a plugin.
        mark: `added`, `removed` or `changed` where two locks are compared, else empty.
    """

    label: str
    is_plugin: bool = False
    mark: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """What requires what.

    Attributes:
        nodes: the host, the plugins by their ids, and the distributions by their normalized
            names, each sorted.
        edges: from what requires to what it requires, sorted, each with its mark.
    """

    nodes: Mapping[str, Node]
    edges: Mapping[tuple[str, str], str]


def graph_of(lock: Lock | None) -> Graph:
    """Return what a lock holds as a graph; an empty one where there is no lock."""
    if lock is None:
        return Graph(nodes={}, edges={})
    nodes = {each.id: Node(label=each.id, is_plugin=True) for each in lock.plugins}
    edges = {(each.id, each.distribution) for each in lock.plugins}
    edges |= {(_HOST, each.distribution) for each in lock.host.packages()}
    for each in lock.distributions:
        nodes[each.name] = Node(label=f"{each.name} {each.version}")
        for required in (each.requires, *each.target_requires.values()):
            edges |= {(each.name, name) for name in required}
    if any(end in nodes for start, end in edges if start == _HOST):
        nodes = {_HOST: Node(label="host"), **nodes}
    kept = sorted(edge for edge in edges if nodes.keys() >= {*edge})
    return Graph(nodes=nodes, edges=dict.fromkeys(kept, ""))


def compared(outcome: Outcome, limit: int) -> tuple[Graph, Graph, int]:
    """Return the changed part of an outcome's locks: the graph before, the one after, and how many
    changed nodes neither has.

    Both have every changed node, the shortest way to it from a plugin or the host, the
    distribution of a changed plugin, and what is required by another one than before; as far as
    they have no more than `limit` nodes, and the first changes first.
    """
    old, new = (lock for lock, _ in outcome.locks) if outcome.locks else (None, None)
    changed = dict.fromkeys(
        change.place[1]
        for change in outcome.changes or ()
        if len(change.place) > 1 and change.place[0] in ("plugins", "distributions")
    )
    graphs = graph_of(old), graph_of(new)
    before = _marked(graphs[0], graphs[1], REMOVED, changed)
    after = _marked(graphs[1], graphs[0], ADDED, changed)
    # A plugin that is left out instead has its change there.
    marked = dict.fromkeys(
        name
        for name in (*changed, *before.nodes, *after.nodes)
        if any(name in graph.nodes and graph.nodes[name].mark for graph in (before, after))
    )
    kept: set[str] = set()
    ways = [(graph, _ways(graph), _required(graph)) for graph in (after, before)]
    for name in marked:
        for graph, way, required in ways:
            path = list(_path(way, name))
            if name in graph.nodes and graph.nodes[name].is_plugin:
                path += required[name]
            if len(kept.union(path)) <= limit:
                kept.update(path)
    for graph in (after, before):
        for (start, end), mark in graph.edges.items():
            if mark and start in kept and len(kept) < limit:
                kept.add(end)
    return part_with(before, kept), part_with(after, kept), len(marked.keys() - kept)


def _marked(graph: Graph, other: Graph, mark: str, changed: Container[str]) -> Graph:
    """Return a graph with the marks of what the other one lacks, and of what changed."""
    return Graph(
        nodes={
            name: replace(
                node,
                mark=mark if name not in other.nodes else CHANGED if name in changed else "",
            )
            for name, node in graph.nodes.items()
        },
        edges={edge: "" if edge in other.edges else mark for edge in graph.edges},
    )


def _ways(graph: Graph) -> dict[str, str | None]:
    """Return for each name the one before it on the shortest way to it; None for the first.

    Of ways of one length that from a changed plugin is taken.
    """
    required = _required(graph)
    ends = {end for _, end in graph.edges}
    waiting = [name for name in graph.nodes if name not in ends]
    waiting.sort(key=lambda name: not graph.nodes[name].mark)
    ways: dict[str, str | None] = dict.fromkeys(waiting)
    for name in waiting:
        for end in required[name]:
            if end not in ways:
                ways[end] = name
                waiting.append(end)
    # Distributions in a circle that nothing else requires.
    return dict.fromkeys(graph.nodes) | ways


def _path(ways: Mapping[str, str | None], name: str | None) -> Iterator[str]:
    while name is not None and name in ways:
        yield name
        name = ways[name]


def _required(graph: Graph) -> dict[str, list[str]]:
    """Return for each name what it requires."""
    required: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for start, end in graph.edges:
        required[start].append(end)
    return required


def part_with(graph: Graph, names: Iterable[str]) -> Graph:
    """Return the part of a graph that has these nodes and what is between them."""
    wanted = set(names)
    return Graph(
        nodes={name: node for name, node in graph.nodes.items() if name in wanted},
        edges={edge: mark for edge, mark in graph.edges.items() if wanted.issuperset(edge)},
    )


def joined(before: Graph, after: Graph) -> Graph:
    """Return one graph of two that `compared` gave: that after, and what it lacks of the other."""
    nodes = {**before.nodes, **after.nodes}
    order = sorted(nodes, key=lambda name: (name != _HOST, not nodes[name].is_plugin, name))
    edges = {**before.edges, **after.edges}
    return Graph(
        nodes={name: nodes[name] for name in order},
        edges={edge: edges[edge] for edge in sorted(edges)},
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
    lines += [
        f"  {numbers[start]} {_ARROWS.get(mark, '-->')} {numbers[end]}"
        for (start, end), mark in graph.edges.items()
    ]
    marks = {node.mark for node in graph.nodes.values()}
    lines += [f"  classDef {mark} {style}" for mark, style in _STYLES.items() if mark in marks]
    return "".join(f"{line}\n" for line in lines)


_STYLES = {
    ADDED: "stroke:#1a7f37,stroke-width:3px",
    REMOVED: "stroke:#cf222e,stroke-width:3px,stroke-dasharray:4",
    CHANGED: "stroke:#9a6700,stroke-width:3px",
}
_ARROWS = {ADDED: "==>", REMOVED: "-.->"}


def _mermaid_text(text: str) -> str:
    return "".join(each if each.isalnum() or each in " .:-_" else f"#{ord(each)};" for each in text)


def listed(graph: Graph) -> str:
    """Return the graph as a list: what requires something or is required by nothing."""
    lines = []
    ends = {end for _, end in graph.edges}
    for name, required in _required(graph).items():
        node = graph.nodes[name]
        if required:
            labels = ", ".join(_label(graph.nodes[end]) for end in required)
            lines.append(f"{_label(node)} → {labels}\n")
        elif name not in ends:
            lines.append(f"{_label(node)}\n")
    return "".join(lines)


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


def svg(graph: Graph, style: str = SVG_STYLE) -> str:
    """Return the graph as SVG: what requires is left of what it requires.

    https://www.w3.org/TR/SVG11/

    Args:
        graph: the graph.
        style: the style sheet in it; none where a page has its own.
    """
    columns = _columns(graph)
    boxes: dict[str, tuple[float, float, float]] = {}
    left = float(_PADDING)
    for column in columns:
        labels = (_label(graph.nodes[name]) for name in column)
        width = _CHARACTER * max(map(_width, labels)) + 2 * _PADDING
        for row, name in enumerate(column):
            boxes[name] = (left, _PADDING + row * _ROW, width)
        left += width + _GAP
    right = left - _GAP + _PADDING if columns else left
    height = _PADDING + _ROW * max(map(len, columns), default=0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:g} {height:g}" '
        f'width="{right:g}" height="{height:g}" role="img" aria-label="What requires what" '
        'font-family="monospace" font-size="12">'
    ]
    if style:
        lines.append(f"<style>{style}</style>")
    for (start, end), mark in graph.edges.items():
        kind = f"edge {mark}".rstrip()
        lines.append(f'<path class="{kind}" d="{_curve(boxes[start], boxes[end])}"/>')
    for name, node in graph.nodes.items():
        x, y, width = boxes[name]
        kind = "plugin" if node.is_plugin else "distribution"
        label = html.escape(_label(node), quote=False)
        title = f"{label}: {node.mark}" if node.mark else label
        kinds = f"node {kind} {node.mark}".rstrip()
        lines.append(
            f'<g class="{kinds}"><title>{title}</title>'
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{_ROW - 10}" '
            f'rx="{12 if node.is_plugin else 2}"/>'
            f'<text x="{x + _PADDING:g}" y="{y + 16:g}">{label}</text></g>'
        )
    return "".join(f"{line}\n" for line in [*lines, "</svg>"])


def _columns(graph: Graph) -> list[list[str]]:
    """Return the names of the nodes, column by column: none before what requires it, but where
    distributions require each other in a circle."""
    required = _required(graph)
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
    """Return the text of a node, after the sign of its mark: colours aren't seen by everybody."""
    text = shortened(printable(node.label), _MAX_LABEL)
    return f"{_SIGNS[node.mark]} {text}" if node.mark else text


def _width(text: str) -> int:
    """Return how many columns a text takes: wide characters take two."""
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in text)


GRAPHS: Mapping[str, Callable[[Graph], str]] = {"mermaid": mermaid, "dot": dot, "svg": svg}
"""The formats of a graph."""
