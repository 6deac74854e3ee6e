"""What `run` does with an entry point in a fresh interpreter: measure, and activate.

It runs under `probe.child`, which imports it there and calls `run`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from time import perf_counter

from coral_lock.probe.child import Trial, flush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, TypeAlias

    State: TypeAlias = Mapping[str, Mapping[str, object]]

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
    specs = {spec.name: spec for spec in trial.learn_specs(_import(trial))}
    if specs and trial.request["plugin"] is not None:
        _activate(trial, specs[trial.request["plugin"]])


def _import(trial: Trial) -> object:
    state, memory = _state(), _peak_memory()
    flush()
    printed, started = _printed(), perf_counter()
    module = trial.import_module()
    duration, peak = _since(started), _peak_memory()
    target = trial.look_up(module)
    flush()
    trial.answer(
        {
            "import_ms": duration,
            "import_memory_kib": None if peak is None or memory is None else peak - memory,
            "printed": [printed, _printed()],
            "changes": list(_changes(state, _state())),
        }
    )
    return target


def _activate(trial: Trial, spec: Any) -> None:
    """Call what a start would call, and answer with what each step returns."""
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.plugin.spec import is_backend

    config = RuntimeConfig(**trial.request["config"])
    arguments = (config.platform, config) if is_backend(spec) else (config,)
    started = perf_counter()
    for step in ("supports", "activate") if is_backend(spec) else ("activate",):
        trial.step = f"`{step}`"
        trial.answer({"step": trial.step})
        value = getattr(spec, step)(*arguments)
        trial.answer({"duration_ms": _since(started)})
        if value is not True and value is not False:
            error = f"{trial.step} returned a `{type(value).__name__}`"
            trial.answer({"error": error, "is_no_bool": True})
            return
        trial.answer({step: value})
        if not value:
            return


def _state() -> State:
    """Return what a plugin has no business to change: by the phrase that says so, by name."""
    import threading

    finders = (getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path)
    handlers = {each.name: signal.getsignal(each) for each in signal.Signals}
    return {
        "imports": dict.fromkeys(name for name in _HOST_MODULES if name in sys.modules),
        "starts threads:": dict.fromkeys(thread.name for thread in threading.enumerate()),
        "changes `sys.path`:": dict.fromkeys(map(str, sys.path)),
        "changes `sys.meta_path`:": Counter(finders),
        "changes the working directory to": {os.getcwd(): None},
        "changes environment variables:": dict(os.environ),
        "sets handlers of signals:": handlers,
    }


def _changes(before: State, after: State) -> Iterator[str]:
    """Yield what differs between two moments, each as a phrase."""
    for phrase, values in after.items():
        old = before[phrase]
        names = {name for name in values if name not in old or old[name] != values[name]}
        if names or len(old) > len(values):
            listed = ", ".join(f"`{name}`" for name in sorted(names or old.keys() - values.keys()))
            yield f"{phrase} {listed}"


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
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None
