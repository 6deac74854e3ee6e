"""Laws of reading: the schema and the reader agree, and nothing but our errors comes out."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.descriptor.load import BACKEND_MODULES, FLAT_KEYS, load_descriptor
from coral_lock.descriptor.model import Descriptor, to_mapping
from coral_lock.document.node import dotted
from coral_lock.document.schema import schema_text, validator_of
from coral_lock.errors import BAD_INPUT, CoralLockError, InputError, ProblemsError
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import leaves
from tests.support.refusals import is_answered

SCHEMA = json.loads(schema_text("descriptor"))
VALIDATOR = validator_of(SCHEMA)

in_one_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

_PLUGIN_NAMES = st.text("ab.:_- é", min_size=1, max_size=4).map(lambda text: f"p{text}q")
_PLUGIN_IDS = st.builds(
    "{}:{}".format, st.sampled_from(["backends", "patches", "workflows"]), _PLUGIN_NAMES
)
_MODULES = st.lists(st.sampled_from(["a", "b_1", "_c", "é"]), min_size=1, max_size=3).map(".".join)
_DISTRIBUTIONS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9._-]{0,5}[a-zA-Z0-9])?", fullmatch=True)
_SWITCHES = st.booleans() | st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "optional": st.booleans(),
        "after": st.lists(_PLUGIN_IDS, unique=True, max_size=3),
        "distribution": _DISTRIBUTIONS,
    },
)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_FREE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_BUILT_IN = st.dictionaries(st.sampled_from(sorted(BUILT_IN_PATCHES)), st.booleans())
_PLUGIN_SWITCHES = st.dictionaries(_PLUGIN_NAMES, _SWITCHES, max_size=3)


_TARGETS = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,5}[a-z0-9])?", fullmatch=True),
        "python": st.from_regex(r"3\.(0|[1-9][0-9]?)(\.(0|[1-9]))?", fullmatch=True),
        "platform": st.sampled_from(
            [
                "linux_aarch64", "linux_arm64", "manylinux2014_x86_64", "manylinux_2_31_aarch64",
                "musllinux_1_2_armv7l", "macosx_11_0_arm64", "win_amd64", "win32", "arm64", "x",
            ]
        ),
    }
)  # fmt: skip
_VERSIONS = st.sampled_from(
    ["0", "0.0.4", "v1", "1!2.3", "1.0a1", "1.0-RC.2", "1-3", "1.0.post", "1.DEV3", "1+Acme.7"]
)


def _name_of(target: Any) -> str:
    return str(target["name"])


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {**first, **second}


_REQUIREMENTS = st.sampled_from(["my-app", "uvicorn>=0.30", "a[b,c]==1.*", "Foo.Bar ~= 2.0"])
_OWN_KEYS = st.fixed_dictionaries(
    {},
    optional={
        "platform": _PLUGIN_NAMES,
        "targets": st.lists(_TARGETS, unique_by=_name_of, max_size=3),
        "host": st.fixed_dictionaries({}, optional={"core": _VERSIONS, "inference": _VERSIONS}),
        "patches": st.builds(_joined, _BUILT_IN, _PLUGIN_SWITCHES),
        "workflows": _PLUGIN_SWITCHES,
        "backends": st.builds(
            _joined,
            st.fixed_dictionaries(
                {},
                optional={
                    "auto_discover": st.booleans(),
                    "auto_patch_rknn": st.booleans(),
                    "modules": st.lists(_MODULES, unique=True, max_size=3),
                },
            ),
            _PLUGIN_SWITCHES,
        ),
        "plugins": st.just({}) | st.builds(dict, discover=st.sampled_from(["all", "listed"])),
        "extra_patches": st.lists(_PLUGIN_NAMES, unique=True, max_size=3),
        "program": st.just({})
        | st.builds(dict, requires=st.lists(_REQUIREMENTS, unique=True, max_size=3)),
        "services": st.dictionaries(_TEXT, _FREE, max_size=3),
    },
)
_FLAT_KEYS = st.fixed_dictionaries(
    {},
    optional={
        key: st.lists(_MODULES, unique=True, max_size=2)
        if path == BACKEND_MODULES
        else st.booleans()
        for key, path in FLAT_KEYS.items()
    },
)


def _flattened(own: dict[str, Any], flat: dict[str, Any]) -> dict[str, Any]:
    """Join a document with the runtime's own keys, where it doesn't have the key itself."""
    return {**own, **{key: value for key, value in flat.items() if not _is_said(own, key)}}


def _is_said(document: dict[str, Any], key: str) -> bool:
    """Whether a document has the key that a flat one stands for."""
    section, name = FLAT_KEYS[key]
    members = document.get(section)
    return isinstance(members, dict) and name in members


DOCUMENTS = st.builds(_flattened, _OWN_KEYS, st.just({}) | _FLAT_KEYS)

# Values that are right in one place and wrong in another, so that a changed document is
# sometimes still valid.
_OTHER_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, 1, 1.5, "", " ", "x", "x ", "a@b", "a.b", "a..b", ".a", "1a", "a-b",
        "a\n", "-a", "a_", "all", "listed", "true", "patches:x", "patches:", "patches:x ",
        "patches: x", "other:x", "patches:" + "x" * 200, "patches:" + "x" * 201, "x" * 200,
        "x" * 201, "\x7f", "a\u200bb", [], ["a", "a"], ["patches:x"], [1], [["a"]], {},
        {"enabled": True}, {"x": True}, {"camera": {}}, {"enabled": None}, {"optional": 1},
        {"after": "patches:x"}, {"distribution": "a b"}, {"distribution": ""}, {"discover": "all"},
        {"modules": ["a"]}, {"a@b": True}, {" a": True}, {"": True}, "3.10", "3.010", "3.10.1.2",
        "3.", "3.99999", "2.7", "3.10\n", "any", "linux-aarch64", "x_", "_x", "1.0\n", "1.0 ",
        "1..0", "1.0+", "1.0+a_", "1.0-", "1.0-a-b", "1" * 100, "1" * 101, "a" * 100, "a" * 101,
        {"core": "1"}, {"core": 1}, {"name": "a", "python": "3.10", "platform": "win32"},
        [{"name": "a", "python": "3.10", "platform": "any"}], ["a>=1"], ["a; b"], ["a @ b"],
        ["é"], {"requires": ["a[b]==1.*"]}, {"requires": ["=1"]}, ["a" * 501],
    ]
)  # fmt: skip
_KEYS = st.sampled_from(
    [
        "platform", "plaform", "patches", "camera", "x", "enabled", "after", "distribution",
        "modules", "auto_discover", "discover", "optional", "services", "extra_patches",
        "workflows", "backends", "plugins", "targets", "host", "core", "inference", "name",
        "program", "requires", "python", "enable_camera_patch", "backend_entry_modules",
    ]
)  # fmt: skip


@st.composite
def changed_documents(draw: st.DrawFn) -> Any:
    """A valid document in which some values have been set, replaced or removed anywhere."""
    document = copy.deepcopy(draw(DOCUMENTS))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = document
        while True:
            steps = list(place) if isinstance(place, dict) else range(len(place))
            inner = [step for step in steps if isinstance(place[step], (dict, list))]
            if not inner or draw(st.booleans()):
                break
            place = place[draw(st.sampled_from(inner))]
        value = copy.deepcopy(draw(_OTHER_VALUES))
        if isinstance(place, list):
            place.append(value)
        else:
            place[draw(_KEYS | st.sampled_from(sorted(place)) if place else _KEYS)] = value
    return document


class _QuotingDumper(yaml.SafeDumper):
    """PyYAML leaves text unquoted that is text in YAML 1.1 only, like `1e5`."""


_QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def _as_yaml(document: Any) -> str:
    return yaml.dump(document, Dumper=_QuotingDumper)


def _is_accepted(document: Any, directory: Path) -> bool:
    path = directory / "runtime.json"
    path.write_text(json.dumps(document))
    try:
        load_descriptor(str(path))
    except CoralLockError:
        return False
    return True


def _without_places(descriptor: Descriptor) -> Descriptor:
    return descriptor.replace(
        origins={},
        warnings=(),
        requests=tuple(request.replace(where="") for request in descriptor.requests),
    )


def test_the_schema_is_one() -> None:
    meta = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert list(meta.iter_errors(SCHEMA)) == []


@in_one_directory
@given(DOCUMENTS)
def test_a_valid_document_is_accepted_by_the_schema_and_by_the_reader(
    tmp_path: Path, document: Any
) -> None:
    VALIDATOR.validate(document)
    assert _is_accepted(document, tmp_path)


def _have_one_name_each(document: Any) -> bool:
    """Whether the targets' names differ, which JSON Schema can't say."""
    targets = document.get("targets") if isinstance(document, dict) else None
    members = targets if isinstance(targets, list) else []
    names = [repr(target.get("name")) for target in members if isinstance(target, dict)]
    return len(set(names)) == len(names)


def _has_no_synonyms(document: Any) -> bool:
    """Whether no two of its keys mean the same, which JSON Schema can't say."""
    keys = FLAT_KEYS.keys() & document.keys() if isinstance(document, dict) else ()
    return not any(_is_said(document, key) for key in keys)


