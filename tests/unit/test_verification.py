"""What verification says of a site directory: a sound one, of which one thing is changed."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from coral_lock.errors import UsageError
from coral_lock.finding import ERROR, WARNING, Finding, exit_code
from coral_lock.installed.digest import tree_digest
from coral_lock.lockfile.entries import Host, HostPackage, LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.verification.verdict import verdict_on
from tests.support.locked_site import environment_of

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
TAG = "py3-none-any"
REINSTALL = "install `acme==1.0` again, from a wheel you trust"
RELOCK = "if this is wanted, deploy a reviewed lock with it, made by `coral-runtime lock`"


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A site directory, and the lock of what is installed in it."""

    root: Path

    def write(self, path: str, text: str = "") -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return place

    def append(self, path: str, text: str = "\n") -> None:
        with (self.root / path).open("a") as file:
            file.write(text)

    def replace(self, path: str, old: str, new: str) -> None:
        place = self.root / path
        assert old in place.read_text()
        place.write_text(place.read_text().replace(old, new))

    def install(
        self, name: str, files: Mapping[str, str], *, metadata: str = "", entry_points: str = ""
    ) -> LockedDistribution:
        """Install a distribution of version 1.0; return what a lock says of it."""
        info = f"{name.replace('-', '_')}-1.0.dist-info"
        own = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {TAG}\n",
            f"{info}/entry_points.txt": entry_points,
        }
        hashes = {}
        for path, text in {**files, **own}.items():
            self.write(path, text)
            hashes[path] = hashlib.sha256(text.encode()).digest()
        rows = [
            f"{path},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},"
            f"{(self.root / path).stat().st_size}\n"
            for path, digest in hashes.items()
        ]
        self.write(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")
        digest = tree_digest((path, digest.hex()) for path, digest in hashes.items())
        requires = (metadata.split()[1],) if metadata else ()
        return LockedDistribution(
            name=name, version="1.0", digests={TAG: digest}, requires=requires
        )

    def findings(self, lock: Lock, integrity: str = "full") -> tuple[Finding, ...]:
        return verdict_on(lock, integrity, environment_of([str(self.root)])).findings


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(root=tmp_path / "site-packages")


@pytest.fixture
def lock(site: Site) -> Lock:
    """The lock of a plugin and a library, which are installed as they were locked."""
    acme = site.install(
        "acme",
        {"acme/__init__.py": "", "acme/plug.py": "spec = 1\n", "acme/other.py": ""},
        metadata="Requires-Dist: helper\n",
        entry_points="[coral_inference.patches]\nacme = acme.plug:spec\n",
    )
    helper = site.install("helper", {"helper.py": "x = 1\n"})
    return Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=PYTHON),
        plugins=(
            LockedPlugin(id="patches:acme", distribution="acme", entry_point="acme.plug:spec"),
        ),
        distributions=(acme, helper),
    )


def about_acme(code: str, summary: str, **details: str | None) -> Finding:
    values = {"severity": ERROR, "where": "distributions.acme", "hint": REINSTALL, **details}
    return Finding(code=code, subject="acme", summary=summary, **values)  # type: ignore[arg-type]


def wrong_file(lock: Lock, path: str, found: str) -> Finding:
    return about_acme(
        "digest-mismatch",
        f"`{path}` of `acme` isn't the file that was locked",
        expected=lock.distributions[0].digests[TAG],
        found=found,
        where=path,
    )


@pytest.mark.parametrize("integrity", ["metadata", "imports", "full"])
def test_what_was_locked_holds(site: Site, lock: Lock, integrity: str) -> None:
    assert site.findings(lock, integrity) == ()


def test_there_are_three_levels_of_integrity(site: Site, lock: Lock) -> None:
    with pytest.raises(UsageError) as refused:
        site.findings(lock, "none")
    assert str(refused.value) == (
        "an integrity level is one of metadata, imports, full, not `none`"
    )


