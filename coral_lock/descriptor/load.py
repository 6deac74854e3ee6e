"""Loading a descriptor: its file, then the environment, then `--set`, the later source winning."""

from __future__ import annotations

from coral_lock.descriptor.model import (
    DEFAULT_ORIGIN,
    FIELDS,
    OWN_SWITCHES,
    Descriptor,
    PluginRequest,
)
from coral_lock.descriptor.sources import FLAT_KEYS, read_environment, read_setting
from coral_lock.document.node import Mistakes, Node, NodeBuilder, Place, dotted, nearest, shown
from coral_lock.document.schema import check
from coral_lock.errors import InputError, ProblemsError
from coral_lock.names import GROUPS, normalized_name
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.safe_files import read_regular_file
from coral_lock.targets.model import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    Path: TypeAlias = tuple[str, ...]

MAX_DESCRIPTOR_BYTES = 1024 * 1024
MAX_MISTAKES = 50
"""How many mistakes are told; a file with more is no descriptor at all."""
_NOTHING = Node(value={}, place=Place(source=DEFAULT_ORIGIN))


def load_descriptor(
    path: str | None,
    *,
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Descriptor:
    """Return the descriptor that the sources give, a later one winning.

    Args:
        path: the file, YAML or (with the suffix `.json`) JSON; None for no file.
        settings: the `--set` arguments, `KEY=VALUE` each, which win over all else.
        environment: the variables, which win over the file; None for no environment.

    Raises:
        InputError: there is one mistake, or the file can't be read.
        ProblemsError: there are several mistakes: those of the file by position, then the
            environment's by name, then those of `settings` in their order.
    """
    root = _NOTHING
    problems: list[InputError] = []
    warnings: list[str] = []
    if path is not None:
        mistakes = Mistakes()
        try:
            root = _merged(root, _checked(_read_file(path, mistakes), mistakes))
            _gather(mistakes, problems, warnings)
        except InputError as error:
            _gather(mistakes, problems, warnings)
            problems.append(error)
    if environment is not None:
        mistakes = Mistakes()
        for source in read_environment(environment, mistakes):
            root = _merged(root, _checked(source, mistakes))
        _gather(mistakes, problems, warnings)
    said: dict[Path, tuple[str, Node]] = {}
    for setting in settings:
        mistakes = Mistakes()
        read = read_setting(setting, mistakes)
        if read is not None:
            source = _checked(read[0], mistakes)
            _refuse_contradictions(source, read[1], said, mistakes)
            root = _merged(root, source)
        _gather(mistakes, problems, warnings)
    _raise_for(problems)
    return _descriptor(root, tuple(warnings))


def _gather(mistakes: Mistakes, problems: list[InputError], warnings: list[str]) -> None:
    problems += mistakes.in_order()
    warnings += mistakes.warnings


def _raise_for(problems: list[InputError]) -> None:
    if len(problems) == 1:
        raise problems[0]
    if problems:
        message = f"the descriptor has {len(problems)} mistakes"
        if len(problems) > MAX_MISTAKES:
            message += f", the first {MAX_MISTAKES} of which are these"
        raise ProblemsError(message, tuple(problems[:MAX_MISTAKES]))


def _read_file(path: str, mistakes: Mistakes) -> Node:
    content = _read_bytes(path)
    # A start with neither file nor collections pays for no parser.
    from coral_lock.document.reader import decode, read_json, read_yaml

    read = read_json if path.lower().endswith(".json") else read_yaml
    return read(decode(content, path), path, mistakes)


def _read_bytes(path: str) -> bytes:
    try:
        return read_regular_file(path, MAX_DESCRIPTOR_BYTES)
    except FileNotFoundError:
        raise InputError(
            "there is no descriptor",
            where=path,
            hint="name an existing file with `-c FILE`",
        ) from None
    except OSError as error:
        raise InputError(f"the descriptor can't be read: {error.strerror}", where=path) from None
    except ValueError:
        raise InputError("the descriptor's path can't be a path", where=repr(path)) from None


def _checked(root: Node, mistakes: Mistakes) -> Node:
    """Return a source's document with each value at its own key and each switch in its long form.

    What the schema refuses goes to `mistakes`, and what it can't say: that two keys mean the same
    and contradict each other, and that two targets have one name. A document that has mistakes
    isn't used, but is searched for all of them.
    """
    check(root, "descriptor", mistakes, synonyms=FLAT_KEYS)
    sections = {key: node for key, node in _members(root).items() if key not in FLAT_KEYS}
    for group in GROUPS:
        if group in sections:
            sections[group] = _with_long_switches(sections[group], group, mistakes)
    if "distributions" in sections:
        distributions: dict[str, Node] = {}
        for key, node in _members(sections["distributions"]).items():
            name = normalized_name(key)
            NodeBuilder(mistakes).put(distributions, ("distributions",), name, node)
        sections["distributions"] = sections["distributions"].replace(value=distributions)
    if "targets" in sections:
        _check_targets(sections["targets"], mistakes)
    for key, (section, name) in FLAT_KEYS.items():
        if key in _members(root):
            flat = root.value[key]
            base = sections.get(section, _NOTHING)
            if name in _members(base):
                pair = ((key, flat), (f"{section}.{name}", base.value[name]))
                first, second = sorted(pair, key=lambda said: _position(said[1]))
                _add_contradiction(first, second, mistakes)
            sections[section] = _merged(base, flat.replace(value={name: flat}))
    return root.replace(value=sections)


def _position(node: Node) -> tuple[int, int]:
    return node.origin.line, node.origin.column


def _members(node: Node) -> dict[str, Node]:
    """Return the members of what should be a mapping, none where it isn't."""
    return node.value if isinstance(node.value, dict) else {}


def _with_long_switches(section: Node, group: str, mistakes: Mistakes) -> Node:
    members = dict(_members(section))
    for name, node in members.items():
        if name in OWN_SWITCHES.get(group, ()):
            continue
        if isinstance(node.value, bool):
            members[name] = node.replace(value={"enabled": node})
        if group == "backends" and (near := nearest(name, OWN_SWITCHES[group], likeness=0.8)):
            mistakes.warn(
                f"{node.origin}: `{dotted((group, name))}` is read as the switch of a backend "
                f"plugin; did you mean `{group}.{near}`?"
            )
    return section.replace(value=members)


def _check_targets(targets: Node, mistakes: Mistakes) -> None:
    """Refuse targets of one name."""
    places: dict[object, Place] = {}
    for index, target in enumerate(targets.value if isinstance(targets.value, tuple) else ()):
        name = _members(target).get("name")
        if name is not None and isinstance(name.value, str):
            first = places.setdefault(name.value, name.place)
            if first is not name.place:
                mistakes.add(
                    name.place,
                    f"`{dotted(('targets', index, 'name'))}` is the name of another target too",
                    expected="each name once",
                    found=shown(name),
                    hint=f"the first one is on line {first.line}" if first.line else None,
                )


def _refuse_contradictions(
    source: Node, synonym: str, said: dict[Path, tuple[str, Node]], mistakes: Mistakes
) -> None:
    """Refuse a `--set` that contradicts an earlier one which uses another key for the same.

    Args:
        source: what the `--set` says.
        synonym: the key by which it says so, empty where that is its own.
        said: what the earlier ones say, by path; it is added to.
        mistakes: where mistakes go.
    """
    for path, node in _leaf_nodes(source, ()):
        now = (synonym or dotted(path), node)
        _add_contradiction(said.get(path, now), now, mistakes)
        said[path] = now


def _leaf_nodes(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    if not isinstance(node.value, dict):
        yield path, node
        return
    for key, member in node.value.items():
        yield from _leaf_nodes(member, (*path, key))


def _add_contradiction(
    first: tuple[str, Node], second: tuple[str, Node], mistakes: Mistakes
) -> None:
    """Add a mistake where two keys that mean the same have different values of one type."""
    (first_key, had), (second_key, has) = first, second
    before, now = had.plain(), has.plain()
    if first_key == second_key or type(before) is not type(now) or before == now:
        return
    mistakes.add(
        has.origin,
        f"`{second_key}` contradicts `{first_key}`, which means the same",
        expected=f"{_in_words(before)}, as at {had.origin}",
        found=_in_words(now),
        hint="remove one of them",
    )


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _merged(base: Node, over: Node) -> Node:
    """Return `base` with what `over` says on top: mappings key by key, anything else as a whole."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    members = dict(base.value)
    for key, node in over.value.items():
        members[key] = _merged(members[key], node) if key in members else node
    return base.replace(value=members)


def _descriptor(root: Node, warnings: tuple[str, ...]) -> Descriptor:
    fields: dict[str, Any] = {}
    for field, path in FIELDS.items():
        node = _find(root, path)
        if node is not None:
            value = node.plain()
            fields[field] = tuple(value) if isinstance(value, list) else value
    document = root.plain()
    patches = document.get("patches", {})
    descriptor = Descriptor(
        **fields,
        targets=tuple(Target(**target) for target in document.get("targets", ())),
        accepted={
            name: tuple(sorted(said["accept"]))
            for name, said in sorted(document.get("distributions", {}).items())
            if said.get("accept")
        },
        built_in_patches={name: patches.get(name, True) for name in BUILT_IN_PATCHES},
        requests=tuple(
            _request(group, name, switch)
            for group in GROUPS
            for name, switch in _members(root.value.get(group, _NOTHING)).items()
            if name not in OWN_SWITCHES.get(group, ())
        ),
        warnings=warnings,
    )
    origins = {dotted(path): _origin(root, path) for path in leaves(to_mapping(descriptor))}
    return descriptor.replace(origins=origins)


def _find(root: Node, path: Path) -> Node | None:
    node: Node | None = root
    for part in path:
        node = None if node is None else _members(node).get(part)
    return node


def _request(group: str, name: str, switch: Node) -> PluginRequest:
    said = switch.plain()
    distribution = said.get("distribution")
    return PluginRequest(
        group=group,
        name=name,
        enabled=said.get("enabled", True),
        optional=said.get("optional", False),
        after=tuple(sorted(said.get("after", ()))),
        distribution=distribution and normalized_name(distribution),
        explicit_defaults=tuple(
            field for field in ("optional", "after") if field in said and not said[field]
        ),
        where=str(switch.value.get("enabled", switch).origin),
    )


def _origin(root: Node, path: Path) -> str:
    """Return where the value at `path` of the printed document comes from."""
    node = _find(root, path)
    if node is not None and path[0] in GROUPS and len(path) == 2 and isinstance(node.value, dict):
        # The short form of a switch is printed for its `enabled`.
        node = node.value.get("enabled")
    return DEFAULT_ORIGIN if node is None else str(node.origin)


def to_mapping(descriptor: Descriptor) -> dict[str, Any]:
    """Return the document of `descriptor`, its defaults written out.

    A plugin about which there is no more to say than on or off has the short form. The
    values of `services` are the ones that plugins get: mask them before printing.
    """
    document: dict[str, Any] = {
        "platform": None,
        "targets": [
            {"name": target.name, "python": target.python, "platform": target.platform}
            for target in descriptor.targets
        ],
        "host": {},
        "patches": dict(descriptor.built_in_patches),
        "workflows": {},
        "backends": {},
        "plugins": {},
        "distributions": {
            name: {"accept": list(codes)} for name, codes in descriptor.accepted.items()
        },
        "extra_patches": None,
        "program": {},
        "services": None,
    }
    for field, (*sections, key) in FIELDS.items():
        value = getattr(descriptor, field)
        if value is not None:
            place = document[sections[0]] if sections else document
            place[key] = list(value) if isinstance(value, tuple) else value
    for request in descriptor.requests:
        document[request.group][request.name] = _switch(request)
    return document


def _switch(request: PluginRequest) -> Any:
    details = {
        "optional": request.optional,
        "after": list(request.after),
        "distribution": request.distribution,
    }
    given = {
        field: value
        for field, value in details.items()
        if value or field in request.explicit_defaults
    }
    return {"enabled": request.enabled, **given} if given else request.enabled


def leaves(mapping: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every value that isn't a mapping with members; a list is one value."""
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)
