"""Static evaluation: on a corpus of factories, on every fixture, and against execution.

A case of the corpus is a file, or a folder laid out like a site directory. Its comments
say what is expected: `entry point:`, then either a `plugin:` line for each plugin, or
`wrong:` with the mistake, or `not evaluable:` with the reason, where a trailing `here`
marks the line that is to blame.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coral_lock.inventory import EntryPoint
from coral_lock.plugin.facts import FactsError, PluginFacts, facts_of_spec
from coral_lock.plugin.spec import SpecError, install_shim, live_specs
from coral_lock.probe.run import ProbeError, probe
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import MAX_SOURCE, NotEvaluableError, Sources
from tests.support.live_facts import live_facts
from tests.support.wheels import FIXTURES

CORPUS = Path(__file__).parents[1] / "corpus" / "factories"
ENTRY_POINT_NAME = "entry-point-name"


class Case:
    """A case of the corpus and what its comments say."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.root = path if path.is_dir() else path.parent
        self.entry_point = ""
        self.plugins: list[PluginFacts] = []
        self.mistake = ""
        self.reason = ""
        self.place = ""
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            self._read(file)

    def _read(self, file: Path) -> None:
        for number, line in enumerate(file.read_bytes().decode("latin-1").splitlines(), 1):
            comment = line.encode("latin-1").decode("utf-8", "replace").strip()
            if comment.startswith("# entry point: "):
                self.entry_point = comment.partition(": ")[2]
            elif comment.startswith("# plugin: "):
                self.plugins.append(PluginFacts(**json.loads(comment.partition(": ")[2])))
            elif comment.startswith("# wrong: "):
                self.mistake = comment.partition(": ")[2]
            elif comment.startswith("# not evaluable: "):
                self.reason = comment.partition(": ")[2]
            elif comment.endswith("  # here"):
                self.place = f"{file.relative_to(self.root).as_posix()}:{number}"

    @property
    def target(self) -> EntryPoint:
        return EntryPoint(group="patches", name=ENTRY_POINT_NAME, value=self.entry_point)


CASES = [Case(path) for path in sorted(CORPUS.iterdir()) if path.name != "__pycache__"]


def cases(choose: Callable[[Case], object]) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES if choose(case)]


def reader(root: Path) -> Sources:
    def read(path: str) -> bytes | None:
        file = root / path
        return file.read_bytes() if file.is_file() else None

    return Sources(read)


def sources(**files: str | bytes) -> Sources:
    contents = {
        name.replace("__", "/") + ".py": text if isinstance(text, bytes) else text.encode()
        for name, text in files.items()
    }
    return Sources(contents.get)


def point(value: str) -> EntryPoint:
    return EntryPoint(group="patches", name=ENTRY_POINT_NAME, value=value)


def refusal(value: str, read: Sources) -> str:
    with pytest.raises(NotEvaluableError) as caught:
        evaluate(point(value), read)
    return str(caught.value)


def test_corpus_is_large_and_a_third_of_it_is_not_evaluable() -> None:
    refused = [case for case in CASES if case.reason]
    assert len(CASES) >= 60
    assert len(refused) * 3 >= len(CASES)
    for case in CASES:
        assert case.entry_point, case.name
        assert bool(case.plugins) + bool(case.mistake) + bool(case.reason) == 1, case.name


@pytest.mark.parametrize("case", cases(lambda case: case.plugins))
def test_evaluable(case: Case) -> None:
    assert list(evaluate(case.target, reader(case.root))) == case.plugins


@pytest.fixture(scope="module")
def live() -> Mapping[tuple[Path, EntryPoint], str]:
    """What each case yields when it runs."""
    return live_facts((case.root, case.target) for case in CASES if case.plugins)


@pytest.mark.parametrize("case", cases(lambda case: case.plugins))
def test_static_equals_live(case: Case, live: Mapping[tuple[Path, EntryPoint], str]) -> None:
    assert repr(evaluate(case.target, reader(case.root))) == live[case.root, case.target]


def test_static_equals_what_a_probe_learns() -> None:
    (case,) = (case for case in CASES if case.name == "collected_factories")
    learned = probe(case.target, python=sys.executable, path=[str(case.root)])
    assert evaluate(case.target, reader(case.root)) == learned