@in_one_directory
@given(changed_documents().filter(_have_one_name_each).filter(_has_no_synonyms))
def test_the_reader_accepts_what_the_schema_accepts(tmp_path: Path, document: Any) -> None:
    assert _is_accepted(document, tmp_path) == VALIDATOR.is_valid(document)


@in_one_directory
@given(DOCUMENTS)
def test_json_and_yaml_read_the_same(tmp_path: Path, document: Any) -> None:
    as_json = tmp_path / "runtime.json"
    as_yaml = tmp_path / "runtime.yaml"
    as_json.write_text(json.dumps(document))
    as_yaml.write_text(_as_yaml(document))
    from_json = load_descriptor(str(as_json))
    assert _without_places(from_json) == _without_places(load_descriptor(str(as_yaml)))
    assert from_json.services == document.get("services", {})


@in_one_directory
@given(DOCUMENTS)
def test_the_printed_document_gives_the_descriptor_again(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "runtime.json"
    path.write_text(json.dumps(document))
    descriptor = load_descriptor(str(path))
    printed = to_mapping(descriptor)
    VALIDATOR.validate(printed)
    path.write_text(json.dumps(printed))
    assert _without_places(load_descriptor(str(path))) == _without_places(descriptor)
    assert list(descriptor.origins) == [dotted(leaf) for leaf, _ in leaves(printed)]


def _is_answered(path: str | None, **sources: Any) -> bool:
    return is_answered(
        lambda: load_descriptor(path, **sources), InputError, ProblemsError, exit_code=BAD_INPUT
    )


_YAML_LIKE = st.text(
    "abnpx: -{}[]\"'\\|>&*!%#@?,~=<.0189e+_\n\r\t\0\x85\u2028\ufeff\U0001f600", max_size=60
)


@in_one_directory
@pytest.mark.parametrize("name", ["runtime.yaml", "runtime.json"])
@given(
    content=st.binary() | (_YAML_LIKE | st.text()).map(lambda text: text.encode("utf-8", "replace"))
)
def test_no_file_raises_anything_but_our_errors(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert _is_answered(str(path))


@in_one_directory
@given(DOCUMENTS, st.data())
def test_no_damaged_file_raises_anything_but_our_errors(
    tmp_path: Path, document: Any, data: st.DataObject
) -> None:
    for name, text in (("a.json", json.dumps(document)), ("a.yaml", _as_yaml(document))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 3)))
        path = tmp_path / name
        path.write_text(text[:start] + data.draw(_YAML_LIKE) + text[end:], encoding="utf-8")
        assert _is_answered(str(path))


@given(st.lists(st.text() | st.builds("{}={}".format, _KEYS, _YAML_LIKE), max_size=3))
def test_no_setting_raises_anything_but_our_errors(texts: list[str]) -> None:
    assert _is_answered(None, settings=texts)


@given(
    st.dictionaries(
        st.sampled_from(["CORAL_RUNTIME_PLATFORM", "CORAL_ENABLE_SINK", "CORAL_BACKEND_MODULES"])
        | st.text().map(lambda text: f"CORAL_ENABLE_{text}"),
        st.text(),
    )
)
def test_no_environment_raises_anything_but_our_errors(environment: dict[str, str]) -> None:
    assert _is_answered(None, environment=environment)


@given(st.text())
def test_no_path_raises_anything_but_our_errors(path: str) -> None:
    assert _is_answered(f"/nowhere/{path}")
