"""Wheels as no build back end would make them."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_wheel(
    directory: Path,
    name: str,
    files: Mapping[str, str | bytes],
    *,
    entry_point: str = "",
    requires: str = "",
    version: str = "1.0",
    tag: str = "py3-none-any",
    build: str = "",
    metadata_lines: str = "",
    wheel_lines: str = "",
    compressed: bool = False,
) -> Path:
    """Write a wheel by hand, as no build back end would make it.

    `metadata_lines` and `wheel_lines` are further lines of METADATA and WHEEL, and
    `entry_point` is that of the distribution's own name, or all lines of the patches.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    dist_info = f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    members: dict[str, str | bytes] = {
        **files,
        f"{dist_info}/METADATA": metadata
        + (f"Requires-Dist: {requires}\n" if requires else "")
        + metadata_lines,
        f"{dist_info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
        + wheel_lines,
    }
    if entry_point:
        members[f"{dist_info}/entry_points.txt"] = "[coral_inference.patches]\n" + (
            entry_point if "=" in entry_point else f"{name} = {entry_point}\n"
        )
    rows = []
    for path, text in members.items():
        content = text.encode() if isinstance(text, str) else text
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}\n")
    members[f"{dist_info}/RECORD"] = "".join(rows) + f"{dist_info}/RECORD,,\n"
    wheel = directory / f"{stem}{build and '-'}{build}-{tag}.whl"
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(wheel, "w", method) as archive:
        for path, text in members.items():
            archive.writestr(path, text)
    return wheel
