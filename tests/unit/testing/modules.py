"""Writing a plugin's module for a test to import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

WritePlugin = Callable[..., str]

HEAD = "from coral_inference.runtime.plugins import PluginSpec\n"
SPEC = 'PluginSpec("glow", activate, "Make frames glow"{more})'


def module_text(body: str = "return True", *, top: str = "", more: str = "") -> str:
    """Return a module with a factory `register` for the plugin `patches:glow`.

    Args:
        body: the body of `activate`, one statement a line.
        top: what stands above the factory.
        more: further arguments of the spec.
    """
    lines = "".join(f"        {line}\n" for line in body.split("\n"))
    return (
        f"{HEAD}{top}\n"
        "def register():\n"
        f"    def activate(config):\n{lines}"
        f"    return {SPEC.format(more=more)}\n"
    )


def write_package(root: Path, name: str, text: str) -> str:
    """Write a package with the module `plugin`; return the entry point of its factory."""
    package = root / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "plugin.py").write_text(text, encoding="utf-8")
    return f"{name}.plugin:register"
