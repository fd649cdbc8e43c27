"""What is written to a client while a reply is silent."""

from __future__ import annotations

from types import SimpleNamespace

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import pytest

from chatproof.reference_server import hangup

SILENCE = 0.3  # seconds


def test_a_silent_reply_writes_now_and_then_until_it_is_heard_or_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hangup, "SILENCE", SILENCE)
    written: list[bytes] = []
    client = SimpleNamespace(is_sending=False)
    environ = {hangup.WRITE_KEY: written.append, hangup.SOCKET_KEY: client}
    with hangup.said_in_silence(b": x", environ) as is_heard:
        gevent.sleep(2.5 * SILENCE)
        assert written == [b": x"] * 2
        for _ in range(20):
            is_heard()
            gevent.sleep(SILENCE / 15)
        assert len(written) == 2
        client.is_sending = True
        gevent.sleep(1.5 * SILENCE)
        assert len(written) == 2, "into a client that is too slow for what it was sent before"
        client.is_sending = False
        gevent.sleep(SILENCE)
        assert len(written) == 3
    gevent.sleep(1.5 * SILENCE)
    assert len(written) == 3, "after the reply's end"


def test_a_client_that_went_during_the_silence_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hangup, "SILENCE", 0.01)

    def write(words: bytes) -> None:
        raise BrokenPipeError

    with hangup.said_in_silence(
        b": x", {hangup.WRITE_KEY: write, hangup.SOCKET_KEY: SimpleNamespace(is_sending=False)}
    ):
        gevent.sleep(0.1)
    assert not capsys.readouterr().err
