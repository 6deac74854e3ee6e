"""Loading a descriptor: its file, then the environment, then `--set`, the later source winning."""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.descriptor.model import DEFAULT_ORIGIN, DISCOVER_ALL, Descriptor, PluginRequest
from coral_lock.descriptor.sections import (
    BACKEND_MODULES,
    add_contradiction,
    own_path,
    read_sections,
)
from coral_lock.document.node import (
    INVALID,
    MAX_DEPTH,
    Mistakes,
    Node,
    Place,
    dotted,
    nearest,
    split_setting,
)
from coral_lock.document.node_builder import NodeBuilder
from coral_lock.errors import InputError, ProblemsError
from coral_lock.plugin.config import BUILT_IN_PATCHES, DEFAULT_PLATFORM
from coral_lock.printable import shortened
from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from coral_lock.descriptor.sections import Mention, Path, Setting, Settings


def to_mapping(descriptor: Descriptor) -> dict[str, Any]:
    """Return the document of `descriptor`, its defaults written out.

    A plugin about which there is no more to say than on or off has the short form. The
    values of `services` are the ones that plugins get: mask them before printing.
    """
    switches: dict[str, dict[str, Any]] = {"backends": {}, "patches": {}, "workflows": {}}
    for request in descriptor.requests:
        switches[request.group][request.name] = _switch(request)
    host = {"core": descriptor.host_core, "inference": descriptor.host_inference}
    return {
        "platform": descriptor.platform,
        "targets": [
            {"name": target.name, "python": target.python, "platform": target.platform}
            for target in descriptor.targets
        ],
        "host": {role: version for role, version in host.items() if version is not None},
        "patches": {**descriptor.built_in_patches, **switches["patches"]},
        "workflows": switches["workflows"],
        "backends": {
            "auto_discover": descriptor.auto_discover_backends,
            "auto_patch_rknn": descriptor.auto_patch_rknn,
            "modules": list(descriptor.backend_modules),
            **switches["backends"],
        },
        "plugins": {"discover": descriptor.discover},
        "distributions": {
            name: {"accept": list(codes)} for name, codes in descriptor.accepted.items()
        },
        "extra_patches": list(descriptor.extra_patches),
        "program": {"requires": list(descriptor.program_requires)},
        "services": dict(descriptor.services),
    }


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


TEXT_VARIABLES = {"CORAL_RUNTIME_PLATFORM": ("platform",)}

FLAG_VARIABLES = {
    "CORAL_AUTO_DISCOVER_BACKENDS": ("backends", "auto_discover"),
    "CORAL_AUTO_PATCH_RKNN": ("backends", "auto_patch_rknn"),
    "CORAL_ENABLE_BUFFER_SINK": ("patches", "buffer_sink"),
    "CORAL_ENABLE_CAMERA": ("patches", "camera"),
    "CORAL_ENABLE_METRIC_SINK": ("patches", "metric_sink"),
    "CORAL_ENABLE_PLUGINS": ("patches", "plugins"),
    "CORAL_ENABLE_SINK": ("patches", "sink"),
    "CORAL_ENABLE_STREAM_MANAGER": ("patches", "stream_manager"),
    "CORAL_ENABLE_VIDEO_SINK": ("patches", "video_sink"),
    "CORAL_ENABLE_WEBRTC": ("patches", "webrtc"),
}

LIST_VARIABLES = {
    "CORAL_BACKEND_MODULES": ("backends", "modules"),
    "CORAL_EXTRA_PATCHES": ("extra_patches",),
}

_FAMILIES = ("CORAL_ENABLE_", "CORAL_AUTO_")
"""Prefixes under which a variable that isn't known must be a misspelling."""

_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "y": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "n": False,
    "off": False,
}


def read_environment(environment: Mapping[str, str], mistakes: Mistakes) -> Iterator[Node]:
    """Yield for each variable that is set a descriptor that holds only what it says.

    Variables come sorted by name; an empty one counts as not set. A value that can't be
    understood goes to `mistakes`, and a misspelt name is warned of.
    """
    for name in sorted(environment):
        value = environment[name].strip()
        place = Place(source=name)
        if not name.startswith("CORAL_") or not value:
            continue
        if name in TEXT_VARIABLES:
            yield _descriptor_name(TEXT_VARIABLES[name], Node(value=value, place=place))
        elif name in LIST_VARIABLES:
            items = [item.strip() for item in value.split(",")]
            nodes = tuple(Node(value=item, place=place) for item in items if item)
            yield _descriptor_name(LIST_VARIABLES[name], Node(value=nodes, place=place))
        elif name in FLAG_VARIABLES:
            flag = _FLAGS.get(value.lower())
            if flag is None:
                mistakes.add(
                    place,
                    f"`{name}` is neither true nor false",
                    expected="1, 0, true, false, yes, no, on or off",
                    found=quote(value[:60]),
                )
                continue
            yield _descriptor_name(FLAG_VARIABLES[name], Node(value=flag, place=place))
        elif name.startswith(_FAMILIES):
            shown = quote(name[:60])[1:-1]
            similar = nearest(name[:60], FLAG_VARIABLES, likeness=0)
            mistakes.warn(f"unknown variable `{shown}`; did you mean `{similar}`?")


