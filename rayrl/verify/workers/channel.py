"""What a pool and a worker share: a connection for messages (pickles of plain data), and one number in memory."""

import mmap
import pickle
import select
import socket
import struct
from multiprocessing.connection import Connection
from typing import Any

MESSAGE_DEADLINE_S = 30
LONGEST_WAIT_MS = 2**31 - 1  # that poll takes
_NUMBER = struct.Struct("I")
_TIME = struct.Struct("ll")  # seconds, microseconds


class Channel:
    """One end of a stream socket that carries whole messages, and the number: at which job of its list the worker is.

    Args:
        connected: The socket; the channel takes it over. A message that was begun must be through within
            `MESSAGE_DEADLINE_S`.
        shared: Descriptor of a file of one page that both ends were given; it may be closed afterwards.
    """

    def __init__(self, connected: socket.socket, shared: int) -> None:
        for deadline in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            connected.setsockopt(socket.SOL_SOCKET, deadline, _TIME.pack(MESSAGE_DEADLINE_S, 0))
        self._connection = Connection(connected.detach())
        self._arrivals = select.poll()
        self._arrivals.register(self._connection, select.POLLIN)
        self._memory = mmap.mmap(shared, mmap.PAGESIZE)

    @property
    def at(self) -> int:
        place: int = _NUMBER.unpack_from(self._memory)[0]
        return place

    @at.setter
    def at(self, place: int) -> None:
        _NUMBER.pack_into(self._memory, 0, place)

    def send(self, message: Any) -> None:
        """Sends one message.

        Raises:
            OSError: The other side is gone, or took nothing within the deadline.
            Exception: What pickle raises where `message` is no plain data; nothing was sent then.
        """
        # Not Connection.send: its pickler looks each object up in Python, which is slow for thousands of them.
        self._connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    def receive(self, deadline_s: float | None = None) -> Any:
        """The next message, which is never None; None where none begins within `deadline_s` (None: waits for ever).

        Raises:
            EOFError, OSError: The other side is gone, and what it sent before that was read.
        """
        arrived = self._arrivals.poll(None if deadline_s is None else min(1000 * deadline_s, LONGEST_WAIT_MS))
        return pickle.loads(self._connection.recv_bytes()) if arrived else None

    def close(self) -> None:
        self._connection.close()