@pytest.mark.parametrize("case", cases(lambda case: case.mistake))
def test_wrong_facts_are_told_apart_from_unknown_ones(case: Case) -> None:
    with pytest.raises(FactsError) as caught:
        evaluate(case.target, reader(case.root))
    assert str(caught.value) == case.mistake


@pytest.mark.parametrize("case", cases(lambda case: case.mistake.startswith("`min")))
def test_wrong_facts_are_wrong_live_too(case: Case) -> None:
    with pytest.raises(ProbeError) as caught:
        probe(case.target, python=sys.executable, path=[str(case.root)])
    assert str(caught.value) == case.mistake


@pytest.mark.parametrize("case", cases(lambda case: case.reason))
def test_not_evaluable(case: Case) -> None:
    with pytest.raises(NotEvaluableError) as caught:
        evaluate(case.target, reader(case.root))
    assert caught.value.reason == case.reason
    if case.place:
        assert f"{caught.value.path}:{caught.value.line}" == case.place


def test_fixture_plugins() -> None:
    tomllib = pytest.importorskip("tomllib")
    found: dict[str, list[str]] = {}
    for project in sorted((FIXTURES / "plugins").iterdir()):
        document = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
        groups = document.get("project", {}).get("entry-points")
        groups = groups or document["tool"]["poetry"]["plugins"]
        root = project / "src" if (project / "src").is_dir() else project
        for entry_points in groups.values():
            for name, value in entry_points.items():
                target = EntryPoint(group="patches", name=name, value=value)
                try:
                    names = [facts.name for facts in evaluate(target, reader(root))]
                except NotEvaluableError as error:
                    names = [error.reason]
                found.setdefault(project.name, []).extend(names)
    dynamic = {name: names for name, names in found.items() if name.startswith("dynamic-")}
    assert dynamic.keys() == {f"dynamic-{what}" for what in DYNAMIC}
    reasons = {f"it depends on `{text!r}.join`" for text in ("", "_")}
    assert {reason for names in dynamic.values() for reason in names} == reasons
    known = {name: names for name, names in found.items() if name not in dynamic}
    assert {name: names for name, names in known.items() if name in FIXTURE_NAMES} == FIXTURE_NAMES
    assert all(" " not in name for names in known.values() for name in names)


DYNAMIC = ("exits", "hangs", "kills", "prints", "spec")
FIXTURE_NAMES = {
    "acme-factories": ["edge_crop", "lens_correction"],
    "acme-object": ["frame_counter"],
    "acme-vision": ["night_vision", "fog_removal", "glare_filter"],
    "acme-workflows": ["custom_block", "rknn_block"],
    "fails-exit-import": ["fails_exit_import"],
    "hangs-import": ["hangs_import"],
    "generic-backend": ["generic_cpu"],
    "legacy-activate": ["legacy_sink"],
    "my-package": ["camera_stabilizer"],
    "rknn-backend": ["rknn_npu"],
}


FACTORY = """
from coral_inference.runtime.plugins import PluginSpec
def register():
    return PluginSpec(name=NAME, activate=lambda config: True)
"""


