"""The features of each fold as its networks see them, encoded once for members that agree."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone


@dataclass
class Encoding:
    """Encoded features of a fold.

    Attributes
    ----------
    encoder : Pipeline or None
        Fitted to the rows that are trained on; None where networks take features as they are.
    train, held_out : array, sparse matrix or frame
        ``held_out`` is None where no rows are held out.
    """

    encoder: Any
    train: Any
    held_out: Any


class Encodings:
    """Makes each encoding when it is first asked for, and drops it after it was last.

    Members whose encoders are equal share it. It is asked for from several threads.

    Parameters
    ----------
    data : Data
    tasks : list of Task
        Each of them will ask once.
    routing : Routing
        Knows what encoders are given beside the data.
    """

    def __init__(self, data, tasks, routing):
        self._data = data
        self._routing = routing
        self._waiting = Counter(map(_key, tasks))
        self._locks = {key: threading.Lock() for key in self._waiting}
        self._made = {}

    def take(self, task):
        """Return the encoding for a task."""
        key = _key(task)
        with self._locks[key]:
            if key not in self._made:
                self._made[key] = self._encode(task.member, task.fold)
            encoding = self._made[key]
            self._drop_after_last(key)
        return encoding

    def leave_out(self, task):
        """Take note that a task will not ask."""
        key = _key(task)
        with self._locks[key]:
            self._drop_after_last(key)

    def _drop_after_last(self, key):
        self._waiting[key] -= 1
        if self._waiting[key] == 0:
            self._made.pop(key, None)

    def _encode(self, member, fold):
        data, encoder = self._data, member.encoder
        train = data.features(fold.train)
        held_out = None if fold.held_out is None else data.features(fold.held_out)
        if encoder is not None:
            encoder = clone(encoder)
            params = self._routing.of_encoder(member, fold.train)
            train = encoder.fit_transform(train, data.y[fold.train], **params)
            held_out = None if held_out is None else encoder.transform(held_out)
        return Encoding(encoder, train, held_out)


def _key(task):
    return task.member.view, id(task.fold)
