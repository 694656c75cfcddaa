"""What a pool and a worker share: messages over a socket (pickles of plain data, framed), and one number in memory."""

import mmap
import pickle
import socket
import struct
import time
from typing import Any

_LENGTH = struct.Struct("!I")
_READ = 1 << 18


class Progress:
    """A number in memory that a worker shares with its pool: which job of its latest list it is at.

    Args:
        descriptor: A file of at least one page; it may be closed afterwards.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, mmap.PAGESIZE)

    @property
    def at(self) -> int:
        place: int = _LENGTH.unpack_from(self._memory)[0]
        return place

    @at.setter
    def at(self, place: int) -> None:
        _LENGTH.pack_into(self._memory, 0, place)


class Channel:
    """One end of a stream socket that carries whole messages.

    Args:
        connected: The socket; it is closed with the channel.
        send_deadline_s: Longest wait for the other side to take a message; None: for ever.
    """

    def __init__(self, connected: socket.socket, send_deadline_s: float | None = None) -> None:
        self._socket = connected
        self._send_deadline_s = send_deadline_s
        self._unread = bytearray()

    def send(self, message: Any) -> None:
        """Sends one message.

        Raises:
            OSError: The other side is gone, or took nothing within the deadline.
            Exception: What pickle raises where `message` is no plain data; nothing was sent then.
        """
        pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._socket.settimeout(self._send_deadline_s)
        self._socket.sendall(_LENGTH.pack(len(pickled)) + pickled)

    def receive(self, deadline_s: float | None = None) -> list[Any]:
        """All messages that have come, waiting for one; empty where none is whole within `deadline_s`.

        Raises:
            EOFError: The other side is gone, and what it sent before that was read.
            OSError: Likewise.
        """
        end = None if deadline_s is None else time.monotonic() + deadline_s
        while not (messages := self._whole()):
            self._socket.settimeout(None if end is None else max(0.0, end - time.monotonic()))
            try:
                data = self._socket.recv(_READ)
            except (TimeoutError, BlockingIOError):
                return []
            if not data:
                raise EOFError("the other side is gone")
            self._unread += data
        return messages

    def _whole(self) -> list[Any]:
        messages: list[Any] = []
        start, available = 0, len(self._unread)
        while available - start >= _LENGTH.size:
            end = start + _LENGTH.size + _LENGTH.unpack_from(self._unread, start)[0]
            if end > available:
                break
            messages.append(pickle.loads(memoryview(self._unread)[start + _LENGTH.size : end]))
            start = end
        del self._unread[:start]
        return messages

    def close(self) -> None:
        self._socket.close()