@pytest.mark.parametrize(
    ("value", "read", "expected"),
    [
        ("a:b [extra]", sources(), "`a:b [extra]` isn't `module:attribute`"),
        ("a", sources(), "`a` isn't `module:attribute`"),
        ("a.b:c", sources(), "a/b: the distribution has no module `a.b`"),
        (
            "json:loads",
            sources(json="loads = 1"),
            "json: `json` is a module of the standard library",
        ),
        ("a:b", sources(a=b"x = '\xff'"), "the source doesn't parse"),
        ("a:b", sources(a=b"# coding: no-such-codec\n"), "unknown encoding"),
        ("a:b", sources(a=b"#!x\n# -*- coding: punycode -*-\n"), "encoding is `punycode`"),
        ("a:b", sources(a=b"b = 1\0"), ""),
        ("a:b", sources(a="b = (\n"), "the source doesn't parse"),
        ("a:b", sources(a="b = 1\n" * MAX_SOURCE), "524,288 bytes"),
        ("a:b", sources(a="b = " + "-" * 100_000 + "1"), "nested too deep"),
        ("a:b", sources(a="b = " + "(" * 500 + ")" * 500), "the source doesn't parse"),
        ("a:b", sources(a="b = " + "+".join(["'a'"] * 20_000)), ""),
        ("a:b", sources(a="b = f" + "()" * 20_000), ""),
        ("a:b", sources(a="b = " + "9" * 10_000), "the source doesn't parse"),
        ("a:b", sources(a="b = 'x'"), "expected a spec, an iterable or a function, found `str`"),
        ("a:b", sources(a="import c as b", c=""), "`c` is a module"),
        ("a:b", sources(a="b = []"), "a.py: it yields no spec"),
        ("a:b", sources(a="from os import getcwd as b"), "`os.getcwd` comes from another package"),
        ("a:b", sources(a="from a import b"), "the source is nested too deep"),
        ("a:b", sources(a="b = [[[[[[]]]]]]"), "it is nested too deep"),
        (
            "a:register",
            sources(a=f"NAME = 'n'\nNAME = NAME\n{FACTORY}"),
            "more than once",
        ),
    ],
)
def test_hostile_or_broken_input(value: str, read: Sources, expected: str) -> None:
    assert expected in refusal(value, read)


def _described(description: str, above: str = "A = ''\nN = 7\n") -> Sources:
    spec = f"PluginSpec('n', lambda config: True, {description})"
    return sources(a=f"from coral_inference.runtime.plugins import PluginSpec\n{above}b = {spec}\n")


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("A % N", "it depends on `A % N`"),
        ("A + 'x'", "it depends on `A + 'x'`"),
        ("f'{A}'", "it depends on `f'{A}'`"),
        ("[A]", "`description` isn't a constant"),
        (f"A % '{'x' * 60}'", f"it depends on `A % '{'x' * 55}…`"),
        (
            "A, name='m'",
            "`PluginSpec` can't be called like this: multiple values for argument 'name'",
        ),
        (
            "min_core_version='1', min_core_version='2'",
            "`PluginSpec` is given an argument twice",
        ),
        (
            "description='', **{}",
            "`PluginSpec` can't be called like this: got an unexpected keyword argument '**'",
        ),
        (
            "A, '1', '2', '3'",
            "`PluginSpec` can't be called like this: too many positional arguments",
        ),
    ],
)
def test_just_beyond_what_is_evaluated(description: str, reason: str) -> None:
    refused = refusal("a:b", _described(description))
    assert refused in (f"a.py:4: {reason}", f"a.py:2: {reason}")


@pytest.mark.parametrize(
    ("line", "culprit"),
    [
        ("import builtins", "`builtins`"),
        ("import builtins as b2", "`builtins`"),
        ("from builtins import print", "`builtins`"),
        ("import __main__", "`__main__`"),
        ("from __main__ import x", "`__main__`"),
        ("from operator import attrgetter", "`attrgetter`"),
        ("from sys import modules", "`modules`"),
        ("x = getattr(A, 'x')", "`getattr`"),
        ("import sys; sys.setprofile(None)", "`.setprofile`"),
        ("x = lambda y=vars(): y", "`vars`"),
        ("class X:\n    if A:\n        def __init__(self): exec('')\nX()", "`exec`"),
        ("class X(Exception):\n    def f(self): exec('')", "`exec`"),
        ("def f(): exec('')\nheld = [f]\nheld[0]()", "`exec`"),
        ("def f(): exec('')\nA.f()", "`exec`"),
    ],
)
def test_what_reaches_into_namespaces(line: str, culprit: str) -> None:
    read = _described("''", above=f"A = ''\n{line}\n")
    assert f"{culprit} can change what names stand for" in refusal("a:b", read)


@pytest.mark.parametrize("spec", ["PluginSpec('n', {})", "register = PluginSpec('n', {})"])
def test_the_defaults_of_what_a_spec_calls_run_at_once(spec: str) -> None:
    line = spec.format("lambda config, more=exec(''): True")
    factory = f"def register():\n    return {line}\n" if "=" not in spec else f"{line}\n"
    text = f"from coral_inference.runtime.plugins import PluginSpec\n{factory}"
    assert "`exec` can change what names stand for" in refusal("a:register", sources(a=text))


