"""Importing and activating plugins, strictly as a lock names them."""

from __future__ import annotations

import os
import sys
from time import perf_counter

from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.module_lookup import module_origin
from coral_lock.plugin.facts import FactsError, facts_of_spec
from coral_lock.plugin.live_spec import SpecError, is_backend, live_specs
from coral_lock.plugin.shim import install_shim
from coral_lock.record import Record
from coral_lock.start.report import ACTIVATED, FAILED, REFUSED, UNSUPPORTED, PluginOutcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence
    from typing import Any

    from coral_lock.lockfile.model import LockedPlugin
    from coral_lock.plugin.config import RuntimeConfig

_HOST_SWITCHES = {
    "CI_RUNTIME_AUTOINIT": "0",
    "CORAL_AUTO_DISCOVER_BACKENDS": "0",
    "CORAL_ENABLE_PLUGINS": "0",
}
_HOST_LISTS = ("CORAL_BACKEND_MODULES", "CORAL_EXTRA_PATCHES")
_LOCKED_FIELDS = ("description", "min_core_version", "min_inference_version")


def silence_host(environment: MutableMapping[str, str]) -> None:
    """Switch off what the host would load by itself: plugins, backends, and its own start.

    Args:
        environment: the variables of the process, which the host reads at import.
    """
    environment.update(_HOST_SWITCHES)
    for name in _HOST_LISTS:
        environment.pop(name, None)


class _Refusal(Exception):
    """The plugin isn't what the lock says; nothing of it is activated."""


class _Attempt(Record):
    status: str
    reason: str | None = None


class Activator:
    """Activates plugins one by one and remembers what it has loaded.

    Args:
        config: what each plugin is handed.
        origins: the file from which each entry point's module must come, by module; a
            module that isn't named may come from anywhere.
        versions: the version of each plugin's distribution, by name; for the report.
    """

    def __init__(
        self,
        config: RuntimeConfig,
        origins: Mapping[str, str],
        versions: Mapping[str, str],
    ) -> None:
        self._config = config
        self._origins = origins
        self._versions = versions
        self._specs: dict[str, tuple[Any, ...] | BaseException] = {}

    def activate_all(
        self, plugins: Sequence[LockedPlugin]
    ) -> tuple[tuple[PluginOutcome, ...], tuple[Finding, ...]]:
        """Activate plugins in the order given; one that fails doesn't stop the rest.

        Raises:
            KeyboardInterrupt: the user interrupted a plugin.
        """
        install_shim()
        outcomes = [self._timed(plugin) for plugin in plugins]
        findings = [
            _finding(plugin, outcome)
            for plugin, outcome in zip(plugins, outcomes)
            if outcome.status in (FAILED, REFUSED)
        ]
        return tuple(outcomes), tuple(findings)

    def _timed(self, plugin: LockedPlugin) -> PluginOutcome:
        started = perf_counter()
        try:
            attempt = self._attempt(plugin)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"while `{plugin.id}` was activated") from None
        return PluginOutcome(
            id=plugin.id,
            status=attempt.status,
            distribution=plugin.distribution,
            version=self._versions[plugin.distribution],
            reason=attempt.reason,
            duration_us=round((perf_counter() - started) * 1e6),
        )

    def _attempt(self, plugin: LockedPlugin) -> _Attempt:
        try:
            spec = self._locked_spec(plugin)
            if plugin.group == "backends":
                supported = spec.supports(self._config.platform, self._config)
                if supported is False:
                    return _Attempt(
                        status=UNSUPPORTED,
                        reason=f"it doesn't support the platform `{self._config.platform}`",
                    )
                if supported is not True:
                    return _no_bool("supports", supported, "True or False")
                result = spec.activate(self._config.platform, self._config)
            else:
                result = spec.activate(self._config)
            if result is True:
                return _Attempt(status=ACTIVATED)
            return _no_bool("activate", result, "True")
        except KeyboardInterrupt:
            raise
        except _Refusal as refusal:
            return _Attempt(status=REFUSED, reason=str(refusal))
        except BaseException as error:
            return _Attempt(status=FAILED, reason=describe_exception(error))

    def _locked_spec(self, plugin: LockedPlugin) -> Any:
        """Return the live spec of a plugin, once it equals what the lock says."""
        key = f"{plugin.group}:{plugin.entry_point}"
        if key not in self._specs:
            try:
                self._specs[key] = live_specs(self._load(plugin.entry_point), plugin.name)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._specs[key] = error
        specs = self._specs[key]
        if isinstance(specs, SpecError):
            raise _Refusal(f"`{plugin.entry_point}` yields no spec: {specs}")
        if isinstance(specs, BaseException):
            raise specs
        matching = [spec for spec in specs if spec.name == plugin.name]
        if len(matching) != 1:
            names = ", ".join(f"`{spec.name}`" for spec in specs)
            raise _Refusal(
                f"`{plugin.entry_point}` yields {len(matching)} specs named `{plugin.name}`; "
                f"it yields {names}"
            )
        _refuse_drift(plugin, matching[0])
        return matching[0]

    def _load(self, entry_point: str) -> object:
        module_name, _, attribute_path = entry_point.partition(":")
        expected = self._origins.get(module_name)
        if expected is not None:
            origin = module_origin(module_name)
            if origin is None or os.path.abspath(origin) != expected:
                raise _Refusal(
                    f"`{module_name}` would be imported from {origin or 'nowhere'}, "
                    f"not from {expected}"
                )
        __import__(module_name)
        target: object = sys.modules[module_name]
        for attribute in attribute_path.split("."):
            target = getattr(target, attribute)
        return target