def _descriptor_name(path: tuple[str, ...], node: Node) -> Node:
    for part in reversed(path):
        node = Node(value={part: node}, place=node.place, key_place=node.place)
    return node


_MAY_BE_SHOWN = frozenset(
    {
        "platform",
        "targets",
        "host",
        "patches",
        "workflows",
        "backends",
        "plugins",
        "distributions",
        "extra_patches",
        "program",
    }
)
"""Values of other keys, `services` first of all, may be secrets: messages leave them out."""

_LONGEST_PLACE = 200
_OPENS_YAML = ("{", "[", '"', "'")


_LISTS = frozenset({BACKEND_MODULES, ("extra_patches",), ("program", "requires")})


class SettingNode(Record):
    """What a `--set` says: a descriptor that holds nothing else.

    `synonym` is the key as it was written where that is one of the runtime's own, else empty.
    """

    root: Node
    synonym: str


def read_setting(setting: str, mistakes: Mistakes) -> SettingNode | None:
    """Return what `setting` says, None if it says nothing.

    A value that starts with a quote or a bracket is a YAML flow value. Any other is one
    scalar of YAML's core schema as it stands, so nothing in it has to be escaped; where a
    list of names is wanted, it is several that are separated by commas.

    Args:
        setting: `KEY=VALUE` with a dotted key, e.g. `patches.camera_stabilizer=true`.
        mistakes: where mistakes go.
    """
    try:
        written, key, value = split_setting(setting)
    except ValueError as error:
        place = Place(source=f"--set {shortened(setting.partition('=')[0], _LONGEST_PLACE)}")
        mistakes.add(place, f"not a setting: {error}", expected="KEY=VALUE")
        return None
    parts = own_path(written)
    shown = f"{key}={value}" if parts[0] in _MAY_BE_SHOWN else key
    place = Place(source=f"--set {shortened(shown, _LONGEST_PLACE)}")
    if len(parts) > MAX_DEPTH:
        mistakes.add(place, "the key is nested too deep", expected=f"at most {MAX_DEPTH} levels")
        return None
    node = _read_value(value.strip(), parts, place, mistakes)
    for part in reversed(parts):
        node = Node(value={part: node}, place=place, key_place=place)
    return SettingNode(root=node, synonym="" if parts == written else key)


def _read_value(value: str, parts: tuple[str, ...], place: Place, mistakes: Mistakes) -> Node:
    if parts in _LISTS and not value.startswith(_OPENS_YAML):
        names = (name.strip() for name in value.split(","))
        return Node(
            value=tuple(Node(value=name, place=place) for name in names if name),
            place=place,
            key_place=place,
        )
    if not value.startswith(_OPENS_YAML):
        builder = NodeBuilder(mistakes)
        return builder.plain(value, parts, place, place)
    from coral_lock.document.yaml_reader import read_yaml

    inner = Mistakes()
    try:
        node = read_yaml(value, place.source, inner, path=parts)
    except InputError as error:
        message = f"`{dotted(parts)}` can't be read: {error.message}"
        mistakes.add(place, message, expected=error.expected)
        return Node(value=INVALID, place=place, key_place=place)
    for mistake in inner.in_order():
        mistakes.add(
            place,
            mistake.message,
            expected=mistake.expected,
            found=mistake.found,
            hint=mistake.hint,
        )
    return _placed(node, place)


