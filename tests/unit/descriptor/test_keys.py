"""Dotted keys, as messages write them."""

from __future__ import annotations

import pytest

from coral_lock.document.node import dotted


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("patches", "camera_stabilizer"), "patches.camera_stabilizer"),
        (("patches", "acme-vision"), "patches.acme-vision"),
        (("patches", "odd.name"), 'patches."odd.name"'),
        (("patches", ""), 'patches.""'),
        (("patches", 'a"b\n'), 'patches."a\\"b\\n"'),
        (("odd name",), '"odd name"'),
        (("backends", "modules", 0), "backends.modules[0]"),
    ],
)
def test_a_key_as_text(parts: tuple[str | int, ...], key: str) -> None:
    assert dotted(parts) == key