def test_another_python_than_the_lock_s(site: Site, lock: Lock) -> None:
    assert site.findings(lock.replace(host=lock.host.replace(python="3.8"))) == (
        Finding(
            code="python-drift",
            severity=ERROR,
            subject="python",
            summary="the lock was made for another version of Python",
            expected="Python 3.8",
            found=f"Python {PYTHON}",
            where="host.python",
            hint="start it with that Python, or lock for this one",
        ),
    )


def test_a_host_that_is_not_installed(site: Site, lock: Lock) -> None:
    core = HostPackage(distribution="coral-inference", version="0.0.4")
    (finding,) = site.findings(lock.replace(host=lock.host.replace(core=core)))
    assert finding == Finding(
        code="host-unverified",
        severity=WARNING,
        subject="coral-inference",
        summary="the version of the core host can't be verified: it was given on the command "
        "line or in the descriptor, and the distribution isn't installed",
        expected="coral-inference 0.0.4",
        found="none",
        where="host.core",
        hint="install `coral-inference==0.0.4`, so that it is checked",
    )


def test_a_host_that_the_lock_has_not(site: Site, lock: Lock) -> None:
    site.install("inference-gpu", {"unrelated.py": ""})
    (finding,) = site.findings(lock)
    assert (finding.code, finding.subject, finding.expected, finding.found, finding.hint) == (
        *("host-drift", "inference-gpu", "none", "inference-gpu 1.0"),
        RELOCK,
    )


def found_digest(site: Site, *gone: str) -> str:
    """Return the digest of the files of acme that are there."""
    paths = [
        *("acme/__init__.py", "acme/plug.py", "acme/other.py"),
        *(f"acme-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt")),
    ]
    return tree_digest(
        (path, hashlib.sha256((site.root / path).read_bytes()).hexdigest())
        for path in paths
        if path not in gone
    )


@pytest.mark.parametrize("integrity", ["imports", "full"])
def test_every_missing_unreadable_and_changed_file_is_found(
    site: Site, lock: Lock, integrity: str
) -> None:
    (site.root / "acme/__init__.py").unlink()
    (site.root / "acme/other.py").unlink()
    (site.root / "acme/other.py").mkdir()
    site.replace("acme/plug.py", "1", "2")
    found = found_digest(site, "acme/__init__.py", "acme/other.py")
    assert site.findings(lock, integrity)[:3] == (
        wrong_file(lock, "acme/plug.py", found),
        about_acme(
            "file-missing", "`acme/__init__.py` of `acme` is missing", where="acme/__init__.py"
        ),
        about_acme(
            "file-missing", "`acme/other.py` of `acme` can't be read", where="acme/other.py"
        ),
    )


def test_a_longer_file_is_changed_without_being_read(site: Site, lock: Lock) -> None:
    with (site.root / "acme/plug.py").open("a") as file:
        file.truncate(1 << 42)
    finding, *_ = site.findings(lock, "imports")
    assert (finding.code, finding.where) == ("digest-mismatch", "acme/plug.py")


def test_no_more_than_twenty_files_are_named(site: Site, lock: Lock) -> None:
    files = {f"many/f{number:02}.py": "x" for number in range(25)}
    many = site.install("many", files)
    for path in files:
        site.write(path, "y")
    findings = site.findings(lock.replace(distributions=(*lock.distributions, many)))
    assert [each.summary for each in findings if each.code == "digest-mismatch"] == [
        "5 more files of `many` aren't what was locked",
        *(
            f"`many/f{number:02}.py` of `many` isn't the file that was locked"
            for number in range(20)
        ),
    ]


def test_files_of_libraries_are_hashed_at_full_only(site: Site, lock: Lock) -> None:
    site.append("helper.py")
    assert site.findings(lock, "imports") == ()
    (finding,) = site.findings(lock, "full")
    assert (finding.code, finding.summary) == (
        "digest-mismatch",
        "`helper.py` of `helper` isn't the file that was locked",
    )


