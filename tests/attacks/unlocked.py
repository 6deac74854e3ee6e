"""What nobody locked, under names that nobody locked."""

from __future__ import annotations

from tests.attacks.attack import Attack
from tests.support.attacked import Attacked


def installed_free(machine: Attacked) -> None:
    info = "free-1.0.dist-info"
    machine.write("free.py")
    machine.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: free\nVersion: 1.0\n")
    machine.write(f"{info}/RECORD", f"free.py,,\n{info}/METADATA,,\n")


def free_editable(machine: Attacked) -> None:
    """Install a finder by a `.pth`, as an editable install does."""
    machine.write(
        "__editable___free_finder.py",
        "import sys\nfrom importlib.util import spec_from_file_location\n"
        "class Finder:\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        if name == 'free':\n"
        f"            return spec_from_file_location(name, {str(machine.elsewhere('free.py'))!r} "
        "+ '/free.py')\n"
        "def install():\n    sys.meta_path.append(Finder)\n",
    )
    machine.write("__editable__.free.pth", "import __editable___free_finder as f; f.install()")


ROWS = {
    "an unlocked distribution": Attack(do=installed_free, expected=("evil", "evil", "evil")),
    "an unlocked distribution, closed": Attack(
        do=installed_free, expected=("refused", "harmless", "harmless"), options=("--closed",)
    ),
    "an unlocked finder, closed": Attack(
        do=free_editable, expected=("refused", "harmless", "harmless"), options=("--closed",)
    ),
}