def _placed(node: Node, place: Place) -> Node:
    """Return `node` with `place` everywhere: positions in an argument help nobody."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _placed(member, place) for key, member in value.items()}
    elif isinstance(value, tuple):
        value = tuple(_placed(item, place) for item in value)
    return Node(value=value, place=place, key_place=place, text=node.text)


def merged_descriptor(sources: Iterable[Settings], warnings: tuple[str, ...]) -> Descriptor:
    """Return the descriptor of several sources.

    A plugin's switch is merged field by field, so that a later `true` or `false` changes
    `enabled` alone; `services` are merged key by key, lists as a whole.

    Args:
        sources: what each source says, the one that wins last.
        warnings: the warnings of all sources.
    """
    values: dict[Path, Setting] = {}
    mentions: dict[Path, Mention] = {}
    services: Node | None = None
    for source in sources:
        values.update(source.values)
        for path, mention in source.mentions.items():
            if mention.decides or path not in mentions:
                mentions[path] = mention
        if source.services is not None:
            services = source.services if services is None else _merged(services, source.services)
    descriptor = _descriptor(values, mentions, services, warnings)
    return descriptor.replace(origins=_origins(descriptor, values, services))


def _merged(base: Node, over: Node) -> Node:
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    members = dict(base.value)
    for key, node in over.value.items():
        members[key] = _merged(members[key], node) if key in members else node
    return Node(value=members, place=base.place, key_place=base.key_place)


def _descriptor(
    values: dict[Path, Setting],
    mentions: dict[Path, Mention],
    services: Node | None,
    warnings: tuple[str, ...],
) -> Descriptor:
    def value(default: Any, *path: str) -> Any:
        return values[path].value if path in values else default

    return Descriptor(
        platform=value(DEFAULT_PLATFORM, "platform"),
        targets=value((), "targets"),
        host_core=value(None, "host", "core"),
        host_inference=value(None, "host", "inference"),
        discover=value(DISCOVER_ALL, "plugins", "discover"),
        auto_discover_backends=value(True, "backends", "auto_discover"),
        auto_patch_rknn=value(True, "backends", "auto_patch_rknn"),
        backend_modules=value((), "backends", "modules"),
        extra_patches=value((), "extra_patches"),
        program_requires=value((), "program", "requires"),
        accepted={
            path[1]: setting.value
            for path, setting in sorted(values.items())
            if path[0] == "distributions" and setting.value
        },
        built_in_patches={name: value(True, "patches", name) for name in BUILT_IN_PATCHES},
        requests=tuple(
            PluginRequest(
                group=group,
                name=name,
                enabled=value(True, group, name, "enabled"),
                optional=value(False, group, name, "optional"),
                after=value((), group, name, "after"),
                distribution=value(None, group, name, "distribution"),
                explicit_defaults=tuple(
                    field
                    for field in ("optional", "after")
                    if (group, name, field) in values and not values[group, name, field].value
                ),
                where=mention.where,
            )
            for (group, name), mention in mentions.items()
        ),
        services={} if services is None else services.plain(),
        origins={},
        warnings=warnings,
    )


def _origins(
    descriptor: Descriptor, values: dict[Path, Setting], services: Node | None
) -> dict[str, str]:
    origins: dict[str, str] = {}
    for path in leaves(to_mapping(descriptor)):
        if path[0] == "services":
            origin = _services_origin(services, path[1:])
        elif path in values:
            origin = values[path].where
        else:
            # The short form of a plugin's switch stands for its `enabled`.
            enabled = values.get((*path, "enabled"))
            origin = enabled.where if enabled else DEFAULT_ORIGIN
        origins[dotted(path)] = origin
    return origins


def _services_origin(services: Node | None, path: Path) -> str:
    if services is None:
        return DEFAULT_ORIGIN
    node = services
    for part in path:
        node = node.value[part]
    return str(node.origin)


MAX_DESCRIPTOR_BYTES = 1024 * 1024
MAX_MISTAKES = 50
"""How many mistakes are told; a file with more is no descriptor at all."""


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
    sources: list[Settings] = []
    problems: list[InputError] = []
    warnings: list[str] = []
    if path is not None:
        try:
            mistakes = Mistakes()
            root = _read_file(path, mistakes)
            sources.append(read_sections(root, mistakes))
            _gather(mistakes, problems, warnings)
        except InputError as error:
            _gather(mistakes, problems, warnings)
            problems.append(error)
    if environment is not None:
        mistakes = Mistakes()
        sources += [
            read_sections(root, mistakes) for root in read_environment(environment, mistakes)
        ]
        _gather(mistakes, problems, warnings)
    said: dict[tuple[str, ...], Setting] = {}
    for setting in settings:
        mistakes = Mistakes()
        read = read_setting(setting, mistakes)
        if read is not None:
            sources.append(read_sections(read.root, mistakes, read.synonym))
            for keys, value in sources[-1].values.items():
                add_contradiction(said.get(keys, value), value, read.root.place, mistakes)
                said[keys] = value
        _gather(mistakes, problems, warnings)
    _raise_for(problems)
    return merged_descriptor(sources, tuple(warnings))


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
    from coral_lock.document.characters import decode

    text = decode(content, path)
    if path.lower().endswith(".json"):
        from coral_lock.document.json_reader import read_json

        return read_json(text, path, mistakes)
    from coral_lock.document.yaml_reader import read_yaml

    return read_yaml(text, path, mistakes)


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