@pytest.mark.parametrize(
    "line",
    [
        "def f(): exec('')",
        "class X:\n    def f(self): exec('')",
        "other = PluginSpec('other', lambda config: exec(''))",
    ],
)
def test_what_never_runs_is_no_hazard(line: str) -> None:
    read = _described("''", above=f"A = ''\n{line}\n")
    assert evaluate(point("a:b"), read) == (PluginFacts(name="n"),)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("from .a import change as c", "`exec` can change what names stand for"),
        ("a.plugin.activate(None)", "`.activate` may be called before the spec is known"),
        ("a.other.activate(None)", "`.activate` may be called before the spec is known"),
        ("log(a.plugin)", "`.plugin` may be an object that is changed"),
        ("print(plugin)", "`plugin` is used where it may be changed"),
        ("from .a import plugin as p", "`plugin` is imported under a second name"),
        ("plugin.name = 'x'", "`.name` is changed before the spec is known"),
        ("a.N = 'x'", "`.N` is changed before the spec is known"),
        ("import sys; sys.path.clear()", "`.path` can change what names stand for"),
    ],
)
def test_what_another_module_does_to_specs(line: str, reason: str) -> None:
    spec = "PluginSpec(N, lambda config: exec(''))"
    read = sources(
        p____init__="",
        p__a=f"from coral_inference.runtime.plugins import PluginSpec\nN = 'n'\nplugin = {spec}\n"
        "def register():\n    return plugin\ndef change():\n    exec('')\n",
        p__c=f"from . import a\nfrom .a import register, plugin\n{line}\n"
        "specs = [plugin, register]\n",
    )
    assert reason in refusal("p.c:specs", read)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    yield SPEC", "`register` may end or pause before its last statement"),
        ("    return SPEC\n    yield", "`register` may end or pause before its last statement"),
        ("    return [" + "SPEC, " * 1001 + "]", "it yields more than 1000 specs"),
    ],
)
def test_what_a_factory_may_not_return(body: str, reason: str) -> None:
    head = "from coral_inference.runtime.plugins import PluginSpec\n"
    spec = "PluginSpec('n', lambda config: True)"
    read = sources(a=f"{head}def register():\n{body.replace('SPEC', spec)}\n")
    assert reason in refusal("a:register", read)


@pytest.mark.parametrize("binding", ["act, other = 1, 2", "for act in (1, 2): pass"])
def test_a_spec_is_given_something_that_is_not_defined_as_a_function(binding: str) -> None:
    text = f"from coral_inference.runtime.plugins import PluginSpec\n{binding}\n"
    read = sources(a=f"{text}b = PluginSpec('n', act)\n")
    assert refusal("a:b", read) == "a.py:2: `act` is assigned more than once or under a condition"


@pytest.mark.parametrize("value", ["[activate]", "(activate, [])"])
def test_only_an_entry_point_itself_is_an_activate_function(value: str) -> None:
    text = f"def activate(config): pass\nb = {value}\n"
    expected = "a.py: only an entry point itself can be an `activate` function"
    assert refusal("a:b", sources(a=text)) == expected


def test_compiled_modules() -> None:
    import importlib.machinery

    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    files = {f"a/b{suffix}": b"", "a/__init__.py": b""}
    assert refusal("a.b:c", Sources(files.get)) == f"a/b{suffix}: `a.b` is compiled"
    files["a/b.py"] = b"c = 1"
    assert refusal("a.b:c", Sources(files.get)) == f"a/b{suffix}: `a.b` is compiled"
    del files[f"a/b{suffix}"]
    files["a/b/__init__.pyc"] = b""
    assert refusal("a.b:c", Sources(files.get)) == "a/b/__init__.pyc: `a.b` is compiled"


def test_a_distribution_with_a_runtime_of_its_own() -> None:
    read = sources(
        a="NAME = 'n'\n" + FACTORY,
        coral_inference__runtime__plugins="class PluginSpec: pass",
    )
    assert "`PluginSpec` is a class" in refusal("a:register", read)


