"""The program that runs in other interpreters: it describes them, or imports an entry point.

As `ask_interpreter` runs it, its arguments are `describe`, a mark, and the directory that this
project's dependencies are imported from. It prints the mark and a description of the interpreter
as JSON. It runs isolated (`-I -S`) then, so that nothing that is installed for the interpreter
runs, and may run in any Python 3.7 or newer.

As `run_entry_point` runs it, they are the descriptor to answer on and the request as JSON. The
request names the module whose function `run` handles the entry point; this module's own learns
its specs. The answer is one JSON object a line, so that what is known before a plugin ends the
process isn't lost.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

_OWN = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(_OWN))
DESCRIBE = "describe"


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
        from coral_lock import errors  # noqa: F401
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
        name = self.request["module"]
        self.step = f"importing `{name}`"
        __import__(name)
        return sys.modules[name]

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
                {"facts": facts_of_spec(spec).to_dict(), "backend": is_backend(spec)}
                for spec in specs
            ]
        except (FactsError, SpecError) as error:
            self.answer({"error": str(error), "malformed": True})
            return ()
        self.answer({"specs": learned})
        return specs

    def describe(self, error: BaseException) -> str:
        """Return what went wrong, with the last place of foreign code that had a part in it."""
        from coral_lock.errors import describe_exception

        text = describe_exception(error)
        verb = "" if isinstance(error, SystemExit) else "raised "
        text = f"{self.step} {verb}{text.removeprefix('it ')}"
        for entry in filter(None, self.request["path"]):
            text = text.replace(entry + os.sep, "")
        return text


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


def describe_interpreter(libraries: str) -> object:
    """Return what this interpreter is, and where its distributions are.

    Of one that this project doesn't support it is just the version.

    Args:
        libraries: the directory that this project's dependencies are imported from.
    """
    import platform
    from importlib.machinery import EXTENSION_SUFFIXES

    if sys.version_info < (3, 10):  # noqa: UP036
        return platform.python_version()
    standard_library = list(sys.path)
    sys.path += [_ROOT, libraries]
    from packaging.markers import default_environment

    from coral_lock.targets.machine import this_machine

    machine = this_machine()
    return {
        "executable": sys.executable,
        "standard_library": standard_library,
        "site_directories": _site_directories(),
        "built_in_modules": sys.builtin_module_names,
        "extension_suffixes": EXTENSION_SUFFIXES,
        "markers": default_environment(),
        "python": machine.python,
        "platform": machine.platform.to_dict(),
    }


def _site_directories() -> list[str]:
    """Return the directories that `site` would add, in its order, those of the user left out.

    In a virtual environment (PEP 405) they are the environment's, and those of the
    interpreter that it was made with where `pyvenv.cfg` includes them. No `.pth` file is read.
    """
    import site

    directories: dict[str, None] = {}

    def note(sitedir: str, known_paths: set[str] | None = None) -> None:
        directories[sitedir] = None

    site.addsitedir = note
    known: set[str] = set()
    site.venv(known)
    site.addsitepackages(known)
    return list(directories)


if __name__ == "__main__":
    if sys.argv[1] == DESCRIBE:
        print(sys.argv[2] + json.dumps(describe_interpreter(sys.argv[3])), flush=True)
    else:
        main()
