"""The program that `run` starts in a fresh interpreter; it isn't imported by anything.

Its arguments are the descriptor to answer on and the request as JSON. It imports an entry
point, activates one of its plugins if it is told to, and answers step by step, one JSON
object a line, so that what is known before a plugin ends the process isn't lost.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType, TracebackType
    from typing import Any

_MAX_TEXT = 500
_HOST_MODULES = ("coral_inference.core", "inference")
_HOST_INTERFACE = ("coral_inference.runtime.plugins", "coral_inference.runtime.backends")


def main() -> None:
    """Answer the request of the command line, then end without running exit handlers."""
    descriptor = int(sys.argv[1])
    request = json.loads(sys.argv[2])
    os.set_inheritable(descriptor, False)
    sys.argv[1:] = []
    trial = _Trial(request, descriptor)
    try:
        trial.prepare()
        trial.run()
    except BaseException as error:
        trial.answer({"error": trial.account_of(error)})
    flush()
    os._exit(0)


class _Trial:
    """Imports and activates, and knows at which step it stands."""

    def __init__(self, request: Mapping[str, Any], descriptor: int) -> None:
        self._request = request
        self._descriptor = descriptor
        self._step = "starting the interpreter"

    def answer(self, part: Mapping[str, object]) -> None:
        """Send a part of the answer."""
        content = json.dumps(part).encode("ascii") + b"\n"
        while content:
            content = content[os.write(self._descriptor, content) :]

    def prepare(self) -> None:
        """Let `site` do what it does at every start, lay the path, and load the host's interface.

        What importing the host costs and does isn't the plugin's doing, so it comes first.
        """
        standard_library = [entry for entry in sys.path if entry not in self._request["path"]]
        root = os.path.abspath(__file__)
        for _ in range(4):
            root = os.path.dirname(root)
        sys.path.insert(0, root)
        import importlib
        import site

        from coral_lock.plugin import config, facts, spec  # noqa: F401
        from coral_lock.plugin.shim import install_shim

        site.main()
        sys.path[:] = [*standard_library, *self._request["path"]]
        install_shim()
        for name in _HOST_INTERFACE:
            try:
                importlib.import_module(name)
            except Exception:
                continue

    def run(self) -> None:
        """Import the entry point, learn its specs, and activate the plugin that is asked for."""
        from coral_lock.plugin.facts import FactsError
        from coral_lock.plugin.spec import SpecError, live_specs

        target = self._import()
        self._step = f"asking `{self._request['attribute']}` for its specs"
        try:
            specs = live_specs(target, self._request["name"])
            self.answer({"specs": [_spec(spec) for spec in specs]})
        except (FactsError, SpecError) as error:
            self.answer({"error": str(error)[:_MAX_TEXT], "malformed": True})
            return
        if self._request["plugin"] is not None:
            self._activate([spec for spec in specs if spec.name == self._request["plugin"]])

    def _import(self) -> object:
        import importlib

        module = self._request["module"]
        self._step = f"importing `{module}`"
        state, loaded, memory = _State(), set(sys.modules), _peak_memory()
        flush()
        printed, started = _printed(), perf_counter()
        target: object = importlib.import_module(module)
        duration, peak = (perf_counter() - started) * 1000, _peak_memory()
        for name in self._request["attribute"].split("."):
            self._step = f"looking up `{self._request['attribute']}` in `{module}`"
            target = getattr(target, name)
        flush()
        changes = [
            f"imports `{name}`"
            for name in _HOST_MODULES
            if name in sys.modules and name not in loaded
        ]
        self.answer(
            {
                "import_ms": round(duration, 1),
                "peak_memory_kib": peak,
                "import_memory_kib": None if peak is None or memory is None else peak - memory,
                "printed": [printed, _printed()],
                "changes": [*changes, *_State().changes_since(state)],
            }
        )
        return target

    def _activate(self, specs: list[Any]) -> None:
        from coral_lock.plugin.config import RuntimeConfig
        from coral_lock.plugin.spec import is_backend

        if len(specs) != 1:
            self.answer({"error": f"yields {len(specs)} specs of that name"})
            return
        (spec,) = specs
        config = RuntimeConfig(**self._request["config"])
        started = perf_counter()
        arguments: tuple[Any, ...] = (config,)
        if is_backend(spec):
            arguments = (config.platform, config)
            self._step = "`supports`"
            supported = spec.supports(*arguments)
            self.answer({"supports": _shown(supported)})
            if supported is not True:
                self.answer({"duration_ms": _since(started)})
                return
        self._step = "`activate`"
        self.answer({"activating": True})
        result = spec.activate(*arguments)
        self.answer({"activate": _shown(result), "duration_ms": _since(started)})

    def account_of(self, error: BaseException) -> str:
        """Return what went wrong, with the last line of the plugin that had a part in it."""
        if isinstance(error, SystemExit):
            what = f"called `sys.exit({_text_of(error.code)})`"
        else:
            message, kind = _text_of(error), type(error).__name__
            what = f"raised {kind}: {message}" if message else f"raised {kind}"
        place = self._place_of(error)
        return f"{self._step} {what}" + (f" ({place})" if place else "")

    def _place_of(self, error: BaseException) -> str:
        if isinstance(error, SyntaxError) and error.filename:
            return f"{self._shortened(error.filename)}:{error.lineno or 0}"
        place = ""
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            if self._is_of_plugin(trace.tb_frame):
                place = f"{self._shortened(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
            trace = trace.tb_next
        return place

    def _is_of_plugin(self, frame: FrameType) -> bool:
        module = frame.f_globals.get("__name__")
        package = self._request["module"].partition(".")[0]
        return isinstance(module, str) and module.partition(".")[0] == package

    def _shortened(self, file: str) -> str:
        for entry in self._request["path"]:
            if file.startswith(entry + os.sep):
                return file[len(entry) + 1 :].replace(os.sep, "/")
        return file


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


def _spec(spec: object) -> dict[str, object]:
    from coral_lock.plugin.facts import facts_of_spec
    from coral_lock.plugin.spec import is_backend

    facts = facts_of_spec(spec)
    return {
        "facts": {field: getattr(facts, field) for field in facts._fields},
        "backend": is_backend(spec),
    }


def _shown(value: object) -> bool | str:
    """Return a bool as it is, and in place of anything else what it is."""
    return value if value is True or value is False else f"`{type(value).__name__}`"


def _since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)


def _printed() -> int:
    return os.fstat(1).st_size


def flush() -> None:
    """Let everything that was printed reach the file: from Python, then from C."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            continue
    try:
        import ctypes

        ctypes.CDLL(None).fflush(None)
    except Exception:
        return


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


def _text_of(value: object) -> str:
    try:
        text = " ".join(str(value).split())[:_MAX_TEXT]
    except BaseException:
        return ""
    return "".join(character if character.isprintable() else "?" for character in text)


if __name__ == "__main__":
    main()
