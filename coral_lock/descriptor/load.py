"""Loading a descriptor: its file, the environment, `--set`, versions of hosts; a later one wins.

Each variable that is set, each `--set` and each version is a document that holds nothing else.
"""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.descriptor.model import (
    DEFAULT_ORIGIN,
    FIELDS,
    OWN_SWITCHES,
    Descriptor,
    PluginRequest,
    to_mapping,
)
from coral_lock.document.node import (
    FLAG_WORDS,
    INVALID,
    MAX_DEPTH,
    Mistakes,
    Node,
    Place,
    dotted,
    nearest,
    plain_node,
    put,
)
from coral_lock.document.schema import check
from coral_lock.errors import InputError, ProblemsError, shortened
from coral_lock.names import GROUPS, normalized_name
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import leaves
from coral_lock.safe_files import read_named_file
from coral_lock.targets.model import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    Path: TypeAlias = tuple[str, ...]

MAX_DESCRIPTOR_BYTES = 1024 * 1024
MAX_MISTAKES = 50
"""How many mistakes are reported at most."""
_NOTHING = Node(value={}, place=Place(source=DEFAULT_ORIGIN))

BACKEND_MODULES = ("backends", "modules")

FLAT_KEYS: dict[str, Path] = {
    "auto_discover_backends": ("backends", "auto_discover"),
    "auto_patch_rknn": ("backends", "auto_patch_rknn"),
    "backend_entry_modules": BACKEND_MODULES,
    **{attribute: ("patches", name) for name, attribute in sorted(BUILT_IN_PATCHES.items())},
}
"""The flat keys of the runtime's own configuration, and the paths of our keys."""

VARIABLES: dict[str, Path] = {
    "CORAL_AUTO_DISCOVER_BACKENDS": ("backends", "auto_discover"),
    "CORAL_AUTO_PATCH_RKNN": ("backends", "auto_patch_rknn"),
    "CORAL_BACKEND_MODULES": BACKEND_MODULES,
    "CORAL_EXTRA_PATCHES": ("extra_patches",),
    "CORAL_RUNTIME_PLATFORM": ("platform",),
    **{f"CORAL_ENABLE_{name.upper()}": ("patches", name) for name in sorted(BUILT_IN_PATCHES)},
}
"""The environment variables, and the paths of the keys that they set: lists, a text, switches."""

_FAMILIES = ("CORAL_ENABLE_", "CORAL_AUTO_")
"""Prefixes under which a variable that isn't known must be a misspelling."""

_MAY_BE_SHOWN = frozenset(
    ("platform", "targets", "host", *GROUPS, "plugins", "distributions", "extra_patches", "program")
)
"""Values of other keys, `services` first of all, may be secrets: messages leave them out."""

_LONGEST_PLACE = 200
_OPENS_YAML = ("{", "[", '"', "'")
_LISTS = frozenset({BACKEND_MODULES, ("extra_patches",), ("program", "requires")})


def load_descriptor(
    path: str | None,
    *,
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    core_version: str | None = None,
    inference_version: str | None = None,
) -> Descriptor:
    """Return the descriptor that the sources give, a later one winning.

    Args:
        path: the file, YAML or (with the suffix `.json`) JSON; None for no file.
        settings: the `--set` arguments, `KEY=VALUE` each, which win over all else.
        environment: the variables, which win over the file; None for no environment.
        core_version: the version of `coral-inference`, which wins over `host.core`.
        inference_version: the version of `inference`, likewise.

    Raises:
        InputError: there is one mistake, or the file can't be read.
        ProblemsError: there are several mistakes: those of the file by position, then the
            environment's by name, then those of `settings` in their order, then the versions'.
    """
    sources: list[tuple[Callable[[Any, Mistakes], Iterator[Node]], object]] = []
    if path is not None:
        sources.append((_read_file, path))
    if environment is not None:
        sources.append((_read_environment, environment))
    sources += [(_read_setting, setting) for setting in settings]
    for role, version in (("core", core_version), ("inference", inference_version)):
        if version is not None:
            sources.append((_read_host_version, (role, version)))
    root = _NOTHING
    problems: list[InputError] = []
    warnings: list[str] = []
    for read, given in sources:
        mistakes = Mistakes()
        unreadable: tuple[InputError, ...] = ()
        try:
            for source in read(given, mistakes):
                root = _merged(root, _checked(source, mistakes))
        except InputError as error:
            unreadable = (error,)
        problems += (*mistakes.in_order(), *unreadable)
        warnings += mistakes.warnings
    if len(problems) == 1:
        raise problems[0]
    if problems:
        message = f"the descriptor has {len(problems)} mistakes"
        if len(problems) > MAX_MISTAKES:
            message += f", the first {MAX_MISTAKES} of which are these"
        raise ProblemsError(message, tuple(problems[:MAX_MISTAKES]))
    return _descriptor(root, tuple(warnings))


