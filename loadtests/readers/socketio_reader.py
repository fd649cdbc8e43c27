"""Asks over Socket.IO on a WebSocket: one connection for a user, one reply at a time.

wsproto does the handshake and the frames that we send; `websocket_frames` decodes what arrives, at a tenth of the cost.
"""

from __future__ import annotations

import contextlib
import time
from typing import Final

from gevent.event import Event  # type: ignore[import-untyped]  # gevent ships no types
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Pong, Request, TextMessage
from wsproto.utilities import RemoteProtocolError

from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ChatStream
from chatproof.harness.protocol.engineio import CONNECT, DISCONNECT, PONG, Closed, Joined, Opened, PacketDecoder, emit
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.transcript import End, Transport
from chatproof.loadtests.readers import websocket_frames as frames
from chatproof.loadtests.readers.event_scanner import ends_reply, is_token_frame
from chatproof.loadtests.readers.http_reader import Began, Limits, StreamRequest
from chatproof.loadtests.readers.http_response import HEAD_END, MAX_HEAD, NotHttp, read_head
from chatproof.loadtests.readers.stamped_connection import ConnectionFailed, StampedConnection
from chatproof.loadtests.readers.stream_recording import StreamRecording

SOCKET_IO: Final = "Socket.IO"
PATH: Final = "/socket.io/?EIO=4&transport=websocket"


