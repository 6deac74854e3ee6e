"""How long it takes to lock a real wheelhouse, beside what inflating and hashing it takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import Measurement, Program, measure, output_of
from tests.support.environments import Environment
from tests.support.handmade_wheels import make_wheel
from tests.support.wheelhouse import REAL_INFERENCE, REPOSITORY

WHEELS = REPOSITORY / ".cache" / "bench-inference"
PLUGIN_COUNT = 40
REQUIRED = (
    "aiohttp", "attrs", "boto3", "cachetools", "cffi", "cryptography", "fastapi", "filelock",
    "fsspec", "httpx", "idna", "imageio", "lxml", "matplotlib", "networkx", "numpy", "openai",
    "pandas", "pillow", "pluggy", "prometheus-client", "protobuf", "psutil", "pydantic", "pyjwt",
    "pyparsing", "python-dateutil", "pyyaml", "redis", "requests", "rich", "scikit-image",
    "scipy", "shapely", "structlog", "sympy", "tokenizers", "tqdm", "urllib3", "zxing-cpp",
)  # fmt: skip
"""What the plugins require; not OpenCV, of which there are two that overwrite each other."""

COLD, CHECK, INFLATE, HASH = (
    "`lock --wheels`, cold",
    "`lock --wheels --check`, cached",
    "`zlib` and `hashlib` on every file in the wheels",
    "`hashlib` on the wheels as they are",
)
RUNS = 5
_MEASURED = Path(__file__).parent / "measured"


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelhouseSpeed:
    """What was measured: the programs by name, and what they worked on.

    `resolution_seconds` is what choosing among 2,000 distributions in 10 versions takes.
    """

    programs: Mapping[str, Measurement]
    wheel_count: int
    packed_bytes: int
    unpacked_bytes: int
    resolution_seconds: float


def fetch_wheels(progress: Callable[[str], None]) -> Path:
    """Return a directory with the wheels of the real host and of all that it requires.

    They are downloaded and, where there are only sources, built at the first call.

    Raises:
        subprocess.CalledProcessError: pip can't get them, as where this Python is too new.
    """
    if not WHEELS.is_dir():
        progress(f"downloading the wheels of {REAL_INFERENCE}")
        partial = WHEELS.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run(
            (
                sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(partial),
                REAL_INFERENCE,
            ),
            check=True,
            stdout=sys.stderr,
        )  # fmt: skip
        partial.rename(WHEELS)
    return WHEELS


def measure_wheelhouse(
    environment: Environment,
    root: Path,
    variables: Mapping[str, str],
    progress: Callable[[str], None],
) -> WheelhouseSpeed:
    """Lock the real wheelhouse with plugins that require parts of it, and measure it.

    Args:
        environment: where coral-lock is installed.
        root: where the plugins' wheels and the locks are written.
        variables: the environment variables of what is measured; the cache is below `root`.
        progress: is told what goes on.
    """
    real = fetch_wheels(progress)
    root.mkdir(parents=True)
    wheelhouse = root / "wheelhouse"
    wheelhouse.mkdir()
    for number in range(PLUGIN_COUNT):
        _make_plugin(wheelhouse, number)
    for wheel in sorted(real.glob("*.whl")):
        (wheelhouse / wheel.name).symlink_to(wheel)
    command = (str(environment.bin / "coral-runtime"), "lock", "--core-version", "0.0.4")
    place = ("--wheels", str(wheelhouse))
    planned = [
        Program(
            name=COLD, words=(*command, *place, "--no-cache", "-o", "cold.lock"), directory=root
        ),
        Program(name=CHECK, words=(*command, *place, "-o", "warm.lock", "--check"), directory=root),
        *(
            Program(
                name=name,
                words=(str(environment.python), str(_MEASURED / program), str(wheelhouse)),
                directory=root,
            )
            for name, program in ((INFLATE, "inflate_speed.py"), (HASH, "wheel_hash_speed.py"))
        ),
    ]
    progress("locking the wheelhouse")
    output_of(
        Program(name="lock", words=(*command, *place, "-o", "warm.lock"), directory=root), variables
    )
    measured = measure(planned, runs=RUNS, variables=variables, progress=progress)
    wheels = list(wheelhouse.glob("*.whl"))
    progress("choosing versions")
    return WheelhouseSpeed(
        programs={program.name: each for program, each in zip(planned, measured)},
        wheel_count=len(wheels),
        packed_bytes=sum(wheel.stat().st_size for wheel in wheels),
        unpacked_bytes=int(output_of(planned[2], variables)),
        resolution_seconds=float(
            output_of(
                Program(
                    name="choosing",
                    words=(sys.executable, "-m", "tests.bench.measured.choose_speed"),
                    directory=REPOSITORY,
                ),
                variables,
            )
        ),
    )


def _make_plugin(directory: Path, number: int) -> None:
    package = f"wheel_plugin_{number:02}"
    make_wheel(
        directory,
        package,
        {
            f"{package}/__init__.py": (
                "from coral_inference.runtime.plugins import PluginSpec\n\n\n"
                "def register():\n"
                "    def activate(config):\n"
                "        return True\n\n"
                f'    return PluginSpec(name="{package}", activate=activate)\n'
            )
        },
        entry_point=f"{package}:register",
        requires=REQUIRED[number],
    )
