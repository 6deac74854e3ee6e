"""A plugin with a large closure: what proving its files costs, and importing them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.processes import Measurement, Program, measure, output_of
from tests.bench.programs import MEASURED
from tests.bench.subject import install_subject
from tests.bench.synthetic_site import SyntheticDistribution, write_distribution
from tests.support.environments import Environment, clean_environment

METADATA = "`init --locked --integrity metadata`"
IMPORTS = "`init --locked`"

_DISTRIBUTIONS = 150
_FILES = 20_000
_MODULES = 2_000
_LIBRARIES = 20
_LIBRARY_BYTES = 50_000_000
_MODULE_FUNCTIONS = 120
_PLUGIN = """\
from coral_inference.runtime.plugins import PluginSpec

def register_heavy():
    return PluginSpec(name="heavy", activate=lambda config: True)
"""


class InProcess(NamedTuple):
    """Milliseconds of importing the modules and of loading the libraries, run by run."""

    modules: tuple[float, ...]
    libraries: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosureSpeed:
    """What was measured: whole processes, and what happens in one.

    `hashing` are the milliseconds that `hashlib` takes for the same libraries.
    """

    starts: Mapping[str, Measurement]
    plain: InProcess
    locked: InProcess
    hashing: tuple[float, ...]

    @property
    def library_bytes(self) -> int:
        return _LIBRARIES * _LIBRARY_BYTES

    @property
    def proving_milliseconds(self) -> float:
        """What the default level costs a start beside `metadata`."""
        metadata, imports = self.starts[METADATA], self.starts[IMPORTS]
        return median(
            one - other for one, other in zip(imports.milliseconds, metadata.milliseconds)
        )

    @property
    def import_ratio(self) -> float:
        return median(self.locked.modules) / median(self.plain.modules)

    @property
    def library_milliseconds(self) -> float:
        """What hashing the libraries adds to loading them, nothing being hashed ahead."""
        return median(self.locked.libraries) - median(self.plain.libraries)

    @property
    def hashing_ratio(self) -> float:
        return median(self.hashing) / self.library_milliseconds


def measure_closure(
    root: Path, *, runs: int, variables: Mapping[str, str], progress: Callable[[str], None]
) -> ClosureSpeed:
    """Build an environment with a plugin of a large closure, and measure it."""
    progress("making an environment of a large closure")
    environment = install_subject(root / "environment")
    work = root / "work"
    work.mkdir()
    modules, libraries = _write_closure(environment.site_packages)
    (work / "modules").write_text("\n".join(modules))
    (work / "libraries").write_text("\n".join(map(str, libraries)))
    subprocess.run(
        (str(environment.python), "-m", "compileall", "-q", str(environment.site_packages)),
        check=True,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    )
    command = str(environment.bin / "coral-runtime")
    told = ("--core-version=1", "--inference-version=1")
    output_of(Program(name="lock", words=(command, "lock", *told), directory=work), variables)
    start = (command, "init", "--locked", "--integrity")
    programs = [
        Program(name=METADATA, words=(*start, "metadata"), directory=work),
        Program(name=IMPORTS, words=(*start, "imports"), directory=work),
    ]
    measured = measure(programs, runs=runs, variables=variables, progress=progress)
    importer = (str(MEASURED / "import_closure.py"), "modules", "libraries")
    plain = (str(environment.python), *importer)
    locked = (command, "run", "--locked", "--", "python", *importer)
    taken: dict[tuple[str, ...], list[list[float]]] = {plain: [], locked: []}
    for number in range(runs + 1):
        progress(f"importing, round {number} of {runs}")
        for words, samples in taken.items():
            # What the last start loaded would be hashed ahead, in the time of the modules.
            for hint in root.parent.glob("state/coral-lock/bytecode/libraries"):
                hint.unlink()
            output = output_of(Program(name=words[0], words=words, directory=work), variables)
            samples.append([float(each) for each in output.split()[-2:]])
    hashing = [_hash(environment, libraries, work, variables) for _ in range(min(runs, 9))]
    shutil.rmtree(root)
    return ClosureSpeed(
        starts=dict(zip((METADATA, IMPORTS), measured)),
        plain=_in_process(taken[plain][1:]),
        locked=_in_process(taken[locked][1:]),
        hashing=tuple(hashing),
    )


def _in_process(samples: list[list[float]]) -> InProcess:
    modules, libraries = zip(*samples)
    return InProcess(tuple(modules), tuple(libraries))


def _hash(
    environment: Environment, libraries: list[Path], work: Path, variables: Mapping[str, str]
) -> float:
    """Return the milliseconds in which `hashlib` hashes the libraries in one thread."""
    output = output_of(
        Program(
            name="hashing the libraries",
            words=(
                str(environment.python),
                str(MEASURED / "hash_speed.py"),
                "1",
                str(work / "libraries"),
            ),
            directory=work,
        ),
        variables,
    )
    return float(output.split()[1]) * 1e3


def _write_closure(site: Path) -> tuple[list[str], list[Path]]:
    """Write the distributions; return the modules to import and the libraries to load."""
    modules: list[str] = []
    libraries: list[Path] = []
    names = []
    for number, distribution in enumerate(_distributions()):
        names.append(distribution.name.replace("_", "-"))
        write_distribution(site, distribution)
        modules.extend(
            path.removesuffix(".py").replace("/", ".")
            for path in distribution.files
            if path.endswith(".py") and "__init__" not in path
        )
        if number < _LIBRARIES:
            libraries.extend(site / path for path in distribution.files if path.endswith(".so"))
    write_distribution(
        site,
        SyntheticDistribution(
            name="heavy",
            version="1.0",
            files={"heavy/__init__.py": "", "heavy/plugins.py": _PLUGIN},
            requires=names,
            entry_points={"coral_inference.patches": ("heavy = heavy.plugins:register_heavy",)},
        ),
    )
    return modules[:_MODULES], libraries


def _distributions() -> Iterator[SyntheticDistribution]:
    library = _padded_library()
    module_count = _MODULES // _DISTRIBUTIONS + 1
    for number in range(_DISTRIBUTIONS):
        name = f"bench_part_{number:03}"
        files: dict[str, str | bytes] = {f"{name}/__init__.py": "", f"{name}/sub/__init__.py": ""}
        for index in range(module_count):
            files[f"{name}/sub/module_{index:02}.py"] = "".join(
                f'def function_{line}(argument, other=None):\n    """Return {index}."""\n'
                f'    return ("{name}", {line}, argument, other)\n\n\n'
                for line in range(_MODULE_FUNCTIONS)
            )
        if number < _LIBRARIES:
            files[f"{name}.libs/lib{name}.so"] = library
        for index in range(_FILES // _DISTRIBUTIONS - len(files)):
            files[f"{name}/data/table_{index:03}.txt"] = f"{name} {index}\n"
        yield SyntheticDistribution(name=name, version="1.0", files=files)


def _padded_library() -> bytes:
    """Return a shared library of the interpreter, made large by what follows its content."""
    directory = Path(os.__file__).parent / "lib-dynload"
    smallest = min(directory.glob("*.so"), key=lambda path: path.stat().st_size)
    return smallest.read_bytes().ljust(_LIBRARY_BYTES, b"\0")