def _no_bool(function: str, result: object, expected: str) -> _Attempt:
    if hasattr(result, "__await__"):
        getattr(result, "close", lambda: None)()
        return _Attempt(status=FAILED, reason=f"`{function}` is async, so it never ran")
    return _Attempt(status=FAILED, reason=f"`{function}` returned {result!r:.80}, not {expected}")


def _refuse_drift(plugin: LockedPlugin, spec: object) -> None:
    try:
        facts = facts_of_spec(spec)
    except FactsError as error:
        raise _Refusal(f"its live spec is malformed: {error}") from None
    if (plugin.group == "backends") != is_backend(spec):
        kind = "a backend adapter" if is_backend(spec) else "no backend adapter"
        raise _Refusal(f"its live spec is {kind}, which doesn't fit the group `{plugin.group}`")
    for field in _LOCKED_FIELDS:
        locked, live = getattr(plugin, field), getattr(facts, field)
        if locked != live:
            raise _Refusal(f"its live spec says {field} {live!r}, the lock says {locked!r}")


def _finding(plugin: LockedPlugin, outcome: PluginOutcome) -> Finding:
    is_drift = outcome.status == REFUSED
    return Finding(
        code="spec-drift" if is_drift else "activation-failed",
        severity=WARNING if plugin.optional else ERROR,
        subject=plugin.id,
        summary=f"`{plugin.id}` of `{plugin.distribution}` "
        + ("isn't what the lock says" if is_drift else "failed")
        + f": {outcome.reason}",
        where=plugin.entry_point,
        hint="run `coral-runtime lock` where it is installed, and have the change reviewed"
        if is_drift
        else "see what it printed above; `optional: true` in the descriptor lets a start go on "
        "without it",
    )


def describe_exception(error: BaseException) -> str:
    """Return what a plugin raised in one line, with the last place in its own code."""
    if isinstance(error, SystemExit):
        description = f"it called `sys.exit({error.code!r:.80})`"
    else:
        message = _message_of(error)
        description = f"{type(error).__name__}: {message}" if message else type(error).__name__
    traceback, place = error.__traceback__, ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith("<") and code.co_filename != __file__:
            place = f" ({code.co_filename}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return description + place


def _message_of(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:500]
    except Exception:
        return "its message can't be shown"
