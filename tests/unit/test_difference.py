"""What is told about two locks: a valid lock, one thing changed, and the change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coral_lock.difference.changes import difference
from coral_lock.difference.model import RISKS
from coral_lock.difference.text import render_text
from coral_lock.lockfile.entries import (
    ExcludedPlugin,
    HostPackage,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.lockfile.model import Lock
from coral_lock.targets.model import Target
from tests.support.locks import JETSON, SERVER, TAG, digest_of, lock_of_targets, sample_lock

OTHER_TAG = "cp311-cp311-manylinux_2_17_x86_64"
CAMERA = "patches:camera_stabilizer"


def with_camera(**changes: object) -> Lock:
    lock = sample_lock()
    plugins = [
        plugin.replace(**changes) if plugin.id == CAMERA else plugin for plugin in lock.plugins
    ]
    return lock.replace(plugins=tuple(plugins))


def requiring(host: str, version: str | None) -> Lock:
    return with_camera(**{f"min_{host}_version": version})


def with_distribution(name: str, **changes: object) -> Lock:
    lock = sample_lock()
    distributions = [
        item.replace(**changes) if item.name == name else item for item in lock.distributions
    ]
    return lock.replace(distributions=tuple(distributions))


def with_host(**changes: object) -> Lock:
    lock = sample_lock()
    return lock.replace(host=lock.host.replace(**changes))


def with_exclusion(**changes: object) -> Lock:
    lock = sample_lock()
    return lock.replace(excluded=tuple(plugin.replace(**changes) for plugin in lock.excluded))


def with_camera_left_out() -> Lock:
    lock = sample_lock()
    left_out = ExcludedPlugin(id=CAMERA, distribution="my-package", reason="switched off")
    return lock.replace(plugins=lock.plugins[:1], excluded=(*lock.excluded, left_out))


def with_blocks(after: tuple[str, ...]) -> Lock:
    """Return a lock with three plugins more, the first of which can wait for others."""
    lock = sample_lock()
    blocks = [
        LockedPlugin(
            id=f"workflows:{name}", distribution="my-package", entry_point=f"my_package:{name}"
        )
        for name in "abc"
    ]
    blocks[0] = blocks[0].replace(after=after)
    return lock.replace(plugins=(*lock.plugins, *blocks))


def with_new_plugin() -> Lock:
    lock = sample_lock()
    plugin = LockedPlugin(id="patches:new", distribution="numpy", entry_point="numpy.p:f")
    return lock.replace(plugins=(*lock.plugins, plugin))


def with_new_distribution(digests: dict[str, str]) -> Lock:
    lock = sample_lock()
    distribution = LockedDistribution(name="zlib", version="1.3", digests=digests)
    return lock.replace(distributions=(*lock.distributions, distribution))


def with_another(name: str) -> Lock:
    lock = sample_lock()
    distribution = LockedDistribution(name=name, version="1", digests={TAG: digest_of("Z")})
    return lock.replace(distributions=(*lock.distributions, distribution))


DATA = f"d1:{'E' * 43}="
DIGESTS = {TAG: digest_of("B"), OTHER_TAG: digest_of("D")}


def shown(digest: str) -> str:
    """Return a digest as text output shows it."""
    return f"{digest[:15]}…{digest[-7:]}"


CASES: list[tuple[Lock, Lock, str]] = [
    (
        sample_lock(),
        sample_lock().replace(lock_version="1.1"),
        "lock\n  ~ the format version changed: 1.0 → 1.1\n",
    ),
    (
        sample_lock(),
        with_camera(default_config_overrides={"services": {"x": {"b": 1, "a": 0.5}}}),
        "my-package\n  ~ the default configuration of `patches:camera_stabilizer` changed\n"
        "      - {}\n      + {services: {x: {a: 0.5, b: 1}}}\n",
    ),
    (
        sample_lock(),
        with_camera(env=("ACME_TOKEN",)),
        "my-package\n  ~ `patches:camera_stabilizer` requires other environment variables: "
        "[] → [ACME_TOKEN]\n",
    ),
    (
        sample_lock(),
        sample_lock().replace(platform="onnx"),
        "lock\n  ~ the platform changed: rknn → onnx\n",
    ),
    (
        sample_lock(),
        with_host(python="3.12"),
        "lock\n  ~ the Python version changed: 3.11 → 3.12\n",
    ),
    (
        sample_lock(),
        with_host(core=HostPackage(distribution="coral-inference", version="0.0.5")),
        "lock\n  ~ the version of the core host changed: 0.0.4 → 0.0.5\n",
    ),
    (
        sample_lock(),
        with_host(inference=HostPackage(distribution="inference-gpu", version="0.58.0")),
        "lock\n  ~ the distribution of the inference host changed: inference → inference-gpu\n",
    ),
    (
        sample_lock(),
        with_host(core=None),
        "lock\n  - the version of the core host is unknown\n",
    ),
    (
        with_host(core=None),
        sample_lock(),
        "lock\n  + the version of the core host is known\n"
        "      distribution: coral-inference\n      version: 0.0.4\n",
    ),
    (
        sample_lock(),
        with_new_plugin(),
        "numpy\n"
        "  ! `patches:new` is added\n"
        "      distribution: numpy\n"
        "      entry_point: numpy.p:f\n"
        "      medium risk, new-plugin: code that didn't run before is activated\n",
    ),
    (with_new_plugin(), sample_lock(), "numpy\n  - `patches:new` is removed\n"),
    (
        sample_lock(),
        with_camera_left_out(),
        f"my-package\n  - `{CAMERA}` is left out; it was activated\n"
        '      distribution: my-package\n      reason: "switched off"\n',
    ),
    (
        with_camera_left_out(),
        with_camera(description="", after=()),
        "my-package\n"
        "  ! `patches:camera_stabilizer` is activated; it was left out\n"
        "      distribution: my-package\n"
        "      entry_point: my_package.coral_plugins:register_camera_stabilizer\n"
        "      min_core_version: 0.0.4\n"
        "      min_inference_version: 0.9.0\n"
        "      optional: true\n"
        "      medium risk, new-plugin: code that didn't run before is activated\n",
    ),
    (
        sample_lock(),
        with_camera(distribution="numpy"),
        "numpy\n"
        "  ! `patches:camera_stabilizer` comes from another distribution: my-package → numpy\n"
        "      high risk, entry-point-moved: other code runs under the same id\n",
    ),
    (
        sample_lock(),
        with_camera(entry_point="my_package.other:register_camera_stabilizer"),
        "my-package\n"
        "  ! the entry point of `patches:camera_stabilizer` moved to another module\n"
        "      - my_package.coral_plugins:register_camera_stabilizer\n"
        "      + my_package.other:register_camera_stabilizer\n"
        "      high risk, entry-point-moved: other code runs under the same id\n",
    ),
    (
        sample_lock(),
        with_camera(entry_point="my_package.coral_plugins:register"),
        f"my-package\n  ~ the entry point of `{CAMERA}` names another attribute\n"
        "      - my_package.coral_plugins:register_camera_stabilizer\n"
        "      + my_package.coral_plugins:register\n",
    ),
    (
        sample_lock(),
        with_camera(optional=False),
        "my-package\n"
        "  ! `patches:camera_stabilizer` is no longer optional\n"
        "      medium risk, no-longer-optional: if it fails, the start fails\n",
    ),
    (
        with_camera(optional=False),
        sample_lock(),
        f"my-package\n  ~ `{CAMERA}` is optional\n",
    ),
    (
        sample_lock(),
        with_camera(description="a\u202eb\n"),
        f"my-package\n  ~ the description of `{CAMERA}` changed\n"
        '      - "Improve camera stream stability"\n      + "a\\u202eb\\n"\n',
    ),
    (
        sample_lock(),
        with_camera(min_core_version=None),
        "my-package\n"
        "  - `patches:camera_stabilizer` no longer requires a version of the core host\n",
    ),
    (
        sample_lock(),
        with_camera(min_inference_version="1.0"),
        f"my-package\n  ~ the required inference version of `{CAMERA}` is raised: 0.9.0 → 1.0\n",
    ),
    *(
        (requiring(host, was), requiring(host, now), f"my-package\n{text}")
        for host in ("core", "inference")
        for was, now, text in (
            (None, "1.0", f"  + `{CAMERA}` requires a version of the {host} host\n"),
            ("1.0", None, f"  - `{CAMERA}` no longer requires a version of the {host} host\n"),
            ("1.0", "1.1", f"  ~ the required {host} version of `{CAMERA}` is raised: 1.0 → 1.1\n"),
            (
                "1.0",
                "1.0a1",
                f"  ~ the required {host} version of `{CAMERA}` is lowered: 1.0 → 1.0a1\n",
            ),
            ("1.0", "1", f"  ~ the required {host} version of `{CAMERA}` changed: 1.0 → 1\n"),
        )
    ),
    (
        with_blocks(after=()),
        with_blocks(after=("workflows:b",)),
        "lock\n"
        "  ! the order of activation changed: [workflows:a, workflows:b] → [workflows:b, "
        "workflows:a]\n"
        "      medium risk, order-changed: plugins that stay are activated in another order\n"
        "\n"
        "my-package\n"
        "  ~ `workflows:a` is activated after other plugins: [] → [workflows:b]\n",
    ),
    (
        sample_lock(),
        with_camera(after=()),
        f"my-package\n  ~ `{CAMERA}` is activated after other plugins: [backends:rknn] → []\n",
    ),
    (
        sample_lock(),
        sample_lock().replace(excluded=()),
        "future-plugin\n  - `patches:future` was left out and is removed\n",
    ),
    (
        sample_lock().replace(excluded=()),
        sample_lock(),
        "future-plugin\n  + `patches:future` is new and left out\n"
        '      distribution: future-plugin\n      reason: "requires core 9.0"\n',
    ),
    (
        sample_lock(),
        with_exclusion(reason="broken"),
        "future-plugin\n  ~ `patches:future` is left out for another reason: "
        '"requires core 9.0" → broken\n',
    ),
    (
        sample_lock(),
        with_exclusion(distribution="other"),
        "other\n  ~ `patches:future` is left out from another distribution: "
        "future-plugin → other\n",
    ),
    (
        sample_lock(),
        with_new_distribution({TAG: digest_of("Z")}),
        "zlib\n"
        "  ! `zlib` is added\n"
        "      version: 1.3\n"
        "      digests: py3-none-any t1:ZZZZZZZZZZZZ…ZZZZZZ=\n"
        "      medium risk, new-distribution: nothing required it before\n",
    ),
    (
        sample_lock(),
        with_new_distribution({}),
        "zlib\n"
        "  ! `zlib` is added without a digest, so its bytes aren't fixed\n"
        "      version: 1.3\n"
        "      high risk, unpinned: no digest fixes the bytes\n"
        "      medium risk, new-distribution: nothing required it before\n",
    ),
    (
        sample_lock(),
        with_another("nunpy"),
        "nunpy\n"
        "  ! `nunpy` is added\n"
        "      version: 1\n"
        "      digests: py3-none-any t1:ZZZZZZZZZZZZ…ZZZZZZ=\n"
        "      high risk, look-alike: the name is one edit away from `numpy`\n"
        "      medium risk, new-distribution: nothing required it before\n",
    ),
    (
        sample_lock(),
        with_another("inferences"),
        "inferences\n"
        "  ! `inferences` is added\n"
        "      version: 1\n"
        "      digests: py3-none-any t1:ZZZZZZZZZZZZ…ZZZZZZ=\n"
        "      high risk, look-alike: the name is one edit away from `inference`\n"
        "      medium risk, new-distribution: nothing required it before\n",
    ),
    (
        with_another("pyca-11"),
        with_another("pyca-12"),
        "pyca-12\n"
        "  ! `pyca-12` is added\n"
        "      version: 1\n"
        "      digests: py3-none-any t1:ZZZZZZZZZZZZ…ZZZZZZ=\n"
        "      medium risk, new-distribution: nothing required it before\n"
        "\n"
        "pyca-11\n"
        "  - `pyca-11` is removed\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", version="3.0", digests={OTHER_TAG: digest_of("D")}),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! `numpy` is pinned for `cp311-cp311-manylinux_2_17_x86_64`\n"
        "      + t1:DDDDDDDDDDDD…DDDDDD=\n"
        "      medium risk, native-wheel: there is native code where there was pure Python "
        "alone\n"
        "  ~ `numpy` is upgraded: 2.0.0 → 3.0\n"
        "      low risk, major-version: a new major version may break what relies on the old "
        "one\n"
        "  - `numpy` is no longer pinned for `py3-none-any`\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", version="1!1.0"),
        "numpy (via patches:camera_stabilizer)\n"
        "  ~ `numpy` is upgraded: 2.0.0 → 1!1.0\n"
        "      low risk, major-version: a new major version may break what relies on the old "
        "one\n",
    ),
    (with_new_distribution({}), sample_lock(), "zlib\n  - `zlib` is removed\n"),
    (
        sample_lock(),
        with_distribution("numpy", version="2.10.0"),
        "numpy (via patches:camera_stabilizer)\n  ~ `numpy` is upgraded: 2.0.0 → 2.10.0\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", version="2.0.0.dev1"),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! `numpy` is downgraded: 2.0.0 → 2.0.0.dev1\n"
        "      medium risk, downgraded: the older version may lack fixes\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", version="2.0"),
        "numpy (via patches:camera_stabilizer)\n  ~ the version of `numpy` changed: 2.0.0 → 2.0\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", version="two"),
        "numpy (via patches:camera_stabilizer)\n  ~ the version of `numpy` changed: 2.0.0 → two\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", digests={TAG: digest_of("X")}),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! the digest of `numpy` for `py3-none-any` changed under the same version\n"
        "      - t1:BBBBBBBBBBBB…BBBBBB=\n"
        "      + t1:XXXXXXXXXXXX…XXXXXX=\n"
        "      high risk, bytes-changed: the version is the same, and the bytes are others\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", digests=DIGESTS),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! `numpy` is pinned for `cp311-cp311-manylinux_2_17_x86_64` too\n"
        "      + t1:DDDDDDDDDDDD…DDDDDD=\n"
        "      medium risk, native-wheel: there is native code where there was pure Python alone\n",
    ),
    (
        with_distribution("numpy", digests=DIGESTS),
        sample_lock(),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! `numpy` is no longer pinned for `cp311-cp311-manylinux_2_17_x86_64`\n"
        "      medium risk, digest-removed: machines that need this wheel can't start\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", digests={OTHER_TAG: digest_of("D")}),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! `numpy` is pinned for `cp311-cp311-manylinux_2_17_x86_64` instead, under the "
        "same version\n"
        "      + t1:DDDDDDDDDDDD…DDDDDD=\n"
        "      high risk, wheel-replaced: the version is the same, and the wheel is another\n"
        "      medium risk, native-wheel: there is native code where there was pure Python "
        "alone\n"
        "  ! `numpy` is no longer pinned for `py3-none-any`\n"
        "      medium risk, digest-removed: machines that need this wheel can't start\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", digests={}),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! `numpy` has no digest any more, so its bytes aren't fixed\n"
        "      high risk, unpinned: no digest fixes the bytes\n",
    ),
    (
        with_distribution("numpy", digests={}),
        sample_lock(),
        "numpy (via patches:camera_stabilizer)\n"
        "  + `numpy` is pinned for `py3-none-any`\n"
        "      + t1:BBBBBBBBBBBB…BBBBBB=\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", data_digests={TAG: DATA}),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! `numpy` gained scripts, headers or data, under the same version\n"
        "      py3-none-any: d1:EEEEEEEEEEEE…EEEEEE=\n"
        "      high risk, bytes-changed: the version is the same, and the bytes are others\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", version="2.1", data_digests={TAG: DATA}),
        "numpy (via patches:camera_stabilizer)\n"
        "  ~ `numpy` is upgraded: 2.0.0 → 2.1\n"
        "  + `numpy` gained scripts, headers or data\n"
        "      py3-none-any: d1:EEEEEEEEEEEE…EEEEEE=\n",
    ),
    (
        with_distribution("numpy", data_digests={TAG: DATA}),
        with_distribution("numpy", data_digests={}),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! scripts, headers and data of `numpy` aren't pinned, under the same version\n"
        "      high risk, unpinned: no digest fixes the bytes\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", accepted=("pth-file",)),
        "numpy (via patches:camera_stabilizer)\n"
        "  ! `pth-file` of `numpy` is accepted\n"
        "      medium risk, finding-accepted: the start passes over what is accepted\n",
    ),
    (
        with_distribution("numpy", accepted=("foreign-file", "pth-file")),
        with_distribution("numpy", accepted=("pth-file",)),
        "numpy (via patches:camera_stabilizer)\n"
        "  - `foreign-file` of `numpy` is no longer accepted\n",
    ),
    (
        sample_lock(),
        with_distribution("numpy", program=True),
        "numpy (via patches:camera_stabilizer, program)\n  + the program itself requires `numpy`\n",
    ),
    (
        with_distribution("numpy", program=True),
        sample_lock(),
        "numpy (via patches:camera_stabilizer)\n"
        "  - the program itself no longer requires `numpy`\n",
    ),
    (
        sample_lock(),
        with_distribution("my-package", requires=("rknn-backend",)),
        "my-package\n  - `my-package` no longer requires `numpy`\n"
        "  + `my-package` requires `rknn-backend` too\n",
    ),
]


def lock_with_targets(**changes: object) -> Lock:
    return lock_of_targets().replace(**changes)


def package_of_targets(**changes: object) -> Lock:
    lock = lock_of_targets()
    package, *others = lock.distributions
    return lock.replace(distributions=(package.replace(**changes), *others))


def future_of_targets(**changes: object) -> Lock:
    lock = lock_of_targets()
    (future,) = lock.excluded
    return lock.replace(excluded=(future.replace(**changes),))


def backend_of_targets(targets: tuple[str, ...], left_out: tuple[str, ...] | None = None) -> Lock:
    """Return the lock in which the backend is activated and left out for these targets."""
    lock = package_of_targets(target_requires={})
    rknn, camera = lock.plugins
    package, numpy, backend = lock.distributions
    excluded = ExcludedPlugin(id=rknn.id, distribution=backend.name, reason="off")
    return lock.replace(
        plugins=(rknn.replace(targets=targets), camera),
        excluded=(excluded.replace(targets=left_out),) if left_out is not None else (),
        distributions=(package, numpy, backend.replace(targets=targets)),
    )


def without_targets() -> Lock:
    """Return the lock of two targets for any machine with Python 3.11 instead."""
    lock = lock_of_targets()
    return lock.replace(
        targets=(),
        host=lock.host.replace(python="3.11"),
        plugins=tuple(each.replace(targets=()) for each in lock.plugins),
        excluded=tuple(each.replace(target_reasons={}) for each in lock.excluded),
        distributions=tuple(
            each.replace(targets=(), target_requires={}) for each in lock.distributions
        ),
    )


NANO = Target(name="nano", python="3.10", platform="linux_aarch64")
JETSON_11 = Target(name=JETSON, python="3.11", platform="manylinux_2_31_aarch64")
BACKEND = "`backends:rknn`"

TARGET_CASES: list[tuple[Lock, Lock, str]] = [
    (
        without_targets(),
        lock_of_targets(),
        "lock\n  ~ the Python version is per target: 3.11 → none\n"
        "  + the target `jetson` is added\n"
        "      python: 3.10\n      platform: manylinux_2_31_aarch64\n"
        "  + the target `server` is added\n"
        "      python: 3.11\n      platform: manylinux_2_28_x86_64\n"
        "\nfuture-plugin\n"
        "  ~ `patches:future` is left out for other reasons on some targets\n"
        '      - {}\n      + {server: "requires `backends:rknn`"}\n'
        "\nmy-package\n  + `my-package` requires `rknn-backend` for the target `jetson`\n"
        "\nrknn-backend\n  ~ `rknn-backend` is locked for other targets: all → [jetson]\n"
        f"  ~ {BACKEND} is activated for other targets: all → [jetson]\n",
    ),
    (
        lock_of_targets(),
        without_targets(),
        "lock\n  ~ the Python version is in `host`: none → 3.11\n"
        "  - the target `jetson` is removed\n"
        "  - the target `server` is removed\n"
        "\nfuture-plugin\n"
        "  ~ `patches:future` is left out for other reasons on some targets\n"
        '      - {server: "requires `backends:rknn`"}\n      + {}\n'
        "\nmy-package\n"
        "  - `my-package` no longer requires `rknn-backend` for the target `jetson`\n"
        "\nrknn-backend\n  ~ `rknn-backend` is locked for other targets: [jetson] → all\n"
        f"  ~ {BACKEND} is activated for other targets: [jetson] → all\n",
    ),
    (
        lock_of_targets(),
        lock_with_targets(targets=(*lock_of_targets().targets, NANO)),
        "lock\n  + the target `nano` is added\n      python: 3.10\n      platform: linux_aarch64\n",
    ),
    (
        lock_of_targets(),
        lock_with_targets(targets=(JETSON_11, lock_of_targets().targets[1])),
        "lock\n  ~ the Python version of the target `jetson` changed: 3.10 → 3.11\n",
    ),
    (
        lock_of_targets(),
        lock_with_targets(
            targets=(
                JETSON_11.replace(python="3.10", platform="linux_aarch64"),
                lock_of_targets().targets[1],
            )
        ),
        "lock\n  ~ the platform of the target `jetson` changed: "
        "manylinux_2_31_aarch64 → linux_aarch64\n",
    ),
    (
        backend_of_targets((JETSON,)),
        backend_of_targets((JETSON,), (SERVER,)),
        f"rknn-backend\n  + {BACKEND} is left out for some targets\n"
        "      distribution: rknn-backend\n      reason: off\n      targets: [server]\n",
    ),
    (
        backend_of_targets((JETSON,), (SERVER,)),
        backend_of_targets(()),
        "rknn-backend\n  ~ `rknn-backend` is locked for other targets: [jetson] → all\n"
        f"  ~ {BACKEND} is activated for other targets: [jetson] → all\n"
        f"  - {BACKEND} is no longer left out for some targets\n",
    ),
    (
        future_of_targets(target_reasons={}),
        future_of_targets(target_reasons={}, targets=(SERVER,)),
        "future-plugin\n  ~ `patches:future` is left out for other targets: all → [server]\n",
    ),
    (
        lock_of_targets(),
        package_of_targets(requires=("numpy",), target_requires={}),
        "my-package\n  - `my-package` no longer requires `rknn-backend` for the target `jetson`\n",
    ),
    (
        lock_of_targets(),
        package_of_targets(requires=(), target_requires={JETSON: ("numpy", "rknn-backend")}),
        "my-package\n  - `my-package` no longer requires `numpy` for every target\n"
        "  + `my-package` requires `numpy` for the target `jetson`\n",
    ),
    (
        package_of_targets(requires=(), target_requires={JETSON: ("numpy",)}),
        package_of_targets(requires=("numpy",), target_requires={}),
        "my-package\n  + `my-package` requires `numpy` for every target\n"
        "  - `my-package` no longer requires `numpy` for the target `jetson`\n",
    ),
]
CASES += TARGET_CASES


@pytest.mark.parametrize(("old", "new", "text"), CASES)
def test_what_is_told(old: Lock, new: Lock, text: str) -> None:
    assert render_text(difference(old, new)) == text


CODES = """
acceptance-added acceptance-removed after-changed attribute-changed core-requirement-added
core-requirement-changed core-requirement-lowered core-requirement-raised
core-requirement-removed description-changed digest-added digest-changed digest-removed
distribution-added distribution-removed entry-point-moved env-changed exclusion-added
exclusion-changed exclusion-removed format-changed host-added host-changed host-removed
inference-requirement-added inference-requirement-changed inference-requirement-lowered
inference-requirement-raised inference-requirement-removed no-longer-optional now-optional
order-changed overrides-changed platform-changed
plugin-added plugin-excluded plugin-included plugin-moved plugin-removed
program-requirement-added program-requirement-removed python-changed requirement-added
requirement-removed target-added target-changed target-removed targets-changed unpinned
version-changed version-downgraded version-upgraded
"""


def test_every_code_of_a_change_has_a_case() -> None:
    """Programs read the codes, so they stay as they are."""
    told = {change.code for old, new, _ in CASES for change in difference(old, new)}
    assert sorted(told) == CODES.split()


def test_every_risk_has_a_case() -> None:
    """Those of code alone are told by what is in the files, not by the locks."""
    changes = (change for old, new, _ in CASES for change in difference(old, new))
    found = {risk.code for change in changes for risk in change.risks}
    assert found == set(RISKS) - {"new-command", "startup-file", "suspicious-code", "unseen-code"}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("numpi", "numpy"),
        ("nmpy", "numpy"),
        ("nunmpy", "numpy"),
        ("unmpy", "numpy"),
        ("numyp", "numpy"),
        ("numpyy", "numpy"),
        ("umpyn", None),
        ("numpies", None),
        ("numpy", None),
        ("nupmy", "numpy"),
        ("rknn-backend2", "rknn-backend"),
        ("torch-cu12", None),
        ("torch-cu1", "torch-cu11"),
        ("xz", None),
    ],
)
def test_what_looks_like_a_known_name(name: str, known: str | None) -> None:
    old = with_another("torch-cu11")
    distribution = LockedDistribution(name=name, version="1", digests={TAG: digest_of("Z")})
    others = [each for each in old.distributions if each.name != name]
    changes = difference(old, old.replace(distributions=(*others, distribution)))
    sentences = [
        risk.sentence for each in changes for risk in each.risks if risk.code == "look-alike"
    ]
    assert sentences == ([f"the name is one edit away from `{known}`"] if known else [])


def test_what_reaches_a_distribution_is_counted_and_shown_in_part() -> None:
    lock = sample_lock()
    plugins = [
        LockedPlugin(id=f"workflows:b{number:02}", distribution="my-package", entry_point="m:f")
        for number in range(30)
    ]
    lock = lock.replace(plugins=(*lock.plugins, *plugins))
    numpy = lock.distribution("numpy")
    others = [each for each in lock.distributions if each != numpy]
    new = lock.replace(distributions=(*others, numpy.replace(version="2.1", program=True)))
    change = difference(lock, new)[0]
    assert (len(change.via), change.via_count) == (20, 32)
    assert render_text((change,)).startswith(
        "numpy (via patches:camera_stabilizer, workflows:b00, workflows:b01 and 29 more)\n"
    )


def upgraded() -> Lock:
    """Return the lock after an upgrade, an attack and a change of platform."""
    lock = with_camera(description="Improve it more", min_core_version="0.0.5")
    versions = {"my-package": {"version": "1.1.0"}, "numpy": {"version": "2.0.0"}}
    return lock.replace(
        platform="onnx",
        distributions=tuple(
            item.replace(digests={TAG: digest_of("Q")}, **versions[item.name])
            if item.name in versions
            else item
            for item in lock.distributions
        ),
    )


UPGRADED_TEXT = f"""\
numpy (via {CAMERA})
  ! the digest of `numpy` for `{TAG}` changed under the same version
      - {shown(digest_of("B"))}
      + {shown(digest_of("Q"))}
      high risk, bytes-changed: the version is the same, and the bytes are others

