"""Laws of manifests: the schema and the reader agree, and nothing but our errors comes out."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.author.manifest_text import manifest_document, yaml_text
from coral_lock.document.node import Mistakes
from coral_lock.document.reader import read_yaml
from coral_lock.document.schema import schema_text, validator_of
from coral_lock.errors import CoralLockError, InputError, ProblemsError
from coral_lock.manifest import ManifestPlugin, read_manifest
from coral_lock.plugin.config import BUILT_IN_PATCHES
from tests.support.refusals import is_answered

SCHEMA = json.loads(schema_text("manifest"))
VALIDATOR = validator_of(SCHEMA)
PLUGIN_KEYS = tuple(SCHEMA["$defs"]["plugin"]["properties"])

_GROUPS = st.sampled_from(["backends", "patches", "workflows"])
_NAMES = st.text("ab.:_- é#'\"", min_size=1, max_size=4).map(lambda text: f"p{text}q")
_IDS = st.builds("{}:{}".format, _GROUPS, _NAMES)
_PARTS = st.lists(st.sampled_from(["a", "b_1", "_c", "é"]), min_size=1, max_size=3).map(".".join)
_LINES = st.text("ab :#-'\"é{}[]&*!|>%@,?", max_size=12)
_REASONS = _LINES.map(lambda text: f"r{text}")
_VERSIONS = st.tuples(
    st.sampled_from(["", "v", "0!", "v12!"]),
    st.lists(st.sampled_from(["0", "1", "07", "123"]), min_size=1, max_size=4).map(".".join),
    st.sampled_from(["", "a0", "beta1", "RC9"]),
    st.sampled_from(["", ".post0", "-dev3", ".post4-dev0"]),
    st.sampled_from(["", "+a", "+0", "+a0z"]),
).map("".join)
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
PLUGINS = st.fixed_dictionaries(
    {
        "group": _GROUPS,
        "name": _NAMES,
        "entry_point": st.builds("{}:{}".format, _PARTS, _PARTS),
    },
    optional={
        "description": _LINES,
        "min_core_version": _VERSIONS,
        "min_inference_version": _VERSIONS,
        "platforms": st.lists(_NAMES, unique=True, max_size=3),
        "after": st.lists(_IDS, unique=True, max_size=3),
        "requires": st.dictionaries(_IDS, _REASONS, max_size=2),
        "conflicts": st.dictionaries(_IDS, _REASONS, max_size=2),
        "default_config_overrides": st.fixed_dictionaries(
            {},
            optional={
                "patches": st.dictionaries(
                    st.sampled_from(sorted(BUILT_IN_PATCHES)), st.booleans()
                ),
                "services": st.dictionaries(_TEXT, _FREE, max_size=3),
            },
        ),
        "env": st.dictionaries(
            st.builds("{}{}".format, st.sampled_from("Az_"), st.text("AZaz09_", max_size=5)),
            st.fixed_dictionaries({}, optional={"required": st.booleans(), "description": _LINES}),
            max_size=2,
        ),
        "homepage": st.just("https://example.org/a?b#c"),
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "manifest_version": st.just(1),
        "plugins": st.lists(
            PLUGINS, unique_by=lambda plugin: (plugin["group"], plugin["name"]), max_size=3
        ),
    }
)

_OTHER_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, 1, 1.0, 2, 1.5, "", " ", "x", "x ", "a@b", "a:b", "a.b:c.d", "a:b:c",
        ".a:b", "a.:b", "a:", ":b", "1a:b", "a-b:c", "a\n", "a\tb", "patches", "patch", "1.0",
        " 1.0 ", "1.0\n", "1.x", "1.0-1", "01.0", "1.0.RC1", "1.0c2", "1.0alpha.3", "1.0preview",
        "1.0+a..b", "1.0_dev", "1" * 200, "1" * 201, "x" * 200, "x" * 201, "x" * 1000,
        "x" * 1001, "\x7f", "a\u200bb", "é:ü", "patches:x", "other:x", "patches: x",
        "http://x", "https://", "ftp://x", "https://a b", [], ["a", "a"], ["patches:x"], [1], {},
        {"x": True}, {"camera": True}, {"camera": {}}, {"patches:x": "why"}, {"patches:x": " "},
        {"patches:x": ""}, {"x": "why"}, {"A_1": {}}, {"A-1": {}}, {"1A": {}}, {"A\n": {}},
        {"A": {"required": True}}, {"A": {"required": 1}}, {"A": {"wanted": True}},
        {"services": {}}, {"services": []}, {"patches": {"camera": False}},
    ]
)  # fmt: skip
_KEYS = st.sampled_from(
    [*PLUGIN_KEYS, "manifest_version", "plugins", "grp", "services", "patches", "required", "x"]
)


@st.composite
def changed_documents(draw: st.DrawFn) -> Any:
    """A valid document in which some values have been set, replaced or removed anywhere."""
    document = copy.deepcopy(draw(DOCUMENTS))
    for _ in range(draw(st.integers(1, 2))):
        place: Any = document
        while True:
            steps = list(place) if isinstance(place, dict) else range(len(place))
            inner = [step for step in steps if isinstance(place[step], (dict, list))]
            if not inner or draw(st.integers(0, 3)) == 0:
                break
            place = place[draw(st.sampled_from(inner))]
        value = copy.deepcopy(draw(_OTHER_VALUES))
        if isinstance(place, list):
            place.append(value)
        elif place and draw(st.integers(0, 4)) == 0:
            del place[draw(st.sampled_from(sorted(place)))]
        else:
            place[draw(_KEYS | st.sampled_from(sorted(place)) if place else _KEYS)] = value
    return document


def _has_twins(document: Any) -> bool:
    """Whether two plugins have one id, which a schema can't tell."""
    try:
        ids = [(plugin["group"], plugin["name"]) for plugin in document["plugins"]]
        return len(set(ids)) < len(ids)
    except (TypeError, KeyError):
        return False


