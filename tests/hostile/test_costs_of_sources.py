"""Sources that would take for ever to evaluate: refused after a number of steps, or linear."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from coral_lock import budget
from coral_lock.budget import Budget, OverBudgetError, RunOverBudgetError
from coral_lock.inventory import Distribution, EntryPoint
from coral_lock.locking.discovery import Evidence, discover
from coral_lock.plugin.facts import PluginFacts
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import NotEvaluableError, Sources
from tests.support.operations import assert_linear

HEAD = "from coral_inference.runtime.plugins import PluginSpec\n"
SPEC = "PluginSpec('n', lambda config: True)"
ENTRY_POINT = EntryPoint(group="patches", name="n", value="p.a:register")
TOO_MANY_STEPS = "the distribution has more than 200,000 steps of evaluating sources"


@pytest.fixture
def fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow a tenth of the steps, which take a tenth of the time."""
    assert budget.LIMITS["steps"] == 2_000_000
    monkeypatch.setitem(budget.LIMITS, "steps", 200_000)


def _outcome(files: Mapping[str, str]) -> int | str:
    """Return how many specs the entry point yields, or why that isn't certain."""
    contents = {"p/__init__.py": "", **files}
    sources = Sources(lambda path: contents[path].encode() if path in contents else None)
    try:
        return len(evaluate(ENTRY_POINT, sources))
    except NotEvaluableError as error:
        return str(error)


@pytest.mark.usefixtures("fewer_steps")
def test_constants_that_double_with_each_module() -> None:
    files = {"p/a.py": "from .m0 import x\nregister = x\n", "p/m20.py": "x = ()\n"}
    for number in range(20):
        files[f"p/m{number}.py"] = f"from .m{number + 1} import x as y\nx = y, y\n"
    assert _outcome(files) == TOO_MANY_STEPS


@pytest.mark.usefixtures("fewer_steps")
def test_a_large_factory_that_is_called_many_times() -> None:
    body = " a\n" * 2_000
    text = f"{HEAD}def f():\n{body} return {SPEC}\nregister = [{'f(), ' * 900}]\n"
    assert _outcome({"p/a.py": text}) == TOO_MANY_STEPS


def _modules(count: int) -> None:
    """Evaluate as many modules that get hold of each other."""
    files = {
        f"p/m{number}.py": f"x = 'n{number}'\ndef f{number}():\n g{number}.f{number + 1}\n"
        for number in range(count)
    }
    specs = "".join(f"PluginSpec(m{number}.x, lambda c: True), " for number in range(count))
    imports = "".join(f"from . import m{number}\n" for number in range(count))
    files["p/a.py"] = f"{HEAD}{imports}y = [a.f0]\nregister = [{specs}]\n"
    assert _outcome(files) == count


def _parents(count: int) -> None:
    files = {
        "p/__init__.py": "#" * 1000,
        "p/a.py": HEAD
        + "".join(f"from .m{number} import x as x{number}\n" for number in range(count))
        + f"register = [{''.join(f'PluginSpec(x{n}, lambda c: True), ' for n in range(count))}]\n",
        **{f"p/m{number}.py": "x = 'n'\n" for number in range(count)},
    }
    assert _outcome(files) == count


@pytest.mark.parametrize("work", [_modules, _parents])
def test_what_takes_linear_time(work: Callable[[int], None]) -> None:
    assert_linear(work, 125, 1_500_000)


class _Inventory:
    """Distributions of dynamic plugins, with as many entry points each."""

    def __init__(self, *counts: int) -> None:
        self._counts = counts

    def plugin_distributions(self) -> tuple[Distribution, ...]:
        return tuple(
            Distribution(
                name=f"acme{index}",
                version="1",
                requires=(),
                entry_points=tuple(
                    EntryPoint(group="patches", name=f"p{number}", value="p.a:register")
                    for number in range(count)
                ),
                location=f"/site/acme{index}",
            )
            for index, count in enumerate(self._counts)
        )

    def read_source(self, name: str, path: str) -> bytes | None:
        return b"register = what()\n" if path == "p/a.py" else None


def test_probes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(budget.LIMITS, "probes", 3)
    monkeypatch.setattr(budget, "RUN_FACTOR", 2)
    probed = []

    def probe(entry_point: EntryPoint) -> tuple[PluginFacts, ...]:
        probed.append(entry_point.name)
        return (PluginFacts(name=entry_point.name),)

    found = discover(_Inventory(4, 3), Evidence(probe))  # type: ignore[arg-type]
    assert probed == ["p0", "p1", "p2", "p0", "p1", "p2"]
    (unknown,) = [plugin.problem for plugin in found.plugins if plugin.problem]
    assert unknown.summary == (
        "`patches:p3` of `acme0` can't be used: the distribution has more than 3 entry "
        "points to probe"
    )
    with pytest.raises(RunOverBudgetError) as refused:
        discover(_Inventory(3, 3, 1), Evidence(probe))  # type: ignore[arg-type]
    assert refused.value.message == (
        "the plugins of all distributions together have more than 6 entry points to probe"
    )
    assert refused.value.where == "/site/acme2"


def test_steps_are_counted_for_the_run_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(budget.LIMITS, "steps", 100)
    monkeypatch.setattr(budget, "RUN_FACTOR", 2)
    run = Budget()
    Budget(run, "one").spend("steps", 100)
    two = Budget(run, "two")
    two.spend("steps", 100)
    with pytest.raises(OverBudgetError):
        two.spend("steps")
    with pytest.raises(RunOverBudgetError) as refused:
        Budget(run, "three").spend("steps")
    assert str(refused.value) == (
        "the plugins of all distributions together have more than 200 steps of evaluating "
        "sources (three)"
    )


def test_what_is_refused_once_is_not_tried_again() -> None:
    read = []

    def source(path: str) -> bytes | None:
        read.append(path)
        return b"(" if path == "p/a.py" else None

    sources = Sources(source)
    for _ in range(3):
        with pytest.raises(NotEvaluableError):
            evaluate(ENTRY_POINT, sources)
    assert read.count("p/a.py") == 1
