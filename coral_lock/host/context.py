"""The state that the host reports once it has started, and how it differs from the request."""

from __future__ import annotations

import sys

from coral_lock.finding import Finding
from coral_lock.imports.finder import installed_imports
from coral_lock.installed.import_lookup import import_chain
from coral_lock.names import HOST_MODULE, plugin_id
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coral_lock.plugin.config import RuntimeConfig

_PLUGIN_MODULE = f"{HOST_MODULE}.runtime.plugins"
_CONTEXT_MODULE = f"{HOST_MODULE}.runtime"

OWN_BACKENDS = frozenset({"onnx", "rknn"})
"""The backends that the host registers by itself."""

_HINT = "this version of the host may load plugins in another way: report it to coral-lock"


class HostState(Record):
    """The state in the host's own context, as plain data.

    `platform` is its name for the platform; `patches_enabled` has its built-in patches,
    `backends_enabled` the active backends in order, including its own, and
    `plugins_loaded` the patches and workflows by id. `log_messages` are the host's.
    """

    platform: str
    patches_enabled: Mapping[str, bool]
    backends_enabled: tuple[str, ...]
    plugins_loaded: Mapping[str, bool]
    log_messages: tuple[str, ...] = ()


def is_host_installed() -> bool:
    """Whether a host that loads plugins would be imported; nothing of it is run.

    A core without `coral_inference.runtime.plugins` loads none, and our own stand-in for a
    missing one is no host.
    """
    if HOST_MODULE in sys.modules and not is_host_imported():
        return False
    for imports in installed_imports():
        if HOST_MODULE in imports.index.names:
            # It is imported from the locked files, whatever the path has.
            return any(
                files.module(f"{HOST_MODULE}/runtime", "plugins") is not None
                for files in imports.files().roots.values()
            )
    chain = import_chain(_PLUGIN_MODULE)
    return bool(chain) and chain[-1].name == _PLUGIN_MODULE


def is_host_imported() -> bool:
    """Whether the host is already running."""
    module = sys.modules.get(HOST_MODULE)
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return module is not None and not getattr(loader, "is_coral_lock", False)


def current_context() -> object | None:
    """Return the context of a host that has been imported, None if it has none."""
    module = sys.modules.get(_CONTEXT_MODULE)
    function = getattr(module, "get_current_context", None)
    return function() if callable(function) else None


def state_of(context: object) -> HostState | None:
    """Return the state in the host's context, None if its form is unknown."""
    state = getattr(context, "state", None)
    platform = getattr(state, "platform", None)
    patches = getattr(state, "patches_enabled", None)
    backends = getattr(state, "backends_enabled", None)
    plugins = getattr(state, "plugins_loaded", None)
    messages = getattr(context, "log_messages", None)
    if not (
        isinstance(platform, str)
        and isinstance(patches, dict)
        and isinstance(backends, (list, tuple))
        and isinstance(plugins, dict)
    ):
        return None
    return HostState(
        platform=platform,
        patches_enabled={str(name): value is True for name, value in sorted(patches.items())},
        backends_enabled=tuple(str(name) for name in backends),
        plugins_loaded={str(name): value is True for name, value in sorted(plugins.items())},
        log_messages=tuple(str(each) for each in messages) if isinstance(messages, list) else (),
    )


def state_findings(
    state: HostState | None, config: RuntimeConfig, active: Mapping[str, bool | None]
) -> Iterator[Finding]:
    """Yield where the host's state differs from descriptor and lock.

    Args:
        state: what the host reports; None if that can't be understood.
        config: what was requested.
        active: whether each plugin became active, by id; None if the host never loaded it.
    """
    if state is None:
        yield _difference("its context", "a context with its state", "none")
        return
    if state.platform != config.platform:
        yield _difference("its platform", config.platform, state.platform)
    for name, is_on in config.effective_patches().items():
        if state.patches_enabled.get(name) and not is_on:
            yield _difference(f"the patch `{name}`", "off", "on")
    says: dict[str, bool] = dict(state.plugins_loaded)
    says.update((plugin_id("backends", name), True) for name in state.backends_enabled)
    for identifier, is_active in sorted(active.items()):
        found = says.pop(identifier, False)
        if is_active is None:
            yield _difference(
                f"`{identifier}`",
                "loaded from its locked entry point",
                "loaded otherwise" if found else "not loaded",
            )
        elif found is not is_active:
            yield _difference(
                f"`{identifier}`",
                "active" if is_active else "not active",
                "active" if found else "not active",
            )
    for identifier in sorted(says):
        group, _, name = identifier.partition(":")
        if group != "backends" or not (name in OWN_BACKENDS or config.backend_entry_modules):
            yield _difference(f"`{identifier}`", "not loaded", "loaded")


def _difference(what: str, expected: str, found: str) -> Finding:
    return Finding(
        code="host-state",
        subject=HOST_MODULE,
        summary=f"the host's state isn't the requested one: {what}",
        expected=expected,
        found=found,
        where=_CONTEXT_MODULE,
        hint=_HINT,
    )