def _read(document: Any) -> tuple[ManifestPlugin, ...]:
    # Every JSON document is a YAML document.
    return read_manifest(json.dumps(document).encode(), "coral_plugin.yaml")


def _is_accepted(document: Any) -> bool:
    try:
        _read(document)
    except CoralLockError:
        return False
    return True


def _without_places(plugins: Iterable[ManifestPlugin]) -> tuple[ManifestPlugin, ...]:
    return tuple(plugin.replace(place="") for plugin in plugins)


def test_the_schema_is_one() -> None:
    meta = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert list(meta.iter_errors(SCHEMA)) == []


@given(DOCUMENTS)
def test_a_valid_document_is_accepted_by_the_schema_and_by_the_reader(document: Any) -> None:
    VALIDATOR.validate(document)
    _read(document)


@given(changed_documents())
def test_the_reader_accepts_what_the_schema_accepts(document: Any) -> None:
    assert _is_accepted(document) == (VALIDATOR.is_valid(document) and not _has_twins(document))


@given(DOCUMENTS)
def test_what_is_shown_gives_the_manifest_again(document: Any) -> None:
    manifest = _without_places(_read(document))
    shown = manifest_document(manifest)
    VALIDATOR.validate(shown)
    assert _without_places(_read(shown)) == manifest
    as_yaml = yaml_text(shown)
    assert _without_places(read_manifest(as_yaml.encode(), "shown")) == manifest
    # What is text for our reader is text for readers of YAML 1.1 too.
    assert yaml.safe_load(yaml_text(_only_text(shown))) == _only_text(shown)


def _only_text(document: Any) -> Any:
    return {
        "plugins": [
            {key: value for key, value in plugin.items() if isinstance(value, (str, list))}
            for plugin in document["plugins"]
        ]
    }


_YAML_LIKE = st.text(
    "abnpx: -{}[]\"'\\|>&*!%#@?,~=<.0189e+_\n\r\t\0\x85\u2028\ufeff\U0001f600", max_size=60
)


def _is_answered(content: bytes) -> bool:
    return is_answered(
        lambda: read_manifest(content, "coral_plugin.yaml"), InputError, ProblemsError
    )


@given(st.binary() | (_YAML_LIKE | st.text()).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_raise_anything_but_our_errors(content: bytes) -> None:
    assert _is_answered(content)


@given(DOCUMENTS, st.data())
def test_no_damaged_manifest_raises_anything_but_our_errors(
    document: Any, data: st.DataObject
) -> None:
    text = yaml_text(manifest_document(_read(document)))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    damaged = text[:start] + data.draw(_YAML_LIKE) + text[end:]
    assert _is_answered(damaged.encode("utf-8"))


@pytest.mark.parametrize("text", ["0E0", "1e999", "0o7", "99999999999999999999", ".5", "12:30"])
def test_text_that_is_a_number_in_some_version_of_yaml_stays_text(text: str) -> None:
    written = yaml_text({text: text})
    assert yaml.safe_load(written) == {text: text}
    assert read_yaml(written, "shown", Mistakes()).plain() == {text: text}
