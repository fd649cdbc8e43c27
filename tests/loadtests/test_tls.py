"""The readers over TLS: stamps, ends, and a certificate that nobody vouches for."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chatproof.harness.common.target import Target
from chatproof.loadtests.readers.http_reader import Limits, StreamRequest, ask_over_http
from chatproof.loadtests.readers.reading import StreamOutcome, understand
from tests.loadtests.kit import HEAD, LAST, chunk, done, event, read_request, token
from tests.timing import timed

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: no certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key.pem")]
    subprocess.run([*command, "-out", str(folder / "cert.pem")], check=True, capture_output=True)
    return folder


@contextmanager
def serving(certificate: Path, *, whole: bool = True) -> Iterator[Target]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a token waits for an ACK
                read_request(connection)
                connection.sendall(HEAD + chunk(event(token(1))))
                time.sleep(0.1)
                connection.sendall(chunk(event(token(2))))
                if whole:
                    connection.sendall(chunk(event(done(2))) + LAST)
                    connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Target("https", "localhost", listener.getsockname()[1])
        thread.join(10)


@timed
def test_a_stream_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    with serving(certificate) as target:
        reading = understand(ask_over_http(target, StreamRequest("hello"), limits=Limits(silence=3)))
    assert reading.outcome is StreamOutcome.COMPLETE, reading.detail
    assert 0.09 < reading.token_times[1] - reading.token_times[0] < 0.3


def test_a_cut_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    with serving(certificate, whole=False) as target:
        reading = understand(ask_over_http(target, StreamRequest("hello"), limits=Limits(silence=3)))
    assert reading.outcome is StreamOutcome.CUT, reading


def test_a_certificate_that_nobody_vouches_for(certificate: Path) -> None:
    with serving(certificate) as target:
        reading = understand(ask_over_http(target, StreamRequest("hello"), limits=Limits(silence=3)))
    assert reading.outcome is StreamOutcome.REFUSED
    assert "TLS: CERTIFICATE_VERIFY_FAILED" in reading.detail
