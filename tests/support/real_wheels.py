"""Published wheels of all kinds, with everything that they require."""

from __future__ import annotations

from pathlib import Path

from tests.support.downloads import fetch_wheels

REAL_WHEELS = (
    "argcomplete",
    "attrs",
    "backports.tarfile",
    "bcrypt",
    "Brotli",
    "cffi",
    "charset-normalizer",
    "google-crc32c",
    "googleapis-common-protos",
    "greenlet",
    "jaraco.context",
    "jaraco.functools",
    "Jinja2",
    "jmespath==1.1.0",
    "jupyterlab_widgets==3.0.17",
    "MarkupSafe",
    "more-itertools",
    "msgpack",
    "ninja",
    "persistent",
    "protobuf",
    "psutil",
    "pycparser",
    "PyNaCl",
    "python-dateutil==2.9.0.post0",
    "PyYAML",
    "rpds-py",
    "ruamel.yaml",
    "setuptools",
    "six",
    "sphinxcontrib-jsmath==1.0.1",
    "ujson",
    "wrapt",
    "xxhash",
    "zc.lockfile",
    "zope.deferredimport",
    "zope.event",
    "zope.interface",
    "zope.proxy",
)
"""Native code, for one Python and for all of them (abi3), with libraries beside it, at the
root and within packages; scripts, headers and data (`*.data`); namespaces with and without
a `.pth` file; compressed tag sets; names in many spellings; files with odd modes; metadata of
other distributions within a package.

The versions that are named are the last ones to have something that others haven't.
"""


def fetch_real_wheels(wheelhouse: Path) -> tuple[Path, ...]:
    """Return the wheels for this interpreter, downloaded beside the wheelhouse, whose other
    versions of some of them are none of these tests' business."""
    return fetch_wheels(REAL_WHEELS, wheelhouse.parent / "real-wheels")
