"""Importing and activating plugins, strictly as a plan names them."""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from time import perf_counter

from coral_lock.errors import ProcessEnded, describe_exception
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.plugin.facts import FactsError, facts_of_spec
from coral_lock.plugin.spec import (
    BackendAdapter,
    PluginSpec,
    SpecError,
    install_shim,
    is_backend,
    live_specs,
)
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
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, NoReturn

    from coral_lock.lockfile.entries import LockedPlugin
    from coral_lock.start.report import StartPlan

    _Outcome = tuple[str, str | None]

_LOCKED_FIELDS = ("description", "min_core_version", "min_inference_version")
_FAILURES = {
    FAILED: (
        "activation-failed",
        "failed",
        "see its output above; `optional: true` in the descriptor lets a start continue without it",
    ),
    REFUSED: (
        "spec-drift",
        "differs from the lock",
        "run `coral-runtime lock` where it is installed, and have the change reviewed",
    ),
}
"""The code, the wording and the hint of the findings about a plugin, by its status."""

_SO_FAR = NOT_RUN, None
"""The outcome of a step after which the next one may be tried."""


class _Refusal(Exception):
    """The plugin differs from the lock; nothing of it is activated."""


class PluginUnavailable(Exception):
    """The host asked for a plugin that can't be imported or was refused."""


def _without_exit(step: Callable[[], _Outcome]) -> _Outcome:
    """Take a step in which `os._exit` raises where it would end this process.

    Forks can still end themselves with it, and so can another thread, which ends this process.
    """
    module, really_exit = sys.modules[os.name], os._exit
    owner: object = (os.getpid(), get_ident())

    def exit_or_raise(status: int) -> NoReturn:
        if owner == (os.getpid(), get_ident()):
            raise ProcessEnded(f"it called `os._exit({status!r:.80})`")
        really_exit(status)

    try:
        os._exit = module._exit = exit_or_raise  # type: ignore[attr-defined]
        return step()
    finally:
        # A plugin may have kept the function.
        owner = None
        os._exit = module._exit = really_exit  # type: ignore[attr-defined]


class Activator:
    """Activates the plugins of a plan, or hands them to the host, and records the outcomes.

    Args:
        plan: what to activate.
    """

    def __init__(self, plan: StartPlan) -> None:
        self._plan = plan
        self._specs: dict[str, tuple[Any, ...] | BaseException] = {}
        self._outcomes = {outcome.id: outcome for outcome in plan.not_run()}
        self.is_host_starting = False
        """Whether what the host does with the plugins goes into their outcomes."""

    def activate_all(self) -> None:
        """Activate the plugins in their order; one that fails doesn't stop the rest.

        Raises:
            KeyboardInterrupt: the user interrupted a plugin.
        """
        install_shim()
        for plugin in self._plan.plugins:
            self._record(plugin, lambda: self._activate_here(plugin))  # noqa: B023

    def outcomes(self) -> tuple[PluginOutcome, ...]:
        """Return the outcome of each plugin so far."""
        return tuple(self._outcomes.values())

    def hand_over_services(self, config: object) -> None:
        """Put the services into the host's own config, which reads none from the environment.

        It is changed in place, and only while the host starts: a config that a program
        brings along is the program's.
        """
        services = getattr(config, "services", None)
        if self.is_host_starting and isinstance(services, dict):
            services.clear()
            services.update(self._plan.config.services)

    def _record(self, plugin: LockedPlugin, step: Callable[[], _Outcome]) -> _Outcome:
        """Take a step and record its outcome, also if it raises."""
        started = perf_counter()
        try:
            status, reason = _without_exit(step)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"while `{plugin.id}` was activated") from None
        except _Refusal as refusal:
            status, reason = REFUSED, str(refusal)
        except BaseException as error:
            status, reason = FAILED, describe_exception(error)
        earlier = self._outcomes[plugin.id]
        self._outcomes[plugin.id] = earlier.replace(
            status=status,
            reason=reason,
            duration_us=earlier.duration_us + round((perf_counter() - started) * 1e6),
        )
        return status, reason

    def _record_for_host(self, plugin: LockedPlugin, step: Callable[[], _Outcome]) -> _Outcome:
        """Take a step that the host asks for; only those of its first start are recorded."""
        return self._record(plugin, step) if self.is_host_starting else step()

    def _activate_here(self, plugin: LockedPlugin) -> _Outcome:
        spec, config = self._locked_spec(plugin), self._plan.config
        if plugin.group == "backends":
            support = _support(spec, config.platform, config)
            if support != _SO_FAR:
                return support
        return _activate(spec, plugin, config.platform, config)

    def load_for_host(self, plugin: LockedPlugin) -> object:
        """Return the verified spec of a plugin, as the host's own class for it.

        Raises:
            PluginUnavailable: the plugin can't be imported, or differs from the lock.
        """

        def load() -> _Outcome:
            self._locked_spec(plugin)
            return _SO_FAR

        status, reason = self._record_for_host(plugin, load)
        if status != NOT_RUN:
            raise PluginUnavailable(reason)
        spec = self._locked_spec(plugin)

        def supports(platform: str, config: Any) -> bool:
            self.hand_over_services(config)
            made = self._record_for_host(plugin, lambda: _support(spec, platform, config))
            return made == _SO_FAR

        def activate(platform: str, config: Any) -> bool:
            self.hand_over_services(config)
            made = self._record_for_host(plugin, lambda: _activate(spec, plugin, platform, config))
            return made[0] == ACTIVATED

        if plugin.group == "backends":
            adapter = _host_class("backends", "BackendAdapter", BackendAdapter)
            return adapter(name=plugin.name, supports=supports, activate=activate)
        made = _host_class("plugins", "PluginSpec", PluginSpec)(
            activate=lambda config: activate(self._plan.config.platform, config),
            **{field: getattr(plugin, field) for field in ("name", *_LOCKED_FIELDS)},
        )
        return [made]

    def _locked_spec(self, plugin: LockedPlugin) -> Any:
        """Return the live spec of a plugin if it equals the locked one."""
        key = f"{plugin.group}:{plugin.entry_point}"
        if key not in self._specs:
            try:
                self._specs[key] = live_specs(_load(plugin.entry_point), plugin.name)
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


