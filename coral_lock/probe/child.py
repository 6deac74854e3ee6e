"""The program that runs in other interpreters: it describes them, or imports an entry point.

With one argument, as `ask_interpreter` runs it, it prints that argument and a description of the
interpreter as JSON. It runs isolated (`-I -S`) then, so that nothing that is installed for the
interpreter runs, and may run in any Python 3.7 or newer.

With two, as `run_entry_point` runs it, they are the descriptor to answer on and the request as
JSON. The request names the module whose function `run` handles the entry point;
this module's own learns its specs. The answer is one JSON object a line, so that what is known
before a plugin ends the process isn't lost.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType, TracebackType
    from typing import Any

_OWN = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(_OWN))
_MAX_MESSAGE = 300
_MAX_CONFIGURATION = 1 << 16


def main() -> None:
    """Answer the request of the command line, then end without running exit handlers."""
    # The directory of this program isn't one to import from.
    sys.path[:] = [_ROOT, *(entry for entry in sys.path if os.path.abspath(entry) != _OWN)]
    import importlib

    from coral_lock.probe.child import Trial

    trial = Trial(json.loads(sys.argv[2]), int(sys.argv[1]))
    os.set_inheritable(int(sys.argv[1]), False)
    sys.argv[1:] = []
    try:
        program = importlib.import_module(trial.request["program"])
        trial.prepare()
        program.run(trial)
    except BaseException as error:
        trial.answer({"error": trial.describe(error)})
    flush()
    os._exit(0)


def run(trial: Trial) -> None:
    """Answer with the specs of the entry point."""
    trial.learn_specs(trial.look_up(trial.import_module()))


class Trial:
    """An entry point in this interpreter.

    Attributes:
        request: what is to be done.
        step: what is being done, for the message of an error.
    """

    def __init__(self, request: Mapping[str, Any], descriptor: int) -> None:
        self.request = request
        self.step = "starting the interpreter"
        self._descriptor = descriptor

    def answer(self, part: Mapping[str, object]) -> None:
        """Send a part of the answer."""
        content = json.dumps(part).encode("ascii") + b"\n"
        while content:
            content = content[os.write(self._descriptor, content) :]

    def prepare(self) -> None:
        """Let `site` do what it does at every start, then set the path and install the shim.

        An entry that `site` adds and that doesn't exist belongs to the path hook of an
        editable install, so it stays.
        """
        import site

        # A plugin may break importing, so what is needed later is imported before it.
        from coral_lock.plugin import config, facts, spec  # noqa: F401
        from coral_lock.plugin.spec import install_shim

        path = self.request["path"]
        standard_library = [entry for entry in sys.path if entry not in path and entry != _ROOT]
        before = list(sys.path)
        site.main()
        hooked = [each for each in sys.path if each not in before and not os.path.exists(each)]
        sys.path[:] = [*standard_library, *path, *hooked]
        install_shim()

    def import_module(self) -> ModuleType:
        """Import the entry point's module."""
        import importlib

        self.step = f"importing `{self.request['module']}`"
        return importlib.import_module(self.request["module"])

    def look_up(self, module: ModuleType) -> object:
        """Return the entry point's object."""
        target: object = module
        self.step = f"looking up `{self.request['attribute']}` in `{self.request['module']}`"
        for name in self.request["attribute"].split("."):
            target = getattr(target, name)
        return target

    def learn_specs(self, target: object) -> tuple[Any, ...]:
        """Answer with the specs of the entry point's object, and return them; none if it is wrong.

        The answer is `specs`, a list of objects with the `facts` and whether it is a
        `backend`, or an `error` that is `malformed`.
        """
        from coral_lock.plugin.facts import FactsError, facts_of_spec
        from coral_lock.plugin.spec import SpecError, is_backend, live_specs

        self.step = f"asking `{self.request['attribute']}` for its specs"
        try:
            specs = live_specs(target, self.request["name"])
            learned = [
                {
                    "facts": {field: getattr(facts, field) for field in facts._fields},
                    "backend": is_backend(spec),
                }
                for spec, facts in zip(specs, map(facts_of_spec, specs))
            ]
        except (FactsError, SpecError) as error:
            self.answer({"error": _one_line(error), "malformed": True})
            return ()
        self.answer({"specs": learned})
        return specs

    def describe(self, error: BaseException) -> str:
        """Return what went wrong, with the last line of the plugin that had a part in it."""
        if isinstance(error, SystemExit):
            what = f"called `sys.exit({_one_line(error.code)})`"
        else:
            message, kind = _one_line(error), type(error).__name__
            what = f"raised {kind}: {message}" if message else f"raised {kind}"
        place = self._place_of(error)
        return f"{self.step} {what}" + (f" ({place})" if place else "")

    def _place_of(self, error: BaseException) -> str:
        if isinstance(error, SyntaxError) and error.filename:
            return f"{self._shortened(error.filename)}:{error.lineno or 0}"
        place, package = "", self.request["module"].partition(".")[0]
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            module = trace.tb_frame.f_globals.get("__name__")
            if isinstance(module, str) and module.partition(".")[0] == package:
                place = f"{self._shortened(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
            trace = trace.tb_next
        return place

    def _shortened(self, file: str) -> str:
        for entry in self.request["path"]:
            if entry and file.startswith(entry + os.sep):
                return file[len(entry) + 1 :].replace(os.sep, "/")
        return file


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


