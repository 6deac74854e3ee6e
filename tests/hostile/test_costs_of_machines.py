"""RECORDs and locks that would keep a device busy: refused by name, or read in linear time."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.errors import LockError
from coral_lock.finding import CODES, ERROR, Finding
from coral_lock.lockfile.entries import ExcludedPlugin, Host, LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.lockfile.text import read_lock, write_lock
from coral_lock.targets.model import Target
from tests.support.in_process import WorkingDirectory
from tests.support.locks import digest_of
from tests.support.operations import assert_linear, counted_calls, counted_opcodes

TAG = "py3-none-any"
_DIGEST = digest_of("A")


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    return _machine(tmp_path, "acme/__init__.py,,\n")


def _machine(directory: Path, rows: str, tag: str = TAG) -> WorkingDirectory:
    """Return a place with a lock, and with a directory into which its plugin is installed."""
    work = WorkingDirectory(directory=directory)
    info = _install(directory / "site", "acme", rows, tag)
    (info / "entry_points.txt").write_text("[coral_inference.patches]\nacme = acme.a:spec\n")
    work.write("coral.lock", write_lock(_lock(1)))
    return work


def _install(site: Path, name: str, rows: str, tag: str = TAG) -> Path:
    """Write the metadata of a distribution whose RECORD has these rows; return their directory."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
    own = "".join(f"{info.name}/{file},,\n" for file in ("METADATA", "WHEEL", "RECORD"))
    (info / "RECORD").write_text(rows + own)
    return info


def _lock(plugins: int, after: bool = False) -> Lock:
    names = [f"p{number:05d}" for number in reversed(range(plugins))]
    return Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python="3.11"),
        plugins=tuple(
            LockedPlugin(
                id=f"patches:{name}",
                distribution="acme",
                entry_point="acme.a:spec",
                description="",
                min_core_version=None,
                min_inference_version=None,
                optional=False,
                after=(f"patches:{names[index - 1]}",) if after and index else (),
            )
            for index, name in enumerate(names)
        ),
        distributions=(
            LockedDistribution(name="acme", version="1.0", digests={TAG: digest_of("A")}),
        ),
    )


def _verify(work: WorkingDirectory) -> str:
    outcome = work.coral(
        "verify", "--site-packages", "site", "--target", "python=3.11,platform=linux_x86_64"
    )
    assert outcome.code in (1, 3), outcome.stderr
    return outcome.stderr


def test_a_record_of_namespace_rows_takes_linear_time(tmp_path: Path) -> None:
    def verify(count: int) -> None:
        rows = "".join(f"ns/n{number}/m.py,,\n" for number in range(count))
        _verify(_machine(tmp_path / str(count), rows))

    assert_linear(verify, 1000, 2_500_000)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a/" * 120_000 + "m.py,,\n", "RECORD lists a path of more than 4,096 characters"),
        ("a/" * 150 + "m.py,,\n", "RECORD lists a path of more than 100 parts"),
        ("a,,\n" * 200_001, "RECORD lists more than 200,000 files"),
        (f"../site/{'a/' * 120_000}m.py,,\n", "RECORD lists a file of the site directory by a "
         f"roundabout path: `../site/{'a/' * 123}a`"),
    ],
    ids=["characters", "parts", "rows", "roundabout"],
)  # fmt: skip
def test_a_record_that_no_installer_writes(tmp_path: Path, rows: str, message: str) -> None:
    work = _machine(tmp_path, rows)
    with counted_calls(500_000):
        told = _verify(work)
    assert f"error[unusable-record]: `acme`: {message}\n" in told
    assert len(told) < 3000


def test_a_deep_record_is_looked_at_once_for_each_directory(tmp_path: Path) -> None:
    def verify(count: int) -> None:
        below = "/".join(f"d{number}" for number in range(60))
        rows = "".join(f"acme/{below}/n{number}/m.py,,\n" for number in range(count))
        _verify(_machine(tmp_path / str(count), rows))

    assert_linear(verify, 500, 5_000_000)


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        (f"py3-none-{'x' * 1_700_000}", "`WHEEL` can't be read: 1700056 bytes, more than the "
         "65536 allowed"),
        (f"{'.'.join(f'py{n}' for n in range(40))}-{'.'.join(f'a{n}' for n in range(40))}-any",
         "WHEEL states more than 1,000 tags"),
    ],
    ids=["long", "many"],
)  # fmt: skip
def test_a_tag_that_no_wheel_has(tmp_path: Path, tag: str, message: str) -> None:
    told = _verify(_machine(tmp_path, "acme/a.py,,\n", tag))
    assert f"]: `acme`: {message}\n" in told
    assert len(told) < 2000


def test_a_long_tag_is_cut_in_messages(tmp_path: Path) -> None:
    (tmp_path / "site" / "acme").mkdir(parents=True)
    (tmp_path / "site" / "acme" / "a.py").touch()
    told = _verify(_machine(tmp_path, "acme/a.py,,\n", f"py3-none-{'x' * 60_000}"))
    assert "error[platform-drift]: the lock covers no wheel of `acme` like the one installed" in (
        told
    )
    assert "characters left out) … " in told
    assert len(told) < 4000


