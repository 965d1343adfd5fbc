"""Files of arrays, numbers and strings that are written at once or not at all.

A file is a line with the format, one with the hash of what follows, and NumPy's archive: the
arrays, and as JSON what they belong to. Nothing in it is unpickled.
"""

import hashlib
import io
import json
import os
import threading

import numpy as np

FORMAT = 1

_TITLE = b"sknn_opt checkpoint, format "
_HEADER = "header"
_ARRAY = "array number"


def write(file, values):
    """Write nested dicts and lists of arrays, numbers, strings and None to a path."""
    arrays = []
    header = json.dumps(values, default=lambda value: _stored(value, arrays))
    archive = io.BytesIO()
    named = {str(i): array for i, array in enumerate(arrays)}
    np.savez(archive, **{_HEADER: np.array(header)}, **named)
    content = archive.getvalue()
    temporary = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        temporary.write_bytes(b"%s%d\n%s\n%s" % (_TITLE, FORMAT, _hash(content), content))
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def read(file):
    """Return what `write` was given; raise ValueError where a file is not as it was written."""
    with open(file, "rb") as stream:
        title, written_hash = stream.readline(100), stream.readline(100)
        content = stream.read()
    if not title.startswith(_TITLE):
        raise _refusal(file, "is damaged, or no checkpoint")
    written = title.removeprefix(_TITLE).strip()
    if written != b"%d" % FORMAT:
        raise _refusal(
            file, f"has format {written.decode(errors='replace')}; this version of sknn_opt "
            f"reads format {FORMAT}"
        )  # fmt: skip
    if written_hash.strip() != _hash(content):
        raise _refusal(file, "is damaged: its contents do not have the hash that it was given")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return json.loads(
            archive[_HEADER].item(),
            object_hook=lambda value: archive[str(value[_ARRAY])] if _ARRAY in value else value,
        )


def check_name(file, name):
    """Raise ValueError where a file of this path is stored under the name of another fit."""
    if name != file.stem:
        raise _refusal(file, f"belongs to another fit, {name}, and must have been renamed")


def _refusal(file, reason):
    return ValueError(
        f"The checkpoint {file} {reason}. Delete it, or pass resume=False to start anew."
    )


def _hash(content):
    return hashlib.sha256(content).hexdigest().encode()


def _stored(value, arrays):
    """Return what stands for a value that JSON does not know."""
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:
        raise TypeError(f"{value!r} is none of the values that a checkpoint holds.")
    arrays.append(value)
    return {_ARRAY: len(arrays) - 1}
