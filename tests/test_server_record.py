"""Audio is kept where the operator allows it and the client asks for it, and nowhere else."""

import io
import wave

import numpy as np
import pytest

from streamer.cli.serve import service
from streamer.engine.models import ModelSettings
from streamer.errors import ConfigurationError
from streamer.keeper import Keeper
from streamer.settings import Settings
from streamer.store.sqlite import SqliteStore
from tests.serving import serving
from tests.test_server import Loud, talk
from tests.test_server_store import TWO, of


@pytest.fixture
def server(tmp_path):
    with serving(judge=Loud(), keeper=Keeper(f"sqlite:{tmp_path}/t.db", record=True)) as running:
        yield running


def recorded(tmp_path, session_id):
    """Samples ``[n, channels]``, once the server has stopped."""
    path = SqliteStore(tmp_path / "t.db").recording(session_id)
    if not path:
        return None
    with wave.open(str(path)) as reading:
        return np.frombuffer(reading.readframes(reading.getnframes()), "<i2").reshape(-1, reading.getnchannels())


def test_both_channels_are_kept_as_they_were_heard(tmp_path):
    stereo = np.stack([TWO, np.roll(TWO, 8_000)], axis=1)
    with serving(judge=Loud(), keeper=Keeper(f"sqlite:{tmp_path}/t.db", record=True)) as server:
        got, _ = talk(server.socket, {"type": "start", "channels": 2, "record": True}, stereo.tobytes(), {"type": "stop"})
    kept = recorded(tmp_path, got[0]["session_id"])
    assert of(got, "warning") == []
    assert np.array_equal(kept, stereo[: len(kept)])
    assert len(stereo) - len(kept) < 320, "what does not fill a frame is not heard"


def test_who_does_not_ask_is_not_recorded_and_who_wants_nothing_kept_is_not_either(tmp_path):
    with serving(judge=Loud(), keeper=Keeper(f"sqlite:{tmp_path}/t.db", record=True)) as server:
        for start in ({}, {"record": True, "store": False}):
            got, _ = talk(server.socket, {"type": "start", **start}, TWO.tobytes(), {"type": "stop"})
            assert len(of(got, "final")) == 2
    assert not (tmp_path / "t.db.audio").exists()


def test_where_the_operator_has_not_allowed_it_the_client_is_told(tmp_path):
    with serving(judge=Loud(), keeper=Keeper(f"sqlite:{tmp_path}/t.db")) as server:
        got, _ = talk(server.socket, {"type": "start", "record": True}, TWO.tobytes(), {"type": "stop"})
    assert [(one["code"], one["message"]) for one in of(got, "warning")] == [
        ("not_recorded", "record is true, but whoever runs this server has not allowed it (serve --record); no audio is kept")
    ]
    assert not (tmp_path / "t.db.audio").exists()


def test_recording_that_is_called_off_leaves_silence_and_goes_on_in_time(tmp_path):
    third = len(TWO) // 3 // 320 * 320
    with serving(judge=Loud(), keeper=Keeper(f"sqlite:{tmp_path}/t.db", record=True)) as server:
        got, _ = talk(
            server.socket,
            {"type": "start", "record": True},
            TWO[:third].tobytes(),
            {"type": "flush"},
            {"type": "configure", "record": False},
            TWO[third : 2 * third].tobytes(),
            {"type": "flush"},
            {"type": "configure", "record": True},
            TWO[2 * third :].tobytes(),
            {"type": "stop"},
        )
    kept = recorded(tmp_path, got[0]["session_id"]).ravel()
    assert np.array_equal(kept[:third], TWO[:third])
    assert np.array_equal(kept[2 * third :], TWO[2 * third : len(kept)])
    assert not kept[third : 2 * third].any()


def test_a_recording_is_downloaded_and_goes_with_its_session(server):
    got, _ = talk(server.socket, {"type": "start", "record": True}, TWO.tobytes(), {"type": "stop"})
    path = f"/api/transcripts/{got[0]['session_id']}"
    import http.client

    def ask(method, name):
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
        connection.request(method, path + name)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    status, body = ask("GET", ".wav")
    with wave.open(io.BytesIO(body)) as reading:
        assert (status, reading.getframerate()) == (200, 16_000)
    assert ask("DELETE", "")[0] == 200
    assert ask("GET", ".wav")[0] == 404


def test_a_disk_that_fails_ends_the_recording_and_nothing_else(server, tmp_path):
    (tmp_path / "t.db.audio").write_text("in the way")
    got, code = talk(server.socket, {"type": "start", "record": True}, TWO.tobytes(), {"type": "stop"})
    assert (len(of(got, "final")), code) == (2, 1000)
    assert {one["message"] for one in of(got, "warning")} == {"the recording ends here: File exists; transcription goes on"}


def test_recording_without_a_place_is_refused_before_anybody_speaks(tmp_path):
    with pytest.raises(ConfigurationError, match="audio is recorded beside a SQLite store, and there is none"):
        service(Settings(models=ModelSettings(cache=tmp_path, offline=True), model="scripted", record=True))
