"""A valid lock to start from: tests change one thing of it."""

from __future__ import annotations

from coral_lock.lockfile.model import (
    ExcludedPlugin,
    Host,
    HostPackage,
    Lock,
    LockedDistribution,
    LockedPlugin,
)

TAG = "py3-none-any"


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
