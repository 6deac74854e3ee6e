"""Files on disk: hostile ones read within bounds, our own written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat

from coral_lock.errors import InputError, WriteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


OWN_READ = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""The flags by which our own reads, which compare what they read, are told from others."""

_FLAGS = os.O_RDONLY | OWN_READ | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


FileIdentity = tuple[int, int, int, int, int]
"""A file's device, inode, size, and the times of its bytes and of its inode."""


def default_state_directory() -> str:
    """Return `$XDG_STATE_HOME/coral-lock`, by default `~/.local/state/coral-lock`."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "coral-lock")


def is_private(status: os.stat_result) -> bool:
    """Whether only this user and root can write to what has this status."""
    return _is_ours(status) and (os.name != "posix" or not status.st_mode & 0o022)


def _is_ours(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid in (os.geteuid(), 0)


def make_private_directories(directories: Iterable[str]) -> None:
    """Make directories where they don't exist, with mode 0700.

    Raises:
        OSError: one can't be made, or others can write to it; `filename` names it.
    """
    for directory in directories:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        # Who owns a link can lead it elsewhere later.
        if not (_is_ours(os.lstat(directory)) and is_private(os.stat(directory))):
            raise PermissionError(errno.EPERM, "others can write to it", directory)


class NotRegularFileError(OSError):
    """The path leads to a directory, a pipe, a device or a socket."""


def identity_of(status: os.stat_result) -> FileIdentity:
    """Return what changes when a file is written to or replaced."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


class OpenFile(tuple[int, int]):
    """A descriptor, which a `with` statement closes at its end, and the file's size in bytes."""

    __slots__ = ()

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self[0])


def open_regular_file(
    path: str, *, follows_links: bool = True, directory: int | None = None
) -> OpenFile:
    """Open the regular file at `path` for reading.

    Args:
        path: the file.
        follows_links: whether it may be a symbolic link.
        directory: a descriptor of the directory that `path` is relative to.

    Raises:
        NotRegularFileError: it is something else. A pipe doesn't block the caller.
        OSError: it can't be opened.
    """
    flags = _FLAGS if follows_links else _FLAGS | os.O_NOFOLLOW
    descriptor = os.open(path, flags, dir_fd=directory)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return OpenFile((descriptor, status.st_size))
    os.close(descriptor)
    raise NotRegularFileError(errno.EINVAL, "not a regular file")


def read_regular_file(path: str, limit: int) -> bytes:
    """Return the content of the regular file at `path`.

    Args:
        path: the file; links are followed.
        limit: the number of bytes that it may have at the most.

    Raises:
        NotRegularFileError: it is a directory, pipe, device or socket.
        OSError: it has more than `limit` bytes, or can't be opened or read.
    """
    with open_regular_file(path) as (descriptor, size):
        return read_open_file(descriptor, size, limit)


def read_open_file(descriptor: int, size: int, limit: int) -> bytes:
    """Return the content of what `open_regular_file` has opened.

    Raises:
        OSError: it has more than `limit` bytes, or can't be read.
    """
    if size > limit:
        raise _too_large(size, limit)
    content = os.read(descriptor, size + 1)
    if len(content) == size:
        return content
    while chunk := os.read(descriptor, 1 << 20):
        content += chunk
        if len(content) > limit:
            raise _too_large(len(content), limit)
    return content


def read_named_file(
    path: str, limit: int, *, what: str, hint: str, error_type: type[InputError] = InputError
) -> bytes:
    """Return the content of the regular file that a user names.

    Args:
        path: the file; links are followed.
        limit: the number of bytes that it may have at the most.
        what: what a message calls it, `descriptor`.
        hint: what to do where there is none.
        error_type: the type of the error.

    Raises:
        InputError: of that type: it is missing or can't be read.
    """
    try:
        return read_regular_file(path, limit)
    except FileNotFoundError:
        raise error_type(f"there is no {what}", where=path, hint=hint) from None
    except OSError as error:
        raise error_type(f"the {what} can't be read: {error.strerror}", where=path) from None
    except ValueError:
        raise error_type(f"the {what}'s path can't be a path", where=repr(path)) from None


def decoded(
    content: bytes, path: str, *, what: str, hint: str, error_type: type[InputError] = InputError
) -> str:
    """Return the text of a file's bytes; the words are for what the user is told otherwise.

    Raises:
        InputError: of type `error_type`: it isn't UTF-8 without a byte order mark.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        *lines, start = content[: error.start].decode("utf-8").split("\n")
        raise error_type(
            f"the {what} isn't UTF-8",
            expected="UTF-8",
            found=f"byte 0x{content[error.start]:02x}",
            where=f"{path}:{len(lines) + 1}:{len(start) + 1}",
            hint=hint,
        ) from None
    if text.startswith("\ufeff"):
        raise error_type(
            f"the {what} starts with a byte order mark",
            expected="UTF-8 without one",
            where=f"{path}:1:1",
            hint=hint,
        )
    return text


def _too_large(size: int, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"{size} bytes, more than the {limit} allowed")


_MAX_REPLACED_BYTES = 64 << 20
_MOST_LINKS = 40
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""What a file system says that has no hard links, such as FAT."""


