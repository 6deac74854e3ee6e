"""Importing and activating plugins, strictly as a lock names them."""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from time import perf_counter

from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.host.entry_points import ServedEntryPoint
from coral_lock.names import ENTRY_POINT_GROUPS
from coral_lock.plugin.config import SILENT_HOST
from coral_lock.plugin.facts import FactsError, facts_of_spec
from coral_lock.plugin.shim import install_shim
from coral_lock.plugin.spec import BackendAdapter, PluginSpec, SpecError, is_backend, live_specs
from coral_lock.record import Record
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    REFUSED,
    UNSUPPORTED,
    PluginOutcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence
    from types import TracebackType
    from typing import Any, NoReturn

    from coral_lock.lockfile.entries import LockedPlugin
    from coral_lock.plugin.config import RuntimeConfig

_HOST_LISTS = ("CORAL_BACKEND_MODULES", "CORAL_EXTRA_PATCHES")
_LOCKED_FIELDS = ("description", "min_core_version", "min_inference_version")


def silence_host(environment: MutableMapping[str, str]) -> None:
    """Switch off what the host would load by itself: plugins, backends, and its own start.

    Args:
        environment: the variables of the process, which the host reads at import.
    """
    environment.update(SILENT_HOST)
    for name in _HOST_LISTS:
        environment.pop(name, None)


class _Refusal(Exception):
    """The plugin isn't what the lock says; nothing of it is activated."""


class PluginUnavailable(Exception):
    """What the host is told of a plugin that can't be handed to it."""


class _ProcessEnded(BaseException):
    """A plugin called `os._exit`."""


class _ExitGuard:
    """From construction on, `os._exit` raises where it would end this process.

    It goes on ending forks of it, and the process too where another thread calls it, or
    whoever has kept it, later.
    """

    def __init__(self) -> None:
        self._exit = os._exit
        self._owner: object = (os.getpid(), get_ident())
        self._put(self._raise)

    def release(self) -> None:
        """Let `os._exit` end this process again."""
        self._owner = None
        self._put(self._exit)

    def _put(self, exit_: Callable[[int], NoReturn]) -> None:
        os._exit = sys.modules[os.name]._exit = exit_  # type: ignore[assignment,attr-defined]

    def _raise(self, status: int) -> NoReturn:
        if self._owner == (os.getpid(), get_ident()):
            raise _ProcessEnded(f"it called `os._exit({status!r:.80})`")
        self._exit(status)


class _Attempt(Record):
    status: str
    reason: str | None = None