def failures(plan: StartPlan, outcomes: Iterable[PluginOutcome]) -> Iterator[Finding]:
    """Yield a finding for each plugin of a plan that failed or was refused."""
    for plugin, outcome in zip(plan.plugins, outcomes):
        if outcome.status not in _FAILURES:
            continue
        code, what, hint = _FAILURES[outcome.status]
        yield Finding(
            code=code,
            severity=WARNING if plugin.optional else ERROR,
            subject=plugin.id,
            summary=f"`{plugin.id}` of `{plugin.distribution}` {what}: {outcome.reason}",
            where=plugin.entry_point,
            hint=hint,
        )


def _load(entry_point: str) -> object:
    module_name, _, attribute_path = entry_point.partition(":")
    __import__(module_name)
    target: object = sys.modules[module_name]
    for attribute in attribute_path.split("."):
        target = getattr(target, attribute)
    return target


def _support(spec: Any, platform: str, config: Any) -> _Outcome:
    """Return why a backend isn't activated on a platform, `_SO_FAR` if it supports it."""
    supported = spec.supports(platform, config)
    if supported is True:
        return _SO_FAR
    if supported is False:
        return UNSUPPORTED, f"it doesn't support the platform `{platform}`"
    return _no_bool("supports", supported, "True or False")


def _activate(spec: Any, plugin: LockedPlugin, platform: str, config: Any) -> _Outcome:
    is_backend_plugin = plugin.group == "backends"
    result = spec.activate(platform, config) if is_backend_plugin else spec.activate(config)
    return (ACTIVATED, None) if result is True else _no_bool("activate", result, "True")


def _no_bool(function: str, result: object, expected: str) -> _Outcome:
    if hasattr(result, "__await__"):
        getattr(result, "close", lambda: None)()
        return FAILED, f"`{function}` is async, so it never ran"
    return FAILED, f"`{function}` returned {result!r:.80}, not {expected}"


def _host_class(module: str, name: str, ours: type) -> Any:
    """Return the host's own class for a spec, ours if it has none."""
    return getattr(sys.modules.get(f"coral_inference.runtime.{module}"), name, ours)


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