def _read_file(path: str, mistakes: Mistakes) -> Iterator[Node]:
    content = read_named_file(
        path,
        MAX_DESCRIPTOR_BYTES,
        what="descriptor",
        hint="name an existing file with `-c FILE`",
    )
    # A start with neither file nor collections pays for no parser.
    from coral_lock.document.reader import decode, read_json, read_yaml

    read = read_json if path.lower().endswith(".json") else read_yaml
    yield read(decode(content, path), path, mistakes)


def _read_environment(environment: Mapping[str, str], mistakes: Mistakes) -> Iterator[Node]:
    """Yield for each variable that is set a document with its value alone.

    Variables come sorted by name; an empty one counts as not set. A value that can't be
    understood goes to `mistakes`, and a misspelt name is a warning.
    """
    for name in sorted(environment):
        value = environment[name].strip()
        place = Place(source=name)
        if not name.startswith("CORAL_") or not value:
            continue
        path, flag = VARIABLES.get(name), FLAG_WORDS.get(value.lower())
        if path is None:
            if name.startswith(_FAMILIES):
                known = [each for each in VARIABLES if each.startswith(_FAMILIES)]
                similar = nearest(name[:60], known, likeness=0)
                shown = quote(name[:60])[1:-1]
                mistakes.warn(f"unknown variable `{shown}`; did you mean `{similar}`?")
        elif path in _LISTS:
            yield _document(path, _names(value, place))
        elif path == ("platform",):
            yield _document(path, Node(value=value, place=place))
        elif flag is not None:
            yield _document(path, Node(value=flag, place=place))
        else:
            mistakes.add(
                place,
                f"`{name}` is neither true nor false",
                expected="1, 0, true, false, yes, no, on or off",
                found=quote(shortened(value, 60)),
            )


def _read_host_version(given: tuple[str, str], mistakes: Mistakes) -> Iterator[Node]:
    """Yield the document that `--core-version` or `--inference-version` is."""
    role, version = given
    place = Place(source=f"--{role}-version {shortened(version, _LONGEST_PLACE)}")
    yield _document(("host", role), Node(value=version, place=place))


def _document(path: Path, node: Node) -> Node:
    """Return a document with one value."""
    for part in reversed(path):
        node = Node(value={part: node}, place=node.place, key_place=node.place)
    return node


def _names(text: str, place: Place) -> Node:
    """Return the list of names that are separated by commas."""
    names = (name.strip() for name in text.split(","))
    nodes = tuple(Node(value=name, place=place) for name in names if name)
    return Node(value=nodes, place=place, key_place=place)


def _read_setting(setting: str, mistakes: Mistakes) -> Iterator[Node]:
    """Yield the document that a `--set` is, none where its key is a mistake.

    A value that starts with a quote or a bracket is a YAML flow value. Any other is one
    scalar of YAML's core schema as it is, so nothing in it has to be escaped; where a
    list of names is expected, it is several that are separated by commas.
    """
    key, separator, value = setting.partition("=")
    path = FLAT_KEYS.get(key, tuple(key.split(".")))
    shown = setting if path[0] in _MAY_BE_SHOWN else key
    place = Place(source=f"--set {shortened(shown, _LONGEST_PLACE)}")
    if not (separator and all(path)):
        message = "not a setting: a key is names joined by dots, with `=` after it"
        mistakes.add(
            place.replace(source=f"--set {shortened(key, _LONGEST_PLACE)}"),
            message,
            expected="KEY=VALUE",
        )
    elif len(path) > MAX_DEPTH:
        mistakes.add(place, "the key is nested too deep", expected=f"at most {MAX_DEPTH} levels")
    else:
        yield _document(path, _read_value(value.strip(), path, place, mistakes))


