"""A valid lock to start from: tests change one thing of it."""

from __future__ import annotations

from coral_lock.lockfile.entries import (
    ExcludedPlugin,
    Host,
    HostPackage,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.lockfile.model import Lock
from coral_lock.targets.model import Target

TAG = "py3-none-any"
ARM_TAG, X86_TAG = "cp39-abi3-linux_aarch64", "cp311-cp311-linux_x86_64"
JETSON, SERVER = "jetson", "server"


def digest_of(letter: str) -> str:
    """Return a well-formed digest that is told from others by its letter."""
    return f"t1:{letter * 43}="


def sample_lock() -> Lock:
    """Return a lock with two plugins, one of them optional, and one that is left out."""
    return Lock(
        platform="rknn",
        host=Host(
            core=HostPackage(distribution="coral-inference", version="0.0.4"),
            inference=HostPackage(distribution="inference", version="0.58.0"),
            python="3.11",
        ),
        plugins=(
            LockedPlugin(
                id="backends:rknn",
                distribution="rknn-backend",
                entry_point="rknn_backend:adapter",
            ),
            LockedPlugin(
                id="patches:camera_stabilizer",
                distribution="my-package",
                entry_point="my_package.coral_plugins:register_camera_stabilizer",
                description="Improve camera stream stability",
                min_core_version="0.0.4",
                min_inference_version="0.9.0",
                optional=True,
                after=("backends:rknn",),
            ),
        ),
        excluded=(
            ExcludedPlugin(
                id="patches:future", distribution="future-plugin", reason="requires core 9.0"
            ),
        ),
        distributions=(
            LockedDistribution(
                name="my-package",
                version="1.0.0",
                digests={TAG: digest_of("A")},
                requires=("numpy",),
            ),
            LockedDistribution(name="numpy", version="2.0.0", digests={TAG: digest_of("B")}),
            LockedDistribution(name="rknn-backend", version="1.0", digests={TAG: digest_of("C")}),
        ),
    )


def lock_of_targets() -> Lock:
    """Return a lock for two targets: what the sample holds, of which some is for one alone."""
    lock = sample_lock()
    rknn, camera = lock.plugins
    (future,) = lock.excluded
    package, numpy, backend = lock.distributions
    return lock.replace(
        host=lock.host.replace(python=None),
        targets=(
            Target(name=SERVER, python="3.11", platform="manylinux_2_28_x86_64"),
            Target(name=JETSON, python="3.10", platform="manylinux_2_31_aarch64"),
        ),
        plugins=(rknn.replace(targets=(JETSON,)), camera),
        excluded=(future.replace(target_reasons={SERVER: "requires `backends:rknn`"}),),
        distributions=(
            package.replace(target_requires={JETSON: ("rknn-backend",)}),
            numpy.replace(digests={ARM_TAG: digest_of("B"), X86_TAG: digest_of("D")}),
            backend.replace(targets=(JETSON,)),
        ),
    )
