"""Load on servers of every api: good ones over real sockets, a process for all of them, and the fakes behind them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chatproof.fake_providers.dialects.provider_variables import server_variables
from chatproof.fake_providers.journal.control_client_sync import FakesSync
from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.target import Target
from chatproof.loadtests.behaviour import Behaviour
from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.load_options import named_api
from chatproof.loadtests.readers.http_reader import StreamRequest, ask_over_http
from chatproof.loadtests.readers.reading import Reading, StreamOutcome, understand
from chatproof.loadtests.readers.socketio_reader import SocketReader
from chatproof.loadtests.readers.strict import transcript_of, violations
from chatproof.loadtests.user_session import UserSession
from tests.loadtests.commands import Commands
from tests.servers.apis.tables import LINES, MADE_UP, NAMING
from tests.servers.host import FAKES
from tests.servers.line_process import LineProcess

SERVERS = {
    "openai-chat-as-proxies-do": "openai-chat",
    "openai-chat-spare": "openai-chat",
    "ai-sdk-with-extras": "ai-sdk",
    "ag-ui-chunks-of-text": "ag-ui",
    "made-up-with-extras": MADE_UP,
    "lines-with-extras": LINES,
    "names-its-threads": NAMING,
}


class ApiServers:
    """The servers, and their fakes."""

    def __init__(self, host: LineProcess) -> None:
        self._host = host
        self.fakes = f"http://127.0.0.1:{self._port({'open': FAKES})}"
        self._ports: dict[str, int] = {}

    def _port(self, question: dict[str, object]) -> int:
        return int(self._host.ask(question).result(30)["port"])

    def target(self, name: str) -> Target:
        if name not in self._ports:
            variables = server_variables("openai", self.fakes)
            self._ports[name] = self._port({"open": name, "environment": variables})
        return Target("http", "127.0.0.1", self._ports[name])


@pytest.fixture(scope="module")
def hosted() -> Iterator[ApiServers]:
    with LineProcess("tests.servers.host") as host:
        yield ApiServers(host)


def is_read_as_the_suite_reads_it(reading: Reading) -> bool:
    """The fast parser says what the strict one says, and nothing is wrong with the reply."""
    transcript = transcript_of(reading.recording)
    assert reading.outcome is StreamOutcome.COMPLETE, reading.detail
    assert reading.text == transcript.text
    assert (reading.conversation, reading.message) == (transcript.conversation, transcript.message)
    assert reading.token_times == [message.at for message in transcript.tokens if message.text]
    assert violations(reading.recording) == []
    return len(reading.text) > 0


@pytest.mark.parametrize("name", SERVERS)
def test_replies_of_every_api_are_read(hosted: ApiServers, name: str) -> None:
    """With sessions too: the provider gets the whole conversation, whoever carries it."""
    word, target = SERVERS[name], hosted.target(name)
    api = ApiChoice.of({"api_name": word}).api
    alone = understand(ask_over_http(target, StreamRequest("scenario hello", api=api, run=uuid.uuid4().hex)))
    assert is_read_as_the_suite_reads_it(alone)
    behaviour = Behaviour.read(named={"api_name": word}, message="scenario hello", provider_url=hosted.fakes)
    generator = LoadGenerator(target, Behaviour.from_json(json.loads(json.dumps(behaviour.to_json()))))
    try:
        session = UserSession.begun(api)
        asked = [generator.compose(session)]
        said = [generator.talk(asked[0], session)]
        asked.append(generator.compose(session))
        said.append(generator.talk(asked[1], session))
    finally:
        generator.close()
    assert all(map(is_read_as_the_suite_reads_it, said))
    with FakesSync(hosted.fakes) as fakes:
        (entry,) = fakes.entries(asked[1].case)
    turns = [(one["role"], one["content"]) for one in entry.body["messages"]]
    assert turns[-3:] == [("user", asked[0].message), ("assistant", said[0].text), ("user", asked[1].message)]


def test_an_own_api_over_sockets(hosted: ApiServers) -> None:
    api = ApiChoice.of({"api_name": MADE_UP}).api
    reader = SocketReader(hosted.target("made-up"))
    try:
        for _ in range(2):
            reading = understand(reader.ask(StreamRequest("scenario hello", api=api, run=uuid.uuid4().hex)))
            assert is_read_as_the_suite_reads_it(reading)
            assert reading.recording.asked == ("Socket.IO", "talk")
    finally:
        reader.close()


def test_the_command_loads_servers_of_every_api(hosted: ApiServers, tmp_path: Path) -> None:
    """All at once. The last api is the table of a configuration file."""
    (tmp_path / "chatproof.toml").write_text(Path(LINES).read_text())
    words = {
        "openai-chat-spare": ["--api", "openai-chat", "--transport", "session"],
        "ai-sdk-with-extras": ["--api", "ai-sdk", "--rate", "5"],
        "ag-ui-chunks-of-text": ["--api", "ag-ui", "--users", "2"],
        "lines-with-extras": ["--config", str(tmp_path / "chatproof.toml"), "--users", "2"],
    }
    commands = Commands()

    def load(name: str) -> tuple[str, int, str]:
        path = tmp_path / f"{name}.json"
        given = ["--host", hosted.target(name).url, "--message", "scenario hello", "--duration", "1", *words[name]]
        slo = ["--slo", "complete_share>=100%,ttft_p50<30s", "--no-calibration", "--report-json", str(path)]
        made = commands.run("run", *given, *slo)
        return name, made.returncode, made.stdout + made.stderr

    try:
        with ThreadPoolExecutor(len(words)) as pool:
            for name, code, said in pool.map(load, words):
                assert code == 0, f"{name}: {said}"
                document = json.loads((tmp_path / f"{name}.json").read_text())
                assert document["outcomes"]["complete"] > 0
                assert document["trust"]["checked"] > 0
                assert not document["violations"]
    finally:
        commands.close()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"api": "openai"}, "did you mean openai-chat"),
        ({"api": "[api]"}, "no configuration file has a table"),
        ({"api_path": "/x"}, "has no path to choose"),
        ({"api": "nowhere.toml"}, "cannot read nowhere.toml"),
    ],
)
def test_an_api_that_is_none_is_one_line(
    values: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ChatproofError, match=said):
        named_api(values)


def test_the_api_of_the_configuration_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert named_api({})["api_name"] == "chat-stream"
    (tmp_path / "chatproof.toml").write_text('api = "openai-chat"\napi-model = "llama"\n')
    assert named_api({}) == {"api_name": "openai-chat", "api_path": None, "api_model": "llama"}
    assert named_api({"api_path": "/chat"})["api_path"] == "/chat"
    (tmp_path / "chatproof.toml").write_text(Path(MADE_UP).read_text())
    assert Behaviour.read(named=named_api({})).api.path == "/v2/talk"


@pytest.mark.parametrize("transport", ["plain", "socketio"])
def test_what_an_api_has_not_is_refused(transport: str) -> None:
    with pytest.raises(ChatproofError, match="openai-chat"):
        Behaviour.read(transport=transport, named={"api_name": "openai-chat"})