def test_nothing_is_imported_or_executed(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    text = f"open({str(proof)!r}, 'w')\nNAME = 'n'\n{FACTORY}"
    before = set(sys.modules)
    assert evaluate(point("a:register"), sources(a=text)) == (PluginFacts(name="n"),)
    assert not proof.exists()
    assert set(sys.modules) == before


def test_warnings_of_the_parser_stay_quiet(recwarn: pytest.WarningsRecorder) -> None:
    text = "NAME = 'n'\nPATTERN = '\\d'\n" + FACTORY
    assert evaluate(point("a:register"), sources(a=text)) == (PluginFacts(name="n"),)
    assert not recwarn.list


def executed(text: str) -> tuple[PluginFacts, ...] | str | None:
    """Run a generated module and return its facts, or what is wrong with them.

    None stands for a module or a factory that raises: it yields nothing that could differ
    from what the evaluation says it yields.
    """
    install_shim()
    namespace: dict[str, Any] = {"__name__": "generated"}
    try:
        with contextlib.redirect_stdout(None):
            exec(compile(text, "generated.py", "exec"), namespace)
            specs = live_specs(namespace["register"], ENTRY_POINT_NAME)
        return tuple(map(facts_of_spec, specs))
    except (SpecError, FactsError) as error:
        return str(error)
    except Exception:
        return None


EXPRESSIONS = (
    *("'x'", "'y' 'z'", "A", "B", "C", "A + B", "'v' + (B + C)", 'f"<{A}>"', 'f"{B}{C!s}"'),
    *("('x' if FLAG else 'x')", "(A if FLAG else 'a')", "str(A)", "A.upper()", "7", "None"),
)
HARMLESS = (
    *("pass", "'text'", "D = {}", "D: object = {}", "import os", "[A for A in D]", "log(A, {})"),
    *("spec.name", "log(spec.name)", "log(f'{{spec}}')", "lambda: setattr(spec, 'name', A)"),
    *("if FLAG:\n    D = {}", "def later(spec):\n    global D\n    D = spec", "E, D = {}, A"),
)
HARMFUL = (
    *("{name} = {}", "{name}: object = {}", "{name} += {}", "{name} = {other} = {}"),
    *("del {name}", "log({name} := {})", "{name}, {other} = 'p', 'q'", "import os as {name}"),
    *("from fallback import *", "globals()['{name}'] = {}", "exec('{name} = 1')", "change()"),
    *("(lambda: exec('global {name}; {name} = 1'))()", "rename(spec)", "spec.name = {}"),
    *("setattr(spec, 'name', {})", "vars(spec).update(name={})", "log(change, rename)"),
    *("SpecAlias = spec", "Spec.__init__ = lambda self, *args, **kw: None", "A = A"),
    *("(lambda it: setattr(it, 'name', {}))(spec)", "[spec][0].name = {}", "FLAG = not FLAG"),
    *("PluginSpec = lambda *args, **kw: Spec('other', activate)", "Spec = PluginSpec"),
    *("spec = PluginSpec({}, activate)", "other = PluginSpec({}, activate)"),
    *("for spec.name in ('r', 's'): pass", "for {name} in ('r', 's'): pass"),
    *("if TYPE_CHECKING:\n    {name} = {}", "if TYPE_CHECKING: pass\nelse:\n    {name} = {}"),
    *("try:\n    {name} = {}\nexcept Exception as {other}:\n    pass", "TYPE_CHECKING = {}"),
    *("with OPEN as {name}:\n    pass", "while FLAG:\n    {name} = {}\n    break"),
    *("class Inner:\n    global {name}\n    {name} = {}", "class {name}: pass"),
    *("def later():\n    global {name}\n    {name} = {}\nlater()", "def {name}(): pass"),
    *("PluginSpec('h', change).activate(1)", "inner().activate(1)", "spec.activate(1)"),
    *("held = [change, inner]", "held = [Spec('h', change)]", "log(held)", "held[0].activate(1)"),
    *("match {}:\n    case {name}: pass", "log([{name} := {} for _ in 'a'])"),
)
RESULTS = (
    *("PluginSpec(A, activate, B)", "Spec(name=C, activate=activate, min_core_version=A)"),
    *("PluginSpec(name=f'{A}{B}', activate=activate)", "spec", "[spec, Spec(B, activate)]"),
    *("(spec, other)", "spec if FLAG else spec", "[[spec], other]", "[other, inner()]", "inner()"),
    *("PluginSpec(A, activate) if FLAG else PluginSpec('a', activate)", "specs", "(inner, spec)"),
)
ENDS = (
    *("return {}", "return {}", "yield {}", "yield {}\nyield from specs", "return [inner, {}]"),
    *("return {}", "yield {}\nreturn", "if FLAG: pass\nyield {}", "return {}", "return ({},)"),
    *("if FLAG:\n    return {}\nelse:\n    return {}", "if FLAG:\n    return {}\nreturn spec"),
    *("if FLAG: pass\nreturn {}", "if TYPE_CHECKING:\n    return spec\nelse:\n    return {}"),
    *(
        "try:\n    return {}\nfinally:\n    pass",
        "for A in 'xy':\n    yield {}",
        "return {}\nA = 1",
    ),
)
PRELUDE = """
from typing import TYPE_CHECKING
import contextlib
from coral_inference.runtime.plugins import PluginSpec
from coral_inference.runtime.plugins import PluginSpec as Spec

FLAG = bool({flag})
OPEN = contextlib.nullcontext('opened')

def log(*arguments):
    return len(arguments)

def activate(config):
    A = 1
    {late}
    return True

def rename(it):
    it.{field} = 'renamed'

def change(config=None):
    {change}

def inner():
    return Spec('inner', {inner})
"""


@st.composite
def modules(draw: st.DrawFn) -> str:
    """Generate a module: constants, specs, and few statements that may spoil them."""

    def pick(choices: tuple[str, ...]) -> str:
        return draw(st.sampled_from(choices))

    def statement() -> str:
        harmful = draw(st.integers(0, 3)) == 0
        template = pick(HARMFUL if harmful else HARMLESS)
        name, other = pick(("A", "B", "spec", "PluginSpec")), pick(("C", "D", "specs"))
        return template.format(pick(EXPRESSIONS), name=name, other=other)

    lines = [
        PRELUDE.format(
            flag=pick(("0", "1")),
            field=pick(("name", "description", "name")),
            inner=pick(("activate", "activate", "change", "lambda config: change()")),
            late=pick(("pass", "pass", "globals()['B'] = 2")),
            change=pick(("pass", "pass", "globals()['A'] = 'changed'", "spec.name = 'changed'")),
        )
    ]
    for line in (
        *("A = 'a'", "C = 'c'", f"B = {pick(EXPRESSIONS)}", "spec = PluginSpec('s', activate)"),
        *("other = Spec(A, activate, description=B)", "specs = [spec, other]"),
    ):
        lines.append(line if draw(st.integers(0, 15)) else "")
        if not draw(st.integers(0, 5)):
            lines.append(statement())
    lines.append("def register():")
    body = [statement() for _ in range(draw(st.integers(0, 2)))]
    if not draw(st.integers(0, 2)):
        body.append(f"spec = PluginSpec({pick(EXPRESSIONS)}, activate)")
    body.append(pick(ENDS).replace("{}", pick(RESULTS)))
    lines.extend("    " + line for text in body for line in text.split("\n"))
    lines.extend(statement() for _ in range(draw(st.integers(0, 1))))
    return "\n".join(lines) + "\n"


@settings(max_examples=12 * settings().max_examples)
@given(modules())
def test_static_refuses_or_equals_execution(text: str) -> None:
    try:
        static = evaluate(point("generated:register"), sources(generated=text))
    except NotEvaluableError:
        return
    except FactsError:
        assert not isinstance(executed(text), tuple)
        return
    assert executed(text) in (static, None)


TEXTS = [
    path.read_bytes()
    for path in sorted(CORPUS.iterdir())
    if path.suffix == ".py" and b"latin-1" not in path.read_bytes()
]


@settings(max_examples=8 * settings().max_examples)
@given(st.data())
def test_damaged_sources_never_crash(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    other = data.draw(st.sampled_from(TEXTS))
    offset = data.draw(st.integers(0, len(other)))
    damaged = text[:start] + other[offset : offset + end - start] + text[end:]
    for name in ("register", "plugin"):
        words = ""
        try:
            facts = evaluate(point(f"a:{name}"), Sources({"a.py": damaged}.get))
        except (NotEvaluableError, FactsError) as error:
            facts, words = (), str(error)
        assert bool(facts) is not bool(words)