def refuse_to_overwrite(
    path: str, kind: str, is_ours: Callable[[str], bool], elsewhere: str
) -> str | None:
    """Refuse to replace a file that isn't what is about to be written there.

    Args:
        path: the file; there may be none, or one without content.
        kind: what it has to be, with its article.
        is_ours: whether a text is that. What isn't UTF-8 is handed to it escaped.
        elsewhere: how to name another file, for the hint.

    Returns:
        The text that is there, or None where there is no file.

    Raises:
        InputError: it is something else, or can't be read.
    """
    try:
        content = read_regular_file(path, _MAX_REPLACED_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(
            f"`{path}` can't be overwritten: {error.strerror}", where=path, hint=elsewhere
        ) from error
    text = content.decode("utf-8", "surrogateescape")
    if text and not is_ours(text):
        raise InputError(
            f"`{path}` isn't {kind}, so it isn't overwritten",
            where=path,
            hint=f"remove it first, or {elsewhere}",
        )
    return text


def write_durably(path: str, text: str, *, mode: int | None = None) -> None:
    """Replace the file at `path` by `text`, in UTF-8.

    A temporary file in the same directory is written, synced and renamed over the target,
    and the directory is synced. A link is followed, so that its target is replaced.

    Args:
        path: the file.
        text: the whole content.
        mode: its permissions; by default they are kept where it exists.

    Raises:
        WriteError: it can't be written; what was there is unchanged.
    """
    if open_descriptor(path) is not None:
        raise WriteError(
            f"`{path}` can't be written: it is a file that is open already, and a new one would "
            "take its place",
            where=path,
            hint="name the file itself",
        )
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target) and not os.path.isdir(target):
        raise WriteError(
            f"`{path}` can't be written: it isn't a regular file, and one would take its place",
            where=path,
            hint="name a file, or redirect standard output",
        )
    directory = os.path.dirname(target)
    temporary = os.path.join(directory, f".{os.path.basename(target)}.{os.urandom(6).hex()}.tmp")
    try:
        mode = _mode_for(target) if mode is None else mode
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(descriptor)
            os.chmod(temporary, mode)
            os.replace(temporary, target)
        except BaseException:
            _remove(temporary)
            raise
        sync_directory(directory)
    except OSError as error:
        raise WriteError(
            f"`{path}` can't be written: {error.strerror or error}; "
            + ("what was there is unchanged" if os.path.exists(target) else "nothing was written"),
            where=path,
            hint="name a file in a directory that exists"
            if isinstance(error, (FileNotFoundError, NotADirectoryError))
            else "make room, or make its directory writable, and run the command again",
        ) from None


def place_durably(source: str, target: str) -> None:
    """Give a finished file its name in a directory of the same file system.

    It is synced, and so is the directory. Nothing is overwritten; a file of that name with the
    same bytes is left as it is.

    Args:
        source: the file, which may keep its former name.
        target: its path.

    Raises:
        WriteError: there is another file of that name.
        OSError: it can't be put there.
    """
    _sync_file(source)
    try:
        _link(source, target)
    except FileExistsError:
        # Another run may have put it there in the meantime.
        import filecmp

        if not os.path.isfile(target) or not filecmp.cmp(source, target, shallow=False):
            raise WriteError(
                f"`{target}` isn't overwritten",
                where=target,
                hint="remove it, and run the command again",
            ) from None
    sync_directory(os.path.dirname(os.path.abspath(target)))


def replace_durably(source: str, target: str) -> None:
    """Put a finished file of the same file system in the place of another one, or of none.

    It is synced, and so is the directory.

    Raises:
        OSError: it can't be put there; what was there is unchanged.
    """
    _sync_file(source)
    os.replace(source, target)
    sync_directory(os.path.dirname(os.path.abspath(target)))


def _sync_file(path: str) -> None:
    with open_regular_file(path) as (descriptor, _):
        os.fsync(descriptor)


def _link(source: str, target: str) -> None:
    """Link a file under a name that nothing has, or rename it where there are no links."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        os.rename(source, target)


def open_descriptor(path: str) -> int | None:
    """Return the number of the open file that a path such as `/dev/stdout` leads to, or None."""
    for _ in range(_MOST_LINKS):
        directory, name = os.path.split(os.path.abspath(path))
        directory = os.path.realpath(directory)
        if directory.startswith("/proc/") and name.isdecimal():
            return int(name) if os.path.basename(directory) == "fd" else None
        place = os.path.join(directory, name)
        if not os.path.islink(place):
            return None
        path = os.path.join(directory, os.readlink(place))
    return None


def _mode_for(target: str) -> int:
    try:
        return os.stat(target).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def sync_directory(directory: str) -> None:
    """Have the names in a directory survive a loss of power."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
