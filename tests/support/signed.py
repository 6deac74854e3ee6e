"""A working directory with keys and a signed lock, and all that a refusal says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from coral_lock.lockfile.text import write_lock
from coral_lock.signing.keys import make_key
from tests.support.device import Outcome
from tests.support.in_process import WorkingDirectory
from tests.support.locks import sample_lock

LOCK = write_lock(sample_lock())
OTHER_LOCK = write_lock(sample_lock().replace(platform="other"))
NAMES = ("old", "new", "third", "stranger")


class Signing:
    """Keys called `old`, `new`, `third` and `stranger`, and a keyring `keyring` with `old`."""

    def __init__(self, directory: Path, ids: Mapping[str, str] | None = None) -> None:
        self.work = WorkingDirectory(directory=directory)
        self.directory = directory
        self.ids = ids or {name: make_key(str(directory / name)) for name in NAMES}
        self.keyring("keyring", "old")
        self.work.write("coral.lock", LOCK)

    def copied(self, directory: Path) -> Signing:
        """Return the same keys in a new directory."""
        shutil.copytree(self.directory, directory)
        return Signing(directory, self.ids)

    def keyring(self, name: str, *keys: str, configuration: str | None = None) -> Path:
        """Make a keyring of these keys, in place of the one of that name."""
        path = self.directory / name
        path.mkdir(exist_ok=True)
        for file in path.iterdir():
            file.unlink()
        for key in keys:
            (path / f"{key}.pub").write_bytes((self.directory / f"{key}.pub").read_bytes())
        if configuration is not None:
            (path / "keyring.yaml").write_text(configuration)
        return path

    def sign(self, *keys: str, serial: int | None = None, options: tuple[str, ...] = ()) -> Outcome:
        words = [f"--key={key}.key" for key in keys]
        words += [] if serial is None else [f"--serial={serial}"]
        return self.work.coral("sign", *words, *options)

    def released(self, serial: int, *keys: str, lock: str = LOCK, trust: str | None = None) -> None:
        """Write a lock, and sign it anew."""
        (self.directory / "coral.lock.sig").unlink(missing_ok=True)
        self.work.write("coral.lock", lock)
        options = () if trust is None else (f"--trust={trust}",)
        self.sign(*keys, serial=serial, options=options).require(0)

    def accept(self, *options: str) -> Outcome:
        return self.work.coral("accept", "--keyring=keyring", "--trust-dir=trust", *options)

    def accepted(self, *options: str) -> Any:
        """Accept, insist on success, and return the JSON document."""
        return self.accept(*options, "--output-format=json").require(0).json()

    @property
    def signature(self) -> Path:
        return self.directory / "coral.lock.sig"

    @property
    def record(self) -> Path:
        return self.directory / "trust" / "accepted.json"

    def short(self, *names: str) -> str:
        """Return the beginnings of the ids of keys, as messages list them."""
        return ", ".join(sorted(self.ids[name][:12] for name in names))

    def change_envelope(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change one thing of the envelope."""
        document = json.loads(self.signature.read_text())
        change(document)
        self.signature.write_text(json.dumps(document))