lock
  ~ the platform changed: rknn → onnx

my-package
  ~ `my-package` is upgraded: 1.0.0 → 1.1.0
  ~ the digest of `my-package` for `{TAG}` changed
      - {shown(digest_of("A"))}
      + {shown(digest_of("Q"))}
  ~ the description of `{CAMERA}` changed
      - "Improve camera stream stability"
      + "Improve it more"
  ~ the required core version of `{CAMERA}` is raised: 0.0.4 → 0.0.5
"""


def test_what_reaches_the_end_of_a_circle_and_of_a_long_chain() -> None:
    """No order of the distributions has all that requires one before it."""
    names = [f"chain-{number:04}" for number in range(2_000)]
    following = [*names[1:], names[-500]]

    def lock(version: str) -> Lock:
        known = sample_lock()
        package, *others = known.distributions
        chain = tuple(
            LockedDistribution(
                name=name,
                version=version if name in (names[-501], names[-500], names[-1]) else "1.0",
                digests={TAG: digest_of("A")},
                requires=(after,),
            )
            for name, after in zip(names, following)
        )
        first = package.replace(requires=(names[-1], "numpy"))
        last = others[-1].replace(requires=(names[0],))
        return known.replace(distributions=(first, *others[:-1], last, *chain))

    reached = {each.subject: each.via for each in difference(lock("1.0"), lock("1.1"))}
    assert reached == {
        names[-501]: ("backends:rknn",),
        names[-500]: ("backends:rknn", CAMERA),
        names[-1]: ("backends:rknn", CAMERA),
    }


def test_the_riskiest_first_then_the_lock_then_each_distribution_with_its_plugins() -> None:
    assert render_text(difference(sample_lock(), upgraded())) == UPGRADED_TEXT


@pytest.mark.parametrize(
    ("limit", "end"),
    [
        (0, "6 more changes\n"),
        (1, "the bytes are others\n5 more changes\n"),
        (5, '      + "Improve it more"\n1 more change\n'),
        (6, "0.0.4 → 0.0.5\n"),
        (99, "0.0.4 → 0.0.5\n"),
    ],
)
def test_a_limit_counts_changes_and_says_how_many_are_left(limit: int, end: str) -> None:
    text = render_text(difference(sample_lock(), upgraded()), limit)
    assert text.endswith(end)
    shown = text.removesuffix(end.rpartition("\n")[0].rpartition("\n")[2] + "\n")
    assert UPGRADED_TEXT.startswith(shown)


def test_names_that_are_no_words_are_escaped() -> None:
    new = sample_lock().replace(platform="null\n  + `x` is added")
    assert render_text(difference(sample_lock(), new)) == (
        'lock\n  ~ the platform changed: rknn → "null\\n  + `x` is added"\n'
    )


def test_wheel_tags_that_are_no_words_are_escaped() -> None:
    """They are the fields of what is added for several wheels at once."""
    tag = "py3-none-any\u202e\n"
    digests = {"digests": {tag: digest_of("B")}}
    new = with_distribution("numpy", **digests, data_digests={tag: DATA})
    text = render_text(difference(with_distribution("numpy", **digests), new))
    assert f'      "py3-none-any\\u202e\\n": {shown(DATA)}\n' in text


def test_digests_that_look_alike_when_shortened_are_shown_in_full() -> None:
    old, new = (f"t1:{'A' * 20}{middle}{'A' * 22}=" for middle in "BC")
    text = render_text(
        difference(
            with_distribution("numpy", digests={TAG: old}),
            with_distribution("numpy", digests={TAG: new}),
        )
    )
    assert f"      - {old}\n      + {new}\n" in text


def test_a_change_as_json() -> None:
    (change,) = difference(sample_lock(), with_camera(optional=False))
    assert change.to_dict() == {
        "code": "no-longer-optional",
        "subject": CAMERA,
        "distribution": "my-package",
        "summary": f"`{CAMERA}` is no longer optional",
        "path": f'plugins["{CAMERA}"].optional',
        "before": True,
        "after": False,
        "risks": [
            {
                "code": "no-longer-optional",
                "level": "medium",
                "sentence": "if it fails, the start fails",
            }
        ],
        "via": [],
        "via_count": 0,
    }


@pytest.mark.parametrize("make", [sample_lock, upgraded, with_new_plugin])
def test_a_lock_does_not_differ_from_itself(make: Callable[[], Lock]) -> None:
    assert difference(make(), make()) == ()
    assert render_text(()) == ""


def test_a_plugin_left_out_from_another_distribution_is_two_stories() -> None:
    lock = sample_lock()
    other = ExcludedPlugin(id=f"{CAMERA}@other", distribution="other", reason="switched off")
    new = lock.replace(plugins=lock.plugins[:1], excluded=(*lock.excluded, other))
    assert [change.code for change in difference(lock, new)] == [
        "plugin-removed",
        "exclusion-added",
    ]


def test_a_plugin_left_out_under_an_id_with_its_distribution_is_one_story() -> None:
    lock = sample_lock()
    same = ExcludedPlugin(id=f"{CAMERA}@my-package", distribution="my-package", reason="off")
    new = lock.replace(plugins=lock.plugins[:1], excluded=(*lock.excluded, same))
    (change,) = difference(lock, new)
    assert (change.code, change.path) == (
        "plugin-excluded",
        f'excluded["{CAMERA}@my-package"]',
    )
    (change,) = difference(new, lock)
    assert (change.code, change.path) == ("plugin-included", f'plugins["{CAMERA}"]')