RECORD = "acme-1.0.dist-info/RECORD"
UNPROVED = [
    (
        lambda site: site.replace(RECORD, "acme/plug.py,sha256=", "acme/plug.py,sha256=A"),
        "digest-mismatch",
        "`acme/plug.py` of `acme` isn't the file that was locked",
    ),
    (
        lambda site: site.append(RECORD, "acme/new.py,,\n"),
        "file-missing",
        "`acme/new.py` of `acme` is missing",
    ),
    (
        lambda site: (site.append(RECORD, "acme/new.py,,\n"), site.write("acme/new.py")),
        "digest-mismatch",
        "`acme` isn't what was locked, and its RECORD hides which file changed",
    ),
    (
        lambda site: site.replace(
            "acme-1.0.dist-info/WHEEL", f"Tag: {TAG}\n", f"Tag: {TAG}\nTag: py2-none-any\n"
        ),
        "digest-mismatch",
        "`acme-1.0.dist-info/WHEEL` of `acme` isn't the file that was locked",
    ),
    (
        lambda site: (
            site.replace(RECORD, "acme/plug.py,sha256=", "acme/plug.py,md5="),
            site.append("acme/plug.py"),
            (site.root / "acme/other.py").unlink(),
        ),
        "file-missing",
        "`acme/other.py` of `acme` is missing",
    ),
    (
        lambda site: (site.root / RECORD).unlink(),
        "unusable-record",
        "`acme`: RECORD is absent or doesn't list the distribution's own files",
    ),
]


@pytest.mark.parametrize(("change", "code", "summary"), UNPROVED)
@pytest.mark.parametrize("integrity", ["imports", "full"])
def test_a_record_that_is_not_the_lock_s(
    site: Site,
    lock: Lock,
    change: Callable[[Site], object],
    code: str,
    summary: str,
    integrity: str,
) -> None:
    change(site)
    findings = site.findings(lock, integrity)
    assert [(f.code, f.summary) for f in findings if f.subject == "acme"] == [(code, summary)]
    assert exit_code(findings) == 3


def test_an_unproved_record_without_a_change_is_proved_by_hashing(site: Site, lock: Lock) -> None:
    site.replace(RECORD, "acme/other.py,sha256=", "acme/other.py,md5=")
    assert site.findings(lock, "imports") == ()
    site.append("acme/other.py", "x = 1\n")
    assert [each.code for each in site.findings(lock, "imports")] == ["digest-mismatch"]


def test_another_wheel_of_the_same_version(site: Site, lock: Lock) -> None:
    digests = {"py2-none-any": lock.distributions[0].digests[TAG]}
    other = lock.distributions[0].replace(digests=digests)
    changed = lock.replace(distributions=(other, lock.distributions[1]))
    site.append(RECORD, "acme/new.py,,0\n")
    site.write("acme/new.py")
    drift = about_acme(
        "platform-drift",
        "the lock covers no wheel of `acme` like the one installed",
        expected="py2-none-any",
        found=TAG,
        hint="install a wheel that the lock covers, or lock for this machine",
    )
    assert site.findings(changed) == (drift,)
    site.append("acme/plug.py")
    tampered = "`acme/plug.py` of `acme` isn't the file that its RECORD states"
    assert site.findings(changed) == (
        about_acme("digest-mismatch", tampered, where="acme/plug.py"),
        drift,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[coral_inference.patches]\nacme\n",
            "in a form that isn't `name = module:attribute`: `acme`",
        ),
        (
            "[coral_inference.patches]\nacme = acme.plug:spec\nacme = acme.plug:spec\n",
            "twice: `acme = acme.plug:spec`",
        ),
    ],
)
def test_entry_points_that_cannot_be_read_are_broken(
    site: Site, lock: Lock, text: str, message: str
) -> None:
    place = site.write("acme-1.0.dist-info/entry_points.txt", text)
    line = text.count("\n")
    assert site.findings(lock) == (
        about_acme(
            "plugin-broken",
            f"`acme`: an entry point is declared {message}",
            where=f"{place}:{line}",
            hint="correct it in the distribution's project and reinstall",
        ),
    )


