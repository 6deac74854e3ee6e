"""A large wheelhouse that exists in memory only: distributions, versions, requirements."""

from __future__ import annotations

import random

from tests.unit.resolver.universe import Wheel, wheel

_SEED = 20240601


def synthetic_wheels(
    distributions: int, versions: int, *, plugins: int = 40, clashes: int = 5
) -> tuple[Wheel, ...]:
    """Return wheels of that many distributions, each in that many versions.

    Each requires about three others, all of them are needed by some plugin, and the newest
    versions of some can't go together.

    Args:
        distributions: how many there are.
        versions: how many of each.
        plugins: how many of the distributions offer a plugin.
        clashes: how many pairs of them want different versions of one distribution.
    """
    chance = random.Random(_SEED)
    wheels = []
    for number in range(distributions):
        for version in range(1, versions + 1):
            requires = _requires(chance, number, distributions, versions, plugins)
            if version == versions and number < 2 * clashes:
                bound = f"<{versions}" if number % 2 else f">={versions}"
                requires.append(f"{_name(plugins + number // 2)}{bound}")
            wheels.append(
                wheel(
                    f"{_name(number)} {version}.0",
                    *requires,
                    plugins=[f"patches:p{number}"] if number < plugins else [],
                )
            )
    return tuple(wheels)


def _requires(
    chance: random.Random, number: int, distributions: int, versions: int, plugins: int
) -> list[str]:
    requires: list[str] = []
    if number < plugins:
        step = range(plugins + number, distributions, plugins)
        requires.extend(_name(other) for other in list(step)[:3])
    following = number + plugins
    if following < distributions:
        requires.append(f"{_name(following)}>=1.0")
    for _ in range(2):
        other = chance.randrange(number + 1, distributions + 1)
        if other < distributions and other >= plugins:
            least = chance.randrange(1, versions)
            marker = chance.choice(("", "", '; python_version >= "3.8"', '; extra == "more"'))
            requires.append(f"{_name(other)}[more]<{versions + 9},>={least}.0{marker}")
    return requires


def _name(number: int) -> str:
    return f"dist-{number:04}"
