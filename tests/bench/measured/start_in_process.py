"""Times `coral_lock.init` with its imports done, and adds the milliseconds to a file.

The arguments are that file, the lock, the state directory, and the modules to import;
standard output names the modules of the package that the start came to need.
"""

import sys
from importlib import import_module
from time import perf_counter

results, lock, state_directory, *modules = sys.argv[1:]
for module in modules:
    import_module(module)

import coral_lock  # noqa: E402

started = perf_counter()
coral_lock.init(lock=lock, state_directory=state_directory)
took = perf_counter() - started
with open(results, "a", encoding="utf-8") as file:
    file.write(f"{took * 1e3}\n")
print(*(name for name in sys.modules if name.partition(".")[0] == "coral_lock"), sep="\n")