def test_entry_points_of_others_that_cannot_be_read_may_declare_plugins(
    site: Site, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("other", {"other.py": ""})
    assert site.findings(lock) == ()
    site.write("other-1.0.dist-info/entry_points.txt", "[coral_inference.patches]\nother\n")
    assert site.findings(lock) == (
        Finding(
            code="unlocked-plugin",
            severity=ERROR,
            subject="other",
            summary="`other` declares plugins, and the lock doesn't name it",
            where=str(site.root / "other-1.0.dist-info"),
            hint="uninstall `other`, or run `coral-runtime lock` and have it reviewed",
        ),
    )
    place = site.root / "other-1.0.dist-info/entry_points.txt"
    place.write_bytes(b"[coral_inference.\xff]")
    assert [each.code for each in site.findings(lock)] == ["unlocked-plugin"]
    place.unlink()
    monkeypatch.chdir(place.parent)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place.name)
        assert [each.code for each in site.findings(lock)] == ["unlocked-plugin"]


def test_an_entry_point_that_is_not_declared(site: Site, lock: Lock) -> None:
    (plugin,) = lock.plugins
    other = lock.replace(plugins=(plugin.replace(entry_point="acme.other:spec"),))
    assert site.findings(other) == (
        Finding(
            code="entry-point-drift",
            severity=ERROR,
            subject="patches:acme",
            summary="`acme` declares no such entry point",
            expected="acme.other:spec",
            found="acme.plug:spec",
            where='plugins["patches:acme"].entry_point',
            hint=RELOCK,
        ),
    )


def test_requirements_that_the_lock_does_not_have(site: Site, lock: Lock) -> None:
    acme, helper = lock.distributions
    changed = lock.replace(
        distributions=(acme.replace(requires=()), helper.replace(requires=("acme",)))
    )
    assert [
        (each.code, each.subject, each.expected, each.found, each.where)
        for each in site.findings(changed)
    ] == [
        (
            *("requires-drift", "acme", "none", "`helper` is required too"),
            "distributions.acme.requires",
        ),
        (
            *("requires-drift", "helper", "acme", "`acme` isn't required"),
            "distributions.helper.requires",
        ),
    ]


def test_a_distribution_that_is_absent_or_there_twice(site: Site, lock: Lock) -> None:
    site.write("Acme-0.9.dist-info/METADATA")
    os.rename(site.root / "helper-1.0.dist-info", site.root / "gone")
    first, second, *_ = site.findings(lock)
    assert first == about_acme(
        "duplicate-distribution",
        "`acme` is installed 2 times",
        expected="one copy",
        found=f"{site.root}/Acme-0.9.dist-info, {site.root}/acme-1.0.dist-info",
        hint="uninstall all of them, then install the locked version once",
    )
    assert (second.code, second.expected, second.found) == (
        "distribution-missing",
        "1.0",
        "nothing",
    )


def test_a_distribution_without_a_digest(site: Site, lock: Lock) -> None:
    unpinned = lock.replace(distributions=tuple(d.replace(digests={}) for d in lock.distributions))
    found = {
        level: [(each.subject, each.severity, each.hint) for each in site.findings(unpinned, level)]
        for level in ("metadata", "full")
    }
    assert found == {
        "metadata": [
            ("acme", WARNING, "lock it from a wheel"),
            ("helper", WARNING, "lock it from a wheel"),
        ],
        "full": [
            (
                "acme",
                ERROR,
                "lock it from a wheel; `--integrity metadata` starts without it",
            ),
            ("helper", WARNING, "lock it from a wheel"),
        ],
    }


