"""What entry points yield when they run, for many of them: a probe starts an interpreter for each.

As a program it reads a JSON array of directories, values and names of entry points, imports each
in a process of its own, forked before anything was imported, and prints a line of facts for it.
"""

from __future__ import annotations

import importlib
import json
import operator
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from coral_lock.inventory import EntryPoint
from coral_lock.plugin.facts import facts_of_spec
from coral_lock.plugin.spec import install_shim, live_specs

_REPOSITORY = Path(__file__).parents[2]


def live_facts(targets: Iterable[tuple[Path, EntryPoint]]) -> Mapping[tuple[Path, EntryPoint], str]:
    """Return the `repr` of the facts of each entry point that is below the directory beside it."""
    wanted = tuple(targets)
    request = [(str(root), target.value, target.name) for root, target in wanted]
    done = subprocess.run(
        (sys.executable, "-m", "tests.support.live_facts"),
        input=json.dumps(request),
        cwd=_REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    return dict(zip(wanted, done.stdout.splitlines(), strict=True))


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    install_shim()
    for root, value, name in json.load(sys.stdin):
        if os.fork() == 0:
            sys.path.insert(0, root)
            module, _, attribute = value.partition(":")
            target = operator.attrgetter(attribute)(importlib.import_module(module))
            print(tuple(map(facts_of_spec, live_specs(target, name))), file=answers, flush=True)
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    main()
