"""Loads and activates the plugins of a group with stevedore."""

from __future__ import annotations

import os
import sys

from stevedore import ExtensionManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "host"))
manager: ExtensionManager[Any] = ExtensionManager(sys.argv[1], invoke_on_load=True)
activated = [extension.obj.activate({}) for extension in manager if extension.obj]
sys.exit(0 if activated == [True] * int(sys.argv[2]) else 1)