def test_a_requirement_of_what_is_not_pinned(site: Site, lock: Lock) -> None:
    (plugin,) = lock.plugins
    inference = HostPackage(distribution="inference", version="0.58.0")
    loose = site.install(
        "loose",
        {"loose.py": ""},
        metadata="Requires-Dist: absent>=1\nRequires-Dist: inference\nRequires-Dist: helper\n"
        "Requires-Dist: windows-only; sys_platform == 'win32'\n",
        entry_points="[coral_inference.patches]\nloose = loose:spec\n",
    )
    changed = lock.replace(
        host=lock.host.replace(inference=inference),
        plugins=(
            plugin,
            plugin.replace(id="patches:loose", distribution="loose", entry_point="loose:spec"),
        ),
        distributions=(*lock.distributions, loose.replace(digests={}, requires=("helper",))),
    )
    assert [
        (each.subject, each.summary, each.found)
        for each in site.findings(changed)
        if each.code == "requirement-unmet"
    ] == [("loose", "`loose` requires `absent>=1`, found nothing", "nothing")]


def test_a_file_in_a_directory_of_a_locked_distribution(site: Site, lock: Lock) -> None:
    site.write("acme/stray.py")
    assert site.findings(lock) == (
        about_acme(
            "unlocked-file",
            "unexpected file in a directory of `acme`: `acme/stray.py`",
            where="acme/stray.py",
            hint="remove the file, and identify its source",
        ),
    )
    site.install("claimant", {"acme/stray.py": ""})
    assert [each.severity for each in site.findings(lock)] == [ERROR]


def test_what_another_distribution_has_in_a_shared_namespace(site: Site, lock: Lock) -> None:
    shared = site.install("shared", {"ns/own.py": ""})
    site.install("other", {"ns/other/x.py": ""})
    findings = site.findings(lock.replace(distributions=(*lock.distributions, shared)))
    assert [(each.code, each.severity, each.summary) for each in findings] == [
        (
            "unlocked-file",
            WARNING,
            "`other`, which isn't verified, has a file in a directory of `shared`: `ns/other/x.py`",
        )
    ]


def test_bytecode_that_an_update_left_is_told_once(site: Site, lock: Lock) -> None:
    for name in ("gone", "lost"):
        site.write(f"acme/__pycache__/{name}.cpython-311.opt-2.pyc")
    assert site.findings(lock) == (
        about_acme(
            "unlocked-file",
            "bytecode of no locked source is in `acme`: "
            "`acme/__pycache__/gone.cpython-311.opt-2.pyc`",
            severity=WARNING,
            where="acme/__pycache__/gone.cpython-311.opt-2.pyc",
            hint="remove that `__pycache__`; Python makes it again",
        ),
    )


def test_a_start_takes_what_is_listed_only(site: Site, lock: Lock) -> None:
    site.write("acme/stray.py")
    environment = environment_of([str(site.root)])
    verdict = verdict_on(lock, "imports", environment, is_start=True)
    assert verdict.findings == ()
    assert verdict.part == lock
    assert verdict.machine is not None
    assert [each.name for each in verdict.machine.table.lists] == ["acme", "helper"]
    assert "acme/stray.py" not in verdict.machine.table.lists[0].hashes


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_locked_host_that_differs_is_reported_once(site: Site, is_installed: bool) -> None:
    core = site.install("coral-inference", {"coral_inference/__init__.py": ""}).replace(
        version="0.9"
    )
    package = HostPackage(distribution="coral-inference", version="0.9")
    lock = Lock(
        platform="onnx",
        host=Host(core=package, inference=None, python=PYTHON),
        plugins=(),
        distributions=(core,),
    )
    if not is_installed:
        shutil.rmtree(site.root / "coral_inference-1.0.dist-info")
    codes = {finding.code for finding in site.findings(lock)}
    assert "host-drift" in codes
    assert not codes & {"distribution-missing", "version-drift"}


def test_an_editable_install_of_what_was_locked(site: Site, lock: Lock) -> None:
    site.write(
        "acme-1.0.dist-info/direct_url.json",
        '{"url": "file:///src/acme", "dir_info": {"editable": true}}',
    )
    assert "editable-install" in {finding.code for finding in site.findings(lock)}