def _one_line(value: object) -> str:
    try:
        text = " ".join(str(value).split())
    except BaseException:
        return ""
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= _MAX_MESSAGE else f"{text[: _MAX_MESSAGE - 1]}…"


def describe_interpreter() -> Mapping[str, object]:
    """Return what this interpreter is, and where its distributions are."""
    import sysconfig
    from importlib.machinery import EXTENSION_SUFFIXES

    return {
        "version": sys.version_info[:3],
        "executable": sys.executable,
        "standard_library": list(sys.path),
        "site_directories": _site_directories(),
        "built_in_modules": list(sys.builtin_module_names),
        "extension_suffixes": EXTENSION_SUFFIXES,
        "is_usual_build": not (
            sysconfig.get_config_var("Py_GIL_DISABLED") or hasattr(sys, "gettotalrefcount")
        ),
        "markers": _markers(),
        **_platform(),
    }


def _site_directories() -> list[str]:
    """Return the directories that `site` would add, in its order, those of the user left out.

    In a virtual environment (PEP 405) they are the environment's, and those of the
    interpreter that it was made with where `pyvenv.cfg` includes them. `site` doesn't run, so
    that the prefix has to be set here as it would be there.
    """
    import site

    base = [sys.base_prefix, sys.base_exec_prefix]
    prefixes = base
    executable_directory = os.path.dirname(os.path.abspath(sys.executable))
    environment = os.path.dirname(executable_directory)
    for directory in (executable_directory, environment):
        configuration = os.path.join(directory, "pyvenv.cfg")
        if os.path.isfile(configuration):
            sys.prefix = sys.exec_prefix = environment
            prefixes = [environment, *(base if _includes_system_site(configuration) else [])]
            break
    directories: list[str] = []
    for prefix in prefixes:
        for directory in site.getsitepackages([prefix]):
            if directory not in directories:
                directories.append(directory)
    return directories


def _includes_system_site(configuration: str) -> bool:
    """Whether a `pyvenv.cfg` lets the base interpreter's packages in; it does by default."""
    with open(configuration, encoding="utf-8", errors="replace") as file:
        text = file.read(_MAX_CONFIGURATION)
    value = "true"
    for line in text.splitlines():
        key, separator, stated = line.partition("=")
        if separator and key.strip().lower() == "include-system-site-packages":
            value = stated.strip().lower()
    return value == "true"


def _platform() -> Mapping[str, object]:
    """Return what identifies a platform, see `targets.machine.platform_of`."""
    import platform

    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        libc = ""
    return {
        "system": sys.platform,
        "machine": platform.machine(),
        "is_narrow": sys.maxsize <= 1 << 32,
        "libc": libc,
        "release": platform.mac_ver()[0],
    }


def _markers() -> Mapping[str, str]:
    """Return the marker environment (PEP 508)."""
    import platform

    implementation = sys.implementation.version
    implementation_version = ".".join(map(str, implementation[:3]))
    if implementation.releaselevel != "final":
        implementation_version += f"{implementation.releaselevel[0]}{implementation.serial}"
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": implementation_version,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "platform_python_implementation": platform.python_implementation(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(sys.argv[1] + json.dumps(describe_interpreter(), sort_keys=True), flush=True)
    else:
        main()