@pytest.mark.parametrize("after", [False, True])
def test_the_order_of_plugins_takes_linear_time(after: bool) -> None:
    def order(count: int) -> None:
        plugins = _lock_plugins(count, after)
        assert len(activation_order(plugins)) == count

    def order_a_circle(count: int) -> None:
        plugins = _lock_plugins(count, True)
        with pytest.raises(CycleError):
            activation_order({**plugins, "patches:p00001": ["patches:p00000"]})

    assert_linear(order, 400, 2_000_000, counted_opcodes)
    assert_linear(order_a_circle, 400, 2_000_000, counted_opcodes)


def _lock_plugins(count: int, after: bool) -> dict[str, list[str]]:
    return {
        f"patches:p{number:05d}": [f"patches:p{number + 1:05d}"] if after else []
        for number in range(count)
    }


def test_strays_of_many_distributions_take_linear_time(tmp_path: Path) -> None:
    def verify(count: int) -> None:
        work = _machine(tmp_path / str(count), "acme/__init__.py,,\n")
        distributions = [LockedDistribution(name="acme", version="1.0", digests={TAG: _DIGEST})]
        for number in range(count):
            name = f"d{number:03d}"
            rows = "".join(f"{name}/a{row}.py,,\n" for row in range(30))
            _install(work.directory / "site", name, rows)
            (work.directory / "site" / name).mkdir()
            (work.directory / "site" / name / "stray.py").touch()
            distributions.append(
                LockedDistribution(name=name, version="1.0", digests={TAG: _DIGEST})
            )
        lock = _lock(1).replace(distributions=tuple(distributions))
        work.write("coral.lock", write_lock(lock))
        outcome = work.coral(
            *("verify", "--site-packages", "site", "--integrity", "full"),
            *("--target", "python=3.11,platform=linux_x86_64"),
        )
        # That of the plugin's own distribution among them.
        assert outcome.stderr.count("unexpected file in a directory of") == count + 1

    assert_linear(verify, 10, 20_000_000, counted_opcodes)


@pytest.mark.parametrize("after", [False, True])
def test_a_lock_of_many_plugins_takes_linear_time(tmp_path: Path, after: bool) -> None:
    def verify(count: int) -> None:
        work = _machine(tmp_path / str(count), "acme/__init__.py,,\n")
        work.write("coral.lock", write_lock(_lock(count, after)))
        _verify(work)

    assert_linear(verify, 500, 2_500_000)


def test_the_order_of_many_plugins() -> None:
    after = {f"patches:p{number:05d}": [f"patches:p{number + 1:05d}"] for number in range(10_000)}
    after["patches:p10000"] = []
    with counted_calls(1_250_000):
        assert activation_order(after) == tuple(sorted(after, reverse=True))
    after["patches:p10000"] = ["patches:p00000"]
    with counted_calls(1_250_000), pytest.raises(CycleError) as refused:
        activation_order(after)
    assert len(refused.value.cycle) == 10_001
    assert refused.value.message.startswith("plugins wait for each other: `patches:p00000` → ")
    assert refused.value.message.endswith(" → … → `patches:p00000`")
    assert len(refused.value.message) < 1000


def _two_targets() -> tuple[Target, ...]:
    return tuple(
        Target(name=f"t{minor}", python=f"3.{minor}", platform="linux_x86_64") for minor in (11, 12)
    )


def test_plugins_and_exclusions_of_targets_take_linear_time() -> None:
    def check(count: int) -> None:
        lock = _lock(count)
        excluded = tuple(
            ExcludedPlugin(
                id=f"patches:other@d{number}",
                distribution=f"d{number}",
                reason="no",
                targets=("t11",),
            )
            for number in range(count)
        )
        plugins = tuple(
            each.replace(after=("patches:other",), targets=("t11",)) for each in lock.plugins
        )
        lock.replace(
            plugins=plugins,
            excluded=excluded,
            targets=_two_targets(),
            host=lock.host.replace(python=None),
        )

    assert_linear(check, 300, 5_000_000)


def test_a_lock_with_tags_that_are_too_many() -> None:
    lock = _lock(1)
    tag = f"{'.'.join(f'py{n}' for n in range(1001))}-none-any"
    (acme,) = lock.distributions
    with pytest.raises(LockError) as refused:
        read_lock(write_lock(lock).replace(TAG, tag))
    assert refused.value.message == "a wheel tag stands for at most 1000 tags"
    tags = {f"cp3{minor}-{'.'.join(f'a{n}' for n in range(900))}-any": digest_of("A")
            for minor in range(600)}  # fmt: skip
    text = write_lock(
        lock.replace(
            distributions=(acme.replace(digests=tags),),
        )
    )
    assert read_lock(text).distributions[0].digests == tags
    with pytest.raises(Exception, match="the lock has too many wheel tags for its targets"):
        lock.replace(
            distributions=(acme.replace(digests=tags),),
            targets=_two_targets(),
            host=lock.host.replace(python=None),
        )


def test_a_finding_is_cut_and_keeps_its_ends() -> None:
    code = min(CODES)
    summary = f"`{'x' * 1_000_000}` isn't right"
    finding = Finding(code=code, severity=ERROR, subject="acme", summary=summary, found=summary)
    assert len(finding.summary) < 2100
    assert finding.summary.startswith("`xxx")
    assert finding.summary.endswith("xxx` isn't right")
    assert " … (998,014 characters left out) … " in finding.summary
    assert finding.found == finding.summary