def test_another_version_is_no_other_platform(site: Site, lock: Lock) -> None:
    acme, helper = lock.distributions
    other = acme.replace(version="0.9", digests={"py3-none-other": f"t1:{'A' * 43}="})
    codes = {each.code for each in site.findings(lock.replace(distributions=(other, helper)))}
    assert "version-drift" in codes
    assert "platform-drift" not in codes


def test_scripts_that_are_locked_and_that_the_record_does_not_list(site: Site, lock: Lock) -> None:
    acme, helper = lock.distributions
    scripts = acme.replace(data_digests={TAG: f"d1:{'A' * 43}="})
    (finding,) = site.findings(lock.replace(distributions=(scripts, helper)))
    assert (finding.code, finding.found) == ("digest-mismatch", "none")


def test_an_entry_point_in_the_files_of_another_distribution(site: Site) -> None:
    acme = site.install(
        "acme",
        {"acme/__init__.py": ""},
        entry_points="[coral_inference.patches]\nacme = helper:spec\n",
    )
    helper = site.install("helper", {"helper.py": "spec = 1\n"})
    lock = Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=PYTHON),
        plugins=(LockedPlugin(id="patches:acme", distribution="acme", entry_point="helper:spec"),),
        distributions=(acme, helper),
    )
    assert [finding.code for finding in site.findings(lock)] == ["foreign-target"]


def test_a_requirement_with_a_marker_may_be_locked_or_not(site: Site) -> None:
    acme = site.install("acme", {"acme.py": ""}, metadata='Requires-Dist: helper ; extra == "x"\n')
    helper = site.install("helper", {"helper.py": ""})
    lock = Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=PYTHON),
        plugins=(),
        distributions=(acme.replace(requires=()), helper),
    )
    assert site.findings(lock) == ()


def test_scripts_of_which_none_is_there_cannot_be_verified(site: Site, lock: Lock) -> None:
    site.append("acme-1.0.dist-info/RECORD", f"../bin/acme,sha256={'A' * 43},3\n")
    acme, helper = lock.distributions
    scripts = acme.replace(data_digests={TAG: f"d1:{'A' * 43}="})
    findings = site.findings(lock.replace(distributions=(scripts, helper)))
    assert [(finding.code, finding.found) for finding in findings] == [("unpinned-file", "none")]


def test_no_more_than_twenty_unexpected_files_are_named(site: Site, lock: Lock) -> None:
    for number in range(25):
        site.write(f"acme/stray{number:02}.py")
    assert [finding.where for finding in site.findings(lock)] == [
        f"acme/stray{number:02}.py" for number in range(20)
    ]


@pytest.mark.parametrize("integrity", ["metadata", "imports", "full"])
def test_what_the_loader_is_told(
    site: Site, lock: Lock, monkeypatch: pytest.MonkeyPatch, integrity: str
) -> None:
    def found(lock: Lock) -> list[tuple[str, str, str | None]]:
        environment = environment_of((str(site.root),)).replace(is_own=True)
        findings = verdict_on(lock, integrity, environment).findings
        return [(each.code, each.subject, each.found) for each in findings]

    names = ("LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES")
    paths = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    for name in (*names, *paths):
        monkeypatch.setenv(name, "")
    assert found(lock) == []
    for name in (*names, *paths):
        monkeypatch.setenv(name, "/evil")
    assert site.findings(lock, integrity) == ()
    preload = [("loader-preload", name, "/evil") for name in sorted(names)]
    path = [("loader-path", name, "/evil") for name in sorted(paths)]
    assert found(lock) == preload + path
    for accepted, rest in (
        (("loader-path",), preload),
        (("loader-preload",), path),
        (("loader-path", "loader-preload"), []),
    ):
        acme, helper = lock.distributions
        accepting = (acme, helper.replace(accepted=accepted))
        assert found(lock.replace(distributions=accepting)) == rest
