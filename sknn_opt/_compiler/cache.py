"""Machine code on disk: a sealed file for each kernel, floating type and processor.

A file is a checksum and the content that it seals. The checksum also covers what the code
was made from and for, which the file does not hold: the kernel's name and signature, the
processor and its features, the versions of Python and numba, all our sources, and a digest
of the kernel's code and of everything that it names, which may stand in a user's files. So a
file that is damaged, out of date, another kernel's or another processor's is a miss. The
content is strings and bytes: nothing is unpickled.

A checksum is no signature: whoever can write to the folder can have any code run. A folder
that others can write to is therefore left alone.
"""

import contextlib
import hashlib
import inspect
import marshal
import os
import stat
import sys
import uuid
from functools import cache
from pathlib import Path

import llvmlite
import numba
from numba.core import caching

from .._warnings import warn
from .sources import sources_digest

_SEAL_SIZE = hashlib.sha256().digest_size


class Entry:
    """The file of a kernel, which need not be there yet.

    Parameters
    ----------
    folder : Path
    name : str
        The kernel's, for the file's name.
    identity : bytes
        Digest of all that the machine code was made from and for.
    """

    def __init__(self, folder, name, identity):
        self.folder = folder
        self._identity = identity
        self._file = folder / f"{name}-{identity.hex()[:16]}.sknn"

    def load(self):
        """Return what was stored, or None."""
        try:
            with open(self._file, "rb") as file:
                if _fault(os.fstat(file.fileno())):
                    return None
                sealed = file.read()
        except OSError:
            return None
        seal, content = sealed[:_SEAL_SIZE], sealed[_SEAL_SIZE:]
        return marshal.loads(content) if seal == self._seal(content) else None

    def store(self, code):
        """Store nested tuples of strings and bytes; a full disk costs time, not the fit."""
        content = marshal.dumps(code)
        temporary = self._file.with_suffix(f".{uuid.uuid4().hex}")
        try:
            # A process that reads meanwhile sees the old file or the new one.
            temporary.touch(mode=0o644, exist_ok=False)
            temporary.write_bytes(self._seal(content) + content)
            temporary.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _seal(self, content):
        return hashlib.sha256(self._identity + content).digest()


def entry(function, signature, codegen, identity):
    """Return the `Entry` of a function, or None where there is no folder to trust.

    ``identity`` is a digest of what the function computes.
    """
    try:
        place = caching.FunctionCache(function)
    except (RuntimeError, OSError):  # no folder can be written to, or no file holds it
        return None
    folder = Path(place.cache_path).resolve()
    if reason := _distrust(folder, Path(inspect.getfile(function)).resolve()):
        _warn(reason)
        return None
    key = (
        function.__module__,
        function.__qualname__,
        place._index_key(signature, codegen),
        (sys.version, numba.__version__, llvmlite.__version__),
        identity,
        sources_digest(),
    )
    return Entry(folder, place._impl.filename_base, hashlib.sha256(repr(key).encode()).digest())


def _distrust(folder, source):
    """Return why others may write to ``folder``, or replace it, or None.

    Who can replace ``source`` runs code with it, so folders above both are no concern.
    """
    for place in [folder, *folder.parents]:
        if place in source.parents:
            break
        # In a sticky folder such as /tmp nobody can replace what belongs to another user.
        if fault := _fault(place.stat(), or_sticky=place != folder):
            return f"{place} {fault}"
    return None


def _fault(status, or_sticky=False):
    """Return in words why others can write where ``os.stat`` gives this status, or None."""
    if not hasattr(os, "geteuid"):  # Windows keeps its permissions elsewhere
        return None
    if status.st_uid not in (0, os.geteuid()):
        return "belongs to another user"
    if or_sticky and status.st_mode & stat.S_ISVTX:
        return None
    if status.st_mode & stat.S_IWOTH:
        return "can be written to by every user"
    if status.st_mode & stat.S_IWGRP and not _is_own_group(status):
        return "can be written to by its group"
    return None


def _is_own_group(status):
    """Whether the group is the owner's alone, to which the usual umask lets it write."""
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid)
    except KeyError:
        return False
    return status.st_uid != 0 and group.gr_name == owner.pw_name and group.gr_mem == []


@cache  # once a process
def _warn(reason):
    warn(
        "sknn_opt compiles its kernels anew in this process, since their cache is not safe: "
        f"{reason}, and whoever can write there can run code as you. Take the permission away, "
        "or set NUMBA_CACHE_DIR to a folder that only you can write to."
    )
