"""What `run` does with an entry point in a fresh interpreter: measure, and activate.

It runs under `probe.child`, which imports it there and calls `run`.
"""

from __future__ import annotations

import os
import signal
import sys
from time import perf_counter

from coral_lock.probe.child import Trial, flush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HOST_MODULES = ("coral_inference.core", "inference")
_HOST_INTERFACE = ("coral_inference.runtime.plugins", "coral_inference.runtime.backends")


def run(trial: Trial) -> None:
    """Import the entry point, learn its specs, and activate the plugin that is asked for."""
    import importlib

    # What importing the host costs and does isn't the plugin's doing, so it comes first.
    for name in _HOST_INTERFACE:
        try:
            importlib.import_module(name)
        except Exception:
            continue
    specs = trial.learn_specs(_import(trial))
    if specs and trial.request["plugin"] is not None:
        _activate(trial, [spec for spec in specs if spec.name == trial.request["plugin"]])


def _import(trial: Trial) -> object:
    state, loaded, memory = _State(), set(sys.modules), _peak_memory()
    flush()
    printed, started = _printed(), perf_counter()
    module = trial.import_module()
    duration, peak = (perf_counter() - started) * 1000, _peak_memory()
    target = trial.look_up(module)
    flush()
    changes = [
        f"imports `{name}`" for name in _HOST_MODULES if name in sys.modules and name not in loaded
    ]
    trial.answer(
        {
            "import_ms": round(duration, 1),
            "peak_memory_kib": peak,
            "import_memory_kib": None if peak is None or memory is None else peak - memory,
            "printed": [printed, _printed()],
            "changes": [*changes, *_State().changes_since(state)],
        }
    )
    return target


def _activate(trial: Trial, specs: list[Any]) -> None:
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.plugin.spec import is_backend

    if len(specs) != 1:
        trial.answer({"error": f"yields {len(specs)} specs of that name"})
        return
    (spec,) = specs
    config = RuntimeConfig(**trial.request["config"])
    started = perf_counter()
    arguments: tuple[Any, ...] = (config,)
    if is_backend(spec):
        arguments = (config.platform, config)
        trial.step = "`supports`"
        supported = spec.supports(*arguments)
        trial.answer({"supports": _shown(supported)})
        if supported is not True:
            trial.answer({"duration_ms": _since(started)})
            return
    trial.step = "`activate`"
    trial.answer({"activating": True})
    result = spec.activate(*arguments)
    trial.answer({"activate": _shown(result), "duration_ms": _since(started)})


class _State:
    """What a plugin has no business to change, at one moment."""

    def __init__(self) -> None:
        import threading

        self.path = list(sys.path)
        self.finders = list(sys.meta_path)
        self.directory = os.getcwd()
        self.variables = dict(os.environ)
        self.threads = {thread.name for thread in threading.enumerate()}
        self.handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def changes_since(self, before: _State) -> list[str]:
        """Return what differs from an earlier moment, each as a phrase."""
        changes = []
        for name in sorted(self.threads - before.threads):
            changes.append(f"starts the thread `{name}`")
        if self.path != before.path:
            added = [f"`{entry}`" for entry in self.path if entry not in before.path]
            changes.append("changes `sys.path`" + (f": adds {', '.join(added)}" if added else ""))
        if list(map(id, self.finders)) != list(map(id, before.finders)):
            changes.append("changes `sys.meta_path`")
        if self.directory != before.directory:
            changes.append(f"changes the working directory to `{self.directory}`")
        differing = [
            name
            for name in sorted({*self.variables, *before.variables})
            if self.variables.get(name) != before.variables.get(name)
        ]
        if differing:
            changes.append("changes environment variables: " + _listed(differing))
        handled = [
            signal.Signals(number).name
            for number in sorted(self.handlers)
            if self.handlers[number] != before.handlers[number]
        ]
        if handled:
            changes.append("sets handlers of signals: " + _listed(handled))
        return changes


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shown(value: object) -> bool | str:
    """Return a bool as it is, and in place of anything else what it is."""
    return value if value is True or value is False else f"`{type(value).__name__}`"


def _since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)


def _printed() -> int:
    return os.fstat(1).st_size


def _peak_memory() -> int | None:
    """Return the most memory that this process has had, in KiB, or None.

    The kernel's number for this very program is the right one: `getrusage` counts what the
    process was before it became this program, too.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None