def _read_value(value: str, path: Path, place: Place, mistakes: Mistakes) -> Node:
    if value.startswith(_OPENS_YAML):
        return _read_flow_value(value, path, place, mistakes)
    if path in _LISTS:
        return _names(value, place)
    return plain_node(value, path, place, mistakes, place)


def _read_flow_value(value: str, path: Path, place: Place, mistakes: Mistakes) -> Node:
    from coral_lock.document.reader import read_yaml

    try:
        node = read_yaml(value, place.source, mistakes, path=path, is_file=False)
    except InputError as error:
        message = f"`{dotted(path)}` can't be read: {error.message}"
        mistakes.add(place, message, expected=error.expected)
        node = Node(value=INVALID, place=place)
    return node.replace(key_place=place)


def _checked(root: Node, mistakes: Mistakes) -> Node:
    """Return a source's document with each value at its own key and each switch in its long form.

    What the schema refuses goes to `mistakes`, and what it can't express: that two keys mean the
    same, and that two targets have one name. A document that has mistakes isn't used, but is
    searched for all of them.
    """
    check(root, "descriptor", mistakes, synonyms=FLAT_KEYS)
    sections = {key: node for key, node in root.members.items() if key not in FLAT_KEYS}
    for group in GROUPS:
        if group in sections:
            sections[group] = _with_long_switches(sections[group], group, mistakes)
    if "distributions" in sections:
        distributions: dict[str, Node] = {}
        for key, node in sections["distributions"].members.items():
            name = normalized_name(key)
            put(distributions, ("distributions",), name, node, mistakes)
        sections["distributions"] = sections["distributions"].replace(value=distributions)
    targets: dict[str, Node] = {}
    for target in sections.get("targets", _NOTHING).items:
        named = target.members.get("name")
        if named is not None and isinstance(named.value, str):
            put(targets, ("targets",), named.value, named, mistakes)
    for key, (section, name) in FLAT_KEYS.items():
        if key in root.members:
            flat, base = root.members[key], sections.get(section, _NOTHING)
            if name in base.members:
                message = f"`{key}` means the same as `{section}.{name}`, which is there too"
                found = f"`{section}.{name}` at {base.members[name].origin}"
                mistakes.add(flat.origin, message, found=found, hint="remove one of them")
            sections[section] = _merged(base, flat.replace(value={name: flat}))
    return root.replace(value=sections)


def _with_long_switches(section: Node, group: str, mistakes: Mistakes) -> Node:
    members = dict(section.members)
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


def _merged(base: Node, over: Node) -> Node:
    """Return `base` overlaid by `over`: mappings key by key, anything else as a whole."""
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
            name: tuple(sorted(entry["accept"]))
            for name, entry in sorted(document.get("distributions", {}).items())
            if entry.get("accept")
        },
        built_in_patches={name: patches.get(name, True) for name in BUILT_IN_PATCHES},
        requests=tuple(
            _request(group, name, switch)
            for group in GROUPS
            for name, switch in root.value.get(group, _NOTHING).members.items()
            if name not in OWN_SWITCHES.get(group, ())
        ),
        warnings=warnings,
    )
    origins = {dotted(path): _origin(root, path) for path, _ in leaves(to_mapping(descriptor))}
    return descriptor.replace(origins=origins)


def _find(root: Node, path: Path) -> Node | None:
    node: Node | None = root
    for part in path:
        node = None if node is None else node.members.get(part)
    return node


def _request(group: str, name: str, switch: Node) -> PluginRequest:
    fields = switch.plain()
    distribution = fields.get("distribution")
    return PluginRequest(
        group=group,
        name=name,
        enabled=fields.get("enabled", True),
        optional=fields.get("optional", False),
        after=tuple(sorted(fields.get("after", ()))),
        distribution=distribution and normalized_name(distribution),
        explicit_defaults=tuple(
            field for field in ("optional", "after") if field in fields and not fields[field]
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