class Activator:
    """Activates plugins one by one, or has the host do it, and remembers what became of them.

    Args:
        config: what each plugin is handed, where the host doesn't bring a config of its own.
        versions: the version of each plugin's distribution, by name; for the report.
    """

    def __init__(
        self,
        config: RuntimeConfig,
        versions: Mapping[str, str],
    ) -> None:
        self._config = config
        self._versions = versions
        self._specs: dict[str, tuple[Any, ...] | BaseException] = {}
        self._outcomes: dict[str, PluginOutcome] = {}
        self._is_host_starting = False

    def activate_all(
        self, plugins: Sequence[LockedPlugin]
    ) -> tuple[tuple[PluginOutcome, ...], tuple[Finding, ...]]:
        """Activate plugins in the order given; one that fails doesn't stop the rest.

        Raises:
            KeyboardInterrupt: the user interrupted a plugin.
        """
        install_shim()
        for plugin in plugins:
            self._record(plugin, self._activate_by_ourselves)
        return self.outcomes(plugins)

    def outcomes(
        self, plugins: Sequence[LockedPlugin]
    ) -> tuple[tuple[PluginOutcome, ...], tuple[Finding, ...]]:
        """Return what became of each plugin, and a finding for each that failed."""
        outcomes = tuple(
            self._outcomes.get(plugin.id) or self._outcome(plugin, _Attempt(status=NOT_RUN))
            for plugin in plugins
        )
        findings = tuple(
            _finding(plugin, outcome)
            for plugin, outcome in zip(plugins, outcomes)
            if outcome.status in (FAILED, REFUSED)
        )
        return outcomes, findings

    def entry_points(self, plugins: Sequence[LockedPlugin]) -> tuple[ServedEntryPoint, ...]:
        """Return the entry points of plugins, each of which loads one verified spec."""
        return tuple(
            ServedEntryPoint(
                group=ENTRY_POINT_GROUPS[plugin.group],
                name=plugin.name,
                value=plugin.entry_point,
                distribution=plugin.distribution,
                load=self._loader(plugin),
            )
            for plugin in plugins
        )

    def begin_host(self) -> None:
        """Record from now on what the host does with the plugins that it is handed."""
        self._is_host_starting = True

    def end_host(self) -> None:
        """Record nothing any more: the host has started."""
        self._is_host_starting = False

    def _record(
        self, plugin: LockedPlugin, attempt: Callable[[LockedPlugin], _Attempt]
    ) -> _Attempt:
        """Attempt something, whatever it raises, and keep its outcome."""
        started = perf_counter()
        exit_guard = _ExitGuard()
        try:
            outcome = attempt(plugin)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"while `{plugin.id}` was activated") from None
        except _Refusal as refusal:
            outcome = _Attempt(status=REFUSED, reason=str(refusal))
        except BaseException as error:
            outcome = _Attempt(status=FAILED, reason=describe_exception(error))
        finally:
            exit_guard.release()
        self._outcomes[plugin.id] = self._outcome(
            plugin, outcome, round((perf_counter() - started) * 1e6)
        )
        return outcome

    def _outcome(
        self, plugin: LockedPlugin, attempt: _Attempt, duration_us: int = 0
    ) -> PluginOutcome:
        earlier = self._outcomes.get(plugin.id)
        return PluginOutcome(
            id=plugin.id,
            status=attempt.status,
            distribution=plugin.distribution,
            version=self._versions[plugin.distribution],
            reason=attempt.reason,
            duration_us=duration_us + (earlier.duration_us if earlier else 0),
        )

    def _activate_by_ourselves(self, plugin: LockedPlugin) -> _Attempt:
        spec = self._locked_spec(plugin)
        if plugin.group == "backends":
            support = _support(spec, self._config.platform, self._config)
            if support is not None:
                return support
        return _activate(spec, plugin, self._config.platform, self._config)

    def _loader(self, plugin: LockedPlugin) -> Callable[[], object]:
        return lambda: self._load_for_host(plugin)

    def _load_for_host(self, plugin: LockedPlugin) -> object:
        """Return the verified spec of a plugin, as the host's own class for it.

        Raises:
            PluginUnavailable: the plugin can't be imported, or isn't what the lock says.
        """

        def load(plugin: LockedPlugin) -> _Attempt:
            self._locked_spec(plugin)
            return _Attempt(status=NOT_RUN)

        attempt = self._attempt_in_host(plugin, load)
        if attempt.status != NOT_RUN:
            raise PluginUnavailable(attempt.reason)
        spec = self._locked_spec(plugin)

        def supports(platform: str, config: Any) -> bool:
            self.hand_over_services(config)
            attempt = self._attempt_in_host(
                plugin, lambda _: _support(spec, platform, config) or _Attempt(status=NOT_RUN)
            )
            return attempt.status == NOT_RUN

        def activate(platform: str, config: Any) -> bool:
            self.hand_over_services(config)
            attempt = self._attempt_in_host(
                plugin, lambda _: _activate(spec, plugin, platform, config)
            )
            return attempt.status == ACTIVATED

        if plugin.group == "backends":
            adapter = _host_class("backends", "BackendAdapter", BackendAdapter)
            return adapter(name=plugin.name, supports=supports, activate=activate)
        return [
            _host_class("plugins", "PluginSpec", PluginSpec)(
                name=plugin.name,
                activate=lambda config: activate(self._config.platform, config),
                description=plugin.description,
                min_core_version=plugin.min_core_version,
                min_inference_version=plugin.min_inference_version,
            )
        ]

    def _attempt_in_host(
        self, plugin: LockedPlugin, attempt: Callable[[LockedPlugin], _Attempt]
    ) -> _Attempt:
        """Attempt something on behalf of the host; only its first start is on record."""
        return self._record(plugin, attempt) if self._is_host_starting else attempt(plugin)

    def hand_over_services(self, config: object) -> None:
        """Let the host's own config have the services, which can't come by the environment.

        It is changed in place, and only while the host starts: a config that a program
        brings along is the program's.
        """
        services = getattr(config, "services", None)
        if self._is_host_starting and isinstance(services, dict):
            services.clear()
            services.update(self._config.services)

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
        __import__(module_name)
        target: object = sys.modules[module_name]
        for attribute in attribute_path.split("."):
            target = getattr(target, attribute)
        return target


def _support(spec: Any, platform: str, config: Any) -> _Attempt | None:
    """Return why a backend isn't activated on a platform, None where it supports it."""
    supported = spec.supports(platform, config)
    if supported is True:
        return None
    if supported is False:
        return _Attempt(status=UNSUPPORTED, reason=f"it doesn't support the platform `{platform}`")
    return _no_bool("supports", supported, "True or False")


def _activate(spec: Any, plugin: LockedPlugin, platform: str | None, config: Any) -> _Attempt:
    is_backend_plugin = plugin.group == "backends"
    result = spec.activate(platform, config) if is_backend_plugin else spec.activate(config)
    if result is True:
        return _Attempt(status=ACTIVATED)
    return _no_bool("activate", result, "True")


def _host_class(module: str, name: str, ours: type) -> Any:
    """Return the host's own class for a spec, ours where it has none."""
    return getattr(sys.modules.get(f"coral_inference.runtime.{module}"), name, ours)


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
    description = _describe(error)
    traceback: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith("<") and code.co_filename != __file__:
            place = f" ({code.co_filename}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return description + place


def _describe(error: BaseException) -> str:
    """Return what an exception says, which is code of the plugin again."""
    # Its class may have a metaclass that answers by itself.
    name = str(type.__dict__["__name__"].__get__(type(error)))
    try:
        if isinstance(error, SystemExit):
            return f"it called `sys.exit({error.code!r:.80})`"
        if isinstance(error, _ProcessEnded):
            return str(error)
        message = " ".join(str(error).split())[:500]
    except BaseException:
        message = "its message can't be shown"
    return f"{name}: {message}" if message else name