class SocketRefused(ConnectionFailed):
    """The server answered the upgrade with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server refused the WebSocket with status {status}")
        self.status = status


class SocketReader:
    """One Socket.IO connection. Connecting raises ConnectionFailed; asking never raises."""

    def __init__(self, target: Target, *, source: str | None = None, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._frames = frames.FrameDecoder()
        self._decoder = PacketDecoder()
        self._recording: StreamRecording | None = None
        self._is_own = False
        self._changed = Event()
        self._joined = False
        self._begun = b""
        self.closed = ""  # why it has ended; empty while it is open
        self._end = End.COMPLETE
        self._wire = StampedConnection(target, source, deadline=self._limits.connect)
        try:
            self._handshake(target)
        except ConnectionFailed:
            self.close()
            raise
        except (OSError, RemoteProtocolError, NotHttp, frames.BadFrame) as error:
            self.close()
            raise ConnectionFailed(f"no WebSocket: {error}", End.TRUNCATED) from error
        except BaseException:
            self.close()
            raise

    def _handshake(self, target: Target) -> None:
        give_up = time.monotonic() + self._limits.connect
        path = f"{target.root}{PATH}"
        self._wire.send(self._ws.send(Request(host=target.authority, target=path)))
        raw = b""
        while (end := raw.find(HEAD_END)) < 0:
            data = self._wire.receive(give_up)
            raw += data
            if not data or len(raw) > MAX_HEAD:
                raise NotHttp(f"no answer to the upgrade: {shown(raw, 60)}")
        head = read_head(raw[: end + 4])
        if head is not None and head.status != 101:
            raise SocketRefused(head.status)
        self._ws.receive_data(raw[: end + 4])
        if not isinstance(next(iter(self._ws.events()), None), AcceptConnection):
            raise NotHttp("the upgrade was not accepted")
        self._wire.start(self._arrived, self._over)
        self._arrived(time.monotonic(), raw[end + 4 :])
        while not self._joined:
            self._changed.clear()
            if self.closed:
                raise ConnectionFailed(f"no Socket.IO: {self.closed}", End.TRUNCATED)
            if not self._changed.wait(max(0.0, give_up - time.monotonic())):
                raise ConnectionFailed("no Socket.IO connection in time", End.TIMEOUT)

    def ask(self, ask: StreamRequest, *, intended_at: float = 0.0, began: Began | None = None) -> StreamRecording:
        """Ask, and wait for the terminal event. A user who stops says goodbye and listens on: see `stopped_at`."""
        began_at = time.monotonic()
        asked = ask.api.emit(ask.conversation)
        recording = StreamRecording(Transport.WEBSOCKET, began_at, intended_at, case=ask.case, api=ask.api)
        recording.asked = SOCKET_IO, asked.event
        if began is not None:
            began(recording)
        self._changed.clear()
        self._begun = self._frames.begun  # the part of a frame that arrived before this request
        self._wire.lags = recording.lags
        self._recording, self._is_own = recording, isinstance(ask.api, ChatStream)
        try:
            if self.closed:
                recording.ended(recording.asked_at, self._end, self.closed)
                return recording
            self._send(emit(asked.event, asked.payload))
            if ask.stop_after is not None:
                self._listen_then_stop(recording, ask.stop_after)
            else:
                self._wait_for_end(recording)
        except (OSError, ConnectionFailed) as error:
            recording.ended(time.monotonic(), End.RESET, f"while sending: {error}")
        finally:
            self._recording = None
        return recording

    def _listen_then_stop(self, recording: StreamRecording, after: float) -> None:
        give_up = time.monotonic() + self._limits.silence
        while not recording.times and recording.end is None and time.monotonic() < give_up:
            self._changed.wait(0.05)
        if recording.end is None and not self._changed.wait(after):
            recording.stopped_at, recording.listened = time.monotonic(), True
            self._send(DISCONNECT)
            # what still arrives shows how fast the server stops; a server that closes sets the event at once
            self._changed.wait(min(2.0, self._limits.linger))
            recording.ended(time.monotonic(), End.LEFT)
            self.close()

    def _wait_for_end(self, recording: StreamRecording) -> None:
        while recording.end is None:
            if not (left := recording.patience(self._limits.silence, self._limits.whole)):
                self.close()  # what still arrives must not be taken for a later reply
                return
            self._changed.wait(left)

    def _send(self, packet: str) -> None:
        self._wire.send(self._ws.send(TextMessage(data=packet)))

    def _arrived(self, at: float, data: bytes) -> None:
        recording = self._recording
        if recording is not None and recording.end is None:
            recording.append(at, self._begun + data)
            self._begun = b""
            if recording.size > self._limits.size:
                self._over(at, End.TOO_LARGE, f"over {self._limits.size} bytes without an end")
                return
            if self._is_own and self._frames.is_between and is_token_frame(data):
                return  # most reads: they are parsed when the reply has ended
        try:
            for opcode, payload in self._frames.feed(data):
                if opcode == frames.TEXT:
                    self._packet(at, payload)
                elif opcode == frames.PING:
                    self._pong(Pong(payload=payload))
                elif opcode == frames.CLOSE:
                    self._over(at, End.COMPLETE, "the server closed the WebSocket")
        except frames.BadFrame as error:
            self._over(at, End.TRUNCATED, str(error))

    def _packet(self, at: float, payload: bytes) -> None:
        if payload[:1] == b"2":
            self._pong(TextMessage(data=PONG))
        elif self._recording is not None and ends_reply(self._recording.api, payload):
            self._recording.ended(at, End.COMPLETE)
            self._changed.set()
        elif not payload.startswith(b"42"):
            self._signal(at, payload)

    def _signal(self, at: float, payload: bytes) -> None:
        signal = self._decoder.feed(payload.decode("utf-8", "replace"))
        if isinstance(signal, Opened):
            self._pong(TextMessage(data=CONNECT))
        elif isinstance(signal, Joined):
            self._joined = True
            self._changed.set()
        elif isinstance(signal, Closed):
            self._over(at, End.COMPLETE, signal.why)

    def _pong(self, event: Pong | TextMessage) -> None:
        # a callback of the loop must not wait: a few bytes fit into the buffer, or the connection is lost anyway
        with contextlib.suppress(OSError, ConnectionFailed):
            self._wire.send_now(self._ws.send(event))

    def _over(self, at: float, end: End, why: str) -> None:
        self._wire.pause()
        self.closed, self._end = why or "the connection ended", end
        if self._recording is not None:
            # without a terminal event the reply is cut, even where the connection was closed cleanly
            self._recording.ended(at, End.TRUNCATED if end is End.COMPLETE else end, self.closed)
        self._changed.set()

    def close(self) -> None:
        self.closed = self.closed or "closed by us"
        self._wire.close()
