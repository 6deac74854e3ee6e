"""What an entry point yields: the classes of specs, the modules that serve them, reading specs."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


class PluginSpec:
    """A patch or workflow plugin.

    Args:
        name: the plugin's name; its id is `<group>:<name>`.
        activate: takes the `RuntimeConfig`, returns True or False, or raises.
        description: one line for people.
        min_core_version: the lowest version (PEP 440) of `coral-inference` it works with.
        min_inference_version: the lowest version (PEP 440) of `inference` it works with.
    """

    def __init__(
        self,
        name: str,
        activate: Callable[[Any], bool],
        description: str = "",
        min_core_version: str | None = None,
        min_inference_version: str | None = None,
    ) -> None:
        self.name = name
        self.activate = activate
        self.description = description
        self.min_core_version = min_core_version
        self.min_inference_version = min_inference_version

    def __repr__(self) -> str:
        return f"PluginSpec(name={self.name!r})"


class BackendAdapter:
    """A backend plugin, activated only where `supports` returns True.

    Args:
        name: the plugin's name; its id is `backends:<name>`.
        supports: takes the platform's name and the `RuntimeConfig`, returns True or False.
        activate: takes the same, returns True or False, or raises.
    """

    def __init__(
        self,
        name: str,
        supports: Callable[[str, Any], bool],
        activate: Callable[[str, Any], bool],
    ) -> None:
        self.name = name
        self.supports = supports
        self.activate = activate

    def __repr__(self) -> str:
        return f"BackendAdapter(name={self.name!r})"


ModuleSpecType = type(sys.__spec__)

_CONTENTS: dict[str, dict[str, object]] = {
    "coral_inference": {},
    "coral_inference.runtime": {},
    "coral_inference.runtime.plugins": {"PluginSpec": PluginSpec},
    "coral_inference.runtime.backends": {"BackendAdapter": BackendAdapter},
}


class RuntimeShim:
    """Serves `coral_inference.runtime.plugins` and `.backends` where the real ones are missing.

    As the last finder in `sys.meta_path` it is asked only after all others have failed, so the
    real modules win. It serves nothing else: `import coral_inference.core` fails as without it.
    """

    is_coral_lock = True

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _CONTENTS:
            return None
        is_package = any(other.startswith(f"{name}.") for other in _CONTENTS)
        return ModuleSpecType(
            name,
            self,  # type: ignore[arg-type]
            origin="coral-lock",
            is_package=is_package,
        )

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(_CONTENTS[module.__name__])
        module.__doc__ = "Served by coral-lock, as the real module isn't installed."


def install_shim() -> None:
    """Make the stand-in modules importable, after everything that is installed."""
    if not any(isinstance(finder, RuntimeShim) for finder in sys.meta_path):
        sys.meta_path.append(RuntimeShim())


_MAX_DEPTH = 4
_MAX_SPECS = 1000


class SpecError(Exception):
    """What an entry point yields isn't a spec; the message describes it."""


def live_specs(
    target: object,
    entry_point_name: str,
    is_old_style: Callable[[Any], bool] | None = None,
) -> tuple[Any, ...]:
    """Return the specs that `target` stands for, in the order in which it yields them.

    Args:
        target: a spec, an iterable of specs, a factory without arguments that returns
            either, or an `activate(config)` function, which becomes a spec under
            `entry_point_name`. Iterables may hold factories, but no such function.
        entry_point_name: the entry point's own name.
        is_old_style: tells an `activate` function from a factory, `is_activate` by default.

    Raises:
        SpecError: it is none of these.
        Exception: whatever the plugin's own factory raises.
    """
    specs: list[Any] = []
    for spec in _expand(target, entry_point_name, is_old_style or is_activate, 0):
        if len(specs) == _MAX_SPECS:
            raise SpecError(f"it yields more than {_MAX_SPECS} specs")
        specs.append(spec)
    if not specs:
        raise SpecError("it yields no spec")
    return tuple(specs)


def _expand(
    target: object, name: str, is_old_style: Callable[[Any], bool], depth: int
) -> Iterator[Any]:
    if depth > _MAX_DEPTH:
        raise SpecError("it is nested too deep")
    if is_spec(target):
        yield target
    elif callable(target):
        if is_old_style(target):
            if depth:
                raise SpecError("only an entry point itself can be an `activate` function")
            yield PluginSpec(name=name, activate=target)
        else:
            yield from _expand(target(), name, is_old_style, depth + 1)
    elif isinstance(target, (str, bytes, dict)) or not hasattr(target, "__iter__"):
        raise SpecError(f"expected a spec, an iterable or a function, found {_describe(target)}")
    else:
        for item in target:
            yield from _expand(item, name, is_old_style, depth + 1)


def is_spec(value: object) -> bool:
    """Whether `value` has what every spec has: a name and something to activate.

    The name of one of our own classes may be anything: it is refused as that of a spec.
    """
    return (
        not isinstance(value, type)
        and (
            isinstance(value, (PluginSpec, BackendAdapter))
            or isinstance(getattr(value, "name", None), str)
        )
        and callable(getattr(value, "activate", None))
    )


def is_backend(value: object) -> bool:
    """Whether the spec `value` is a backend adapter: it has `supports`."""
    return callable(getattr(value, "supports", None))


def is_activate(function: Any) -> bool:
    """Tell an old-style `activate(config)` function from a factory by its signature.

    A factory can be called without arguments. A function with an optional first
    parameter named `config` is an `activate` all the same.

    Raises:
        SpecError: it needs more than one argument, or its signature can't be read.
    """
    code = getattr(function, "__code__", None)
    if code is not None and not hasattr(function, "__wrapped__") and not code.co_flags & 0x0C:
        positional = code.co_argcount
        required = positional - len(function.__defaults__ or ())
        required_keywords = code.co_kwonlyargcount - len(function.__kwdefaults__ or ())
        first = code.co_varnames[0] if positional else ""
        return takes_config(positional, required, required_keywords, first)
    import inspect

    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise SpecError(f"the signature of {_describe(function)} can't be read") from None
    positionals = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return takes_config(
        len(positionals),
        sum(parameter.default is parameter.empty for parameter in positionals),
        sum(
            parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
            for parameter in parameters
        ),
        positionals[0].name if positionals else "",
    )


def takes_config(positional: int, required: int, required_keywords: int, first: str) -> bool:
    """Whether a signature is that of an `activate` function, and not that of a factory.

    Args:
        positional: the number of positional parameters.
        required: how many of them have no default.
        required_keywords: the number of keyword-only parameters without a default.
        first: the name of the first positional parameter, or an empty string.

    Raises:
        SpecError: it is neither.
    """
    if required > 1 or required_keywords:
        raise SpecError("it is a function that needs more than one argument")
    return required == 1 or (positional > 0 and first == "config")


def _describe(value: object) -> str:
    return f"`{type(value).__name__}`"
