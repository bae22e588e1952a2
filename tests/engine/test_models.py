"""Finding, fetching and verifying weights, against hubs on the loopback interface."""

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streamer.engine.download import fetch
from streamer.engine.hub import Hub
from streamer.engine.lock import locked
from streamer.engine.models import Found, Kind, Models, ModelSettings, NotFetched, usual_caches
from streamer.engine.packaged import bundled_folder, bundled_problems
from streamer.engine.weights import SENSEVOICE_FILES, Ledger, WeightFile, require_checkpoint, total_size
from streamer.errors import ModelCorrupt, ModelNotFound

CONFIG = b"model: SenseVoiceSmall\n"
WEIGHTS = bytes(range(256)) * 4_000
CONTENTS = {"config.yaml": CONFIG, "model.pt": WEIGHTS}
FILES = tuple(WeightFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENTS.items())
MODEL = FILES[1]
MODELSCOPE_PATH = "/models/iic/SenseVoiceSmall/resolve/master/"
HUGGINGFACE_PATH = "/FunAudioLLM/SenseVoiceSmall/resolve/main/"


class FakeHub:
    """A hub on the loopback interface. ``requests`` is one row ``(path, Range, status, bytes sent)`` per request for a file."""

    def __init__(self) -> None:
        self.contents = dict(CONTENTS)
        self.requests: list[tuple[str, str | None, int, int]] = []
        self.cuts: list[int] = []
        """Bytes after which the connection breaks, one for each coming request for the weights."""
        self.ranges = True
        self.gate = threading.Event()
        self.gate.set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rsplit("/", 1)[-1]
        data = self.contents.get(name)
        if data is None:
            self.requests.append((request.path, request.headers["Range"], 404, 0))
            request.send_error(404)
            return
        asked = request.headers["Range"] if self.ranges else None
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        status = 206 if asked else 200
        body = data[begin:]
        sent = body[: self.cuts.pop(0)] if name == "model.pt" and self.cuts else body
        self.requests.append((request.path, request.headers["Range"], status, len(sent)))
        request.send_response(status)
        if asked:
            request.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if name == "model.pt":
            assert self.gate.wait(10)
        request.wfile.write(sent)

    def of_weights(self) -> list[tuple[str | None, int, int]]:
        return [(asked, status, sent) for path, asked, status, sent in self.requests if path.endswith("model.pt")]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with closing(FakeHub()) as hub:
        yield hub


@pytest.fixture
def other_hub() -> Iterator[FakeHub]:
    with closing(FakeHub()) as hub:
        yield hub


@pytest.fixture
def refused() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def models(cache: Path, modelscope: str, huggingface: str, **more: object) -> Models:
    settings = ModelSettings(cache=cache, modelscope_url=modelscope, huggingface_url=huggingface, **more)  # type: ignore[arg-type]
    return Models(settings, say=lambda sentence: None, files=FILES)


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def pull(hub: FakeHub, folder: Path, pauses: list[float] | None = None, files: tuple[WeightFile, ...] = FILES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sleep = (pauses if pauses is not None else []).append
    fetch(Hub("Test hub", hub.url), files, folder, Ledger(folder), timeout_s=5, sleep=sleep)


# Downloading.


def test_a_fresh_download_arrives_whole_under_its_final_names(hub: FakeHub, tmp_path: Path) -> None:
    pull(hub, tmp_path / "model")
    assert (tmp_path / "model" / "model.pt").read_bytes() == WEIGHTS
    assert (tmp_path / "model" / "config.yaml").read_bytes() == CONFIG
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.yaml", "model.pt", "verified.json"]


def test_a_broken_transfer_goes_on_where_it_stopped(hub: FakeHub, tmp_path: Path) -> None:
    hub.cuts = [300_000, 500_000]
    pauses: list[float] = []
    pull(hub, tmp_path, pauses)
    assert (tmp_path / "model.pt").read_bytes() == WEIGHTS
    assert hub.of_weights() == [(None, 200, 300_000), ("bytes=300000-", 206, 500_000), ("bytes=800000-", 206, 224_000)]
    assert pauses == [1.0, 1.0]


def test_a_part_left_by_an_earlier_attempt_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "model.pt.part").write_bytes(WEIGHTS[:1_000_000])
    pull(hub, tmp_path)
    assert hub.of_weights() == [("bytes=1000000-", 206, 24_000)]
    assert (tmp_path / "model.pt").read_bytes() == WEIGHTS


def test_a_complete_part_needs_no_request(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "model.pt.part").write_bytes(WEIGHTS)
    pull(hub, tmp_path)
    assert hub.of_weights() == []
    assert (tmp_path / "model.pt").read_bytes() == WEIGHTS


def test_a_part_longer_than_the_file_starts_over(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "model.pt.part").write_bytes(WEIGHTS + b"more")
    pull(hub, tmp_path)
    assert hub.of_weights() == [(None, 200, 1_024_000)]
    assert (tmp_path / "model.pt").read_bytes() == WEIGHTS


def test_a_part_of_something_else_is_thrown_away_and_fetched_anew(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "model.pt.part").write_bytes(b"x" * 500_000)
    pull(hub, tmp_path)
    assert hub.of_weights() == [("bytes=500000-", 206, 524_000), (None, 200, 1_024_000)]
    assert (tmp_path / "model.pt").read_bytes() == WEIGHTS


def test_a_server_that_ignores_ranges_sends_it_all_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.ranges = False
    (tmp_path / "model.pt.part").write_bytes(WEIGHTS[:1_000_000])
    pull(hub, tmp_path)
    assert hub.of_weights() == [("bytes=1000000-", 200, 1_024_000)]
    assert (tmp_path / "model.pt").read_bytes() == WEIGHTS


def test_a_wrong_hash_is_corrupt_and_leaves_no_file(hub: FakeHub, tmp_path: Path) -> None:
    hub.contents["model.pt"] = b"x" * len(WEIGHTS)
    with pytest.raises(ModelCorrupt, match="Test hub .* sent a wrong file: .*model.pt has sha256 .* expected") as caught:
        pull(hub, tmp_path)
    assert ".part" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "verified.json"]


def test_a_wrong_length_is_found_out_before_it_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    hub.contents["config.yaml"] = b"<html>please log in</html>"
    with pytest.raises(ModelCorrupt, match="offers config.yaml with 26 bytes, expected 23: .* login"):
        pull(hub, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_hub_that_breaks_again_and_again_is_given_up_and_the_part_stays(hub: FakeHub, tmp_path: Path) -> None:
    hub.cuts = [400_000, 0, 0, 0, 0, 0, 0]
    pauses: list[float] = []
    with pytest.raises(ModelNotFound, match="broke off model.pt at 400,000 of 1,024,000 bytes"):
        pull(hub, tmp_path, pauses)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert (tmp_path / "model.pt.part").read_bytes() == WEIGHTS[:400_000]


def test_a_hub_that_never_sends_a_byte_is_left_at_once(hub: FakeHub, tmp_path: Path) -> None:
    hub.cuts = [0]
    pauses: list[float] = []
    with pytest.raises(ModelNotFound, match="broke off model.pt at 0 of 1,024,000 bytes"):
        pull(hub, tmp_path, pauses)
    assert pauses == []


def test_an_interrupted_download_keeps_what_has_arrived(hub: FakeHub, tmp_path: Path) -> None:
    def interrupt(pause: float) -> None:
        raise KeyboardInterrupt

    hub.cuts = [250_000]
    with pytest.raises(KeyboardInterrupt):
        fetch(Hub("Test hub", hub.url), (MODEL,), tmp_path, Ledger(tmp_path), timeout_s=5, sleep=interrupt)
    assert (tmp_path / "model.pt.part").read_bytes() == WEIGHTS[:250_000]


def test_a_full_disk_is_noticed_before_the_download(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"MB free, and the download needs 1,000,000,000,067 MB; make room"):
        pull(hub, tmp_path, files=(WeightFile("model.pt", 10**18, "0" * 64),))
    assert hub.requests == []


# Where a model is found.


def test_the_published_files_are_the_ones_that_both_hubs_serve() -> None:
    assert total_size(SENSEVOICE_FILES) == 936_682_164
    assert SENSEVOICE_FILES[-1].name == "model.pt"
    assert SENSEVOICE_FILES[-1].size == 936_291_369


def test_the_small_published_files_match_the_real_ones() -> None:
    assets = Path(__file__).resolve().parents[3] / "shared" / "data" / "sensevoice_assets"
    if not assets.is_dir():
        pytest.skip(f"{assets} is not here")
    for file in SENSEVOICE_FILES[:-1]:
        data = (assets / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


def test_the_first_hub_is_modelscope_and_the_cache_serves_from_then_on(hub: FakeHub, other_hub: FakeHub, tmp_path: Path) -> None:
    finder = models(tmp_path, hub.url, other_hub.url)
    assert finder.find(None) == Found(Kind.SENSEVOICE, tmp_path / "SenseVoiceSmall", "ModelScope")
    assert {path for path, *_ in hub.requests} == {MODELSCOPE_PATH + "config.yaml", MODELSCOPE_PATH + "model.pt"}
    assert other_hub.of_weights() == []
    hub.requests.clear()
    other_hub.requests.clear()
    assert finder.find(None) == Found(Kind.SENSEVOICE, tmp_path / "SenseVoiceSmall", "cache")
    assert hub.requests == other_hub.requests == []


def test_hugging_face_serves_when_modelscope_refuses(hub: FakeHub, refused: str, tmp_path: Path) -> None:
    found = models(tmp_path, refused, hub.url).find(None)
    assert found == Found(Kind.SENSEVOICE, tmp_path / "SenseVoiceSmall", "Hugging Face")
    assert {path for path, *_ in hub.requests} == {HUGGINGFACE_PATH + "config.yaml", HUGGINGFACE_PATH + "model.pt"}


def test_the_second_hub_goes_on_with_what_the_first_one_broke_off(hub: FakeHub, other_hub: FakeHub, tmp_path: Path) -> None:
    hub.contents["model.pt"] = WEIGHTS[:-1]
    put(tmp_path / "SenseVoiceSmall", {"model.pt.part": WEIGHTS[:600_000]})
    found = models(tmp_path, hub.url, other_hub.url).find("sensevoice")
    assert found == Found(Kind.SENSEVOICE, tmp_path / "SenseVoiceSmall", "Hugging Face")
    assert other_hub.of_weights() == [("bytes=600000-", 206, 424_000)]


def test_without_a_hub_the_bundled_model_serves_at_once_and_says_why(refused: str, silent: str, tmp_path: Path) -> None:
    if bundled_folder() is None:
        pytest.skip("moonshine-voice is not installed")
    began = time.monotonic()
    found = models(tmp_path, refused, silent, connect_timeout_s=0.3).find(None)
    assert time.monotonic() - began < 8
    assert (found.kind, found.source) == (Kind.BUNDLED, "package moonshine-voice")
    assert found.notice is not None
    assert found.notice.startswith(
        "This is the bundled English model (Moonshine tiny-en): no other language, no emotion, no sound events. "
        "SenseVoiceSmall is not on this machine and could not be fetched: ModelScope (127.0.0.1:"
    )
    assert "could not be reached: [Errno 111] Connection refused; Hugging Face (127.0.0.1:" in found.notice
    assert "did not answer within 0.3 s. To get SenseVoiceSmall run `streamer models pull sensevoice`" in found.notice
    assert "--model PATH" in found.notice


def test_a_resolver_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released, asked = threading.Event(), threading.Semaphore(0)

    def hanging(*args: object, **more: object) -> None:
        asked.release()
        released.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    began = time.monotonic()
    with pytest.raises(
        ModelNotFound, match=r"ModelScope \(hub.invalid\) did not answer within 0.2 s; Hugging Face \(hub.invalid\) did not"
    ):
        models(tmp_path, "http://hub.invalid", "http://hub.invalid", connect_timeout_s=0.2).find("sensevoice")
    assert time.monotonic() - began < 8
    assert asked.acquire(timeout=10) and asked.acquire(timeout=10)
    released.set()


def test_sensevoice_asked_for_by_name_is_never_replaced(refused: str, tmp_path: Path) -> None:
    finder = models(tmp_path, refused, refused)
    for name in ("sensevoice", "SenseVoiceSmall", "iic/SenseVoiceSmall", "FunAudioLLM/SenseVoiceSmall"):
        with pytest.raises(
            ModelNotFound, match="SenseVoiceSmall is not on this machine and could not be fetched: ModelScope .* Hugging Face"
        ):
            finder.find(name)


def test_offline_asks_no_hub(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no hub was asked because offline is set"):
        models(tmp_path, hub.url, hub.url, offline=True).find("sensevoice")
    assert hub.requests == []


def test_without_download_a_hub_that_is_there_is_named_and_nothing_is_fetched(hub: FakeHub, refused: str, tmp_path: Path) -> None:
    finder = models(tmp_path, refused, hub.url)
    for wanted in (None, "sensevoice"):
        with pytest.raises(NotFetched, match="can be fetched from Hugging Face") as caught:
            finder.find(wanted, download=False)
        assert caught.value.hub.name == "Hugging Face"
    assert hub.of_weights() == []
    assert list(tmp_path.iterdir()) == []


def test_a_hub_without_the_model_is_a_hub_that_cannot_be_used(hub: FakeHub, refused: str, tmp_path: Path) -> None:
    hub.contents.clear()
    with pytest.raises(ModelNotFound, match=r"ModelScope \(127.0.0.1:\d+\) answered HTTP 404"):
        models(tmp_path, hub.url, refused).find("sensevoice")


def test_the_bundled_model_asked_for_by_name_says_what_it_lacks_and_that_nothing_failed(refused: str, tmp_path: Path) -> None:
    if bundled_folder() is None:
        pytest.skip("moonshine-voice is not installed")
    for name in ("bundled", "moonshine", "Moonshine-Tiny-EN"):
        found = models(tmp_path, refused, refused).find(name)
        assert (found.kind, found.path) == (Kind.BUNDLED, bundled_folder())
        assert found.notice == "This is the bundled English model (Moonshine tiny-en): no other language, no emotion, no sound events."


def test_the_scripted_engine_has_no_folder(refused: str, tmp_path: Path) -> None:
    found = models(tmp_path, refused, refused).find("scripted")
    assert (found.kind, found.path) == (Kind.SCRIPTED, None)


@pytest.mark.parametrize(
    ("place", "source"),
    [
        (".cache/modelscope/hub/models/iic/SenseVoiceSmall", "ModelScope's cache"),
        (".cache/modelscope/hub/iic/SenseVoiceSmall", "ModelScope's cache"),
        (".cache/modelscope/models/iic--SenseVoiceSmall/snapshots/master", "ModelScope's cache"),
        (".cache/huggingface/hub/models--FunAudioLLM--SenseVoiceSmall/snapshots/3eb3b4ee", "Hugging Face's cache"),
    ],
)
def test_what_the_hubs_own_tools_have_fetched_is_used_where_it_lies(place: str, source: str, refused: str, tmp_path: Path) -> None:
    folder = put(tmp_path / "home" / place, CONTENTS)
    finder = models(tmp_path / "cache", refused, refused, foreign_caches=usual_caches(tmp_path / "home"))
    assert finder.find(None) == Found(Kind.SENSEVOICE, folder, source)
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "model.pt"]


def test_our_own_cache_comes_before_the_others(refused: str, tmp_path: Path) -> None:
    put(tmp_path / "home/.cache/modelscope/hub/models/iic/SenseVoiceSmall", CONTENTS)
    ours = put(tmp_path / "cache" / "SenseVoiceSmall", CONTENTS)
    finder = models(tmp_path / "cache", refused, refused, foreign_caches=usual_caches(tmp_path / "home"))
    assert finder.find(None) == Found(Kind.SENSEVOICE, ours, "cache")


def test_a_damaged_copy_is_fetched_again_where_a_hub_is_reachable(hub: FakeHub, tmp_path: Path) -> None:
    put(tmp_path / "SenseVoiceSmall", {**CONTENTS, "model.pt": b"x" * len(WEIGHTS)})
    finder = models(tmp_path, hub.url, hub.url)
    assert finder.problems(finder.folder) != []
    assert finder.find(None).source == "ModelScope"
    assert (finder.folder / "model.pt").read_bytes() == WEIGHTS
    assert [path for path, *_ in hub.requests].count(MODELSCOPE_PATH + "config.yaml") == 1  # the probe; the good file stays


def test_a_damaged_copy_is_named_where_no_hub_is_reachable(refused: str, tmp_path: Path) -> None:
    put(tmp_path / "SenseVoiceSmall", {**CONTENTS, "model.pt": WEIGHTS[:-1]})
    with pytest.raises(ModelNotFound, match=r"cannot be used \(.*model.pt has 1,023,999 bytes, expected 1,024,000"):
        models(tmp_path, refused, refused).find("sensevoice")


def test_a_cache_that_cannot_be_written_is_a_sentence(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder belongs")
    with pytest.raises(ModelNotFound, match=r"SenseVoiceSmall cannot be written \(Not a directory\); choose another cache folder"):
        models(tmp_path / "cache", hub.url, hub.url).find("sensevoice")


def test_the_installed_bundled_weights_are_as_the_package_lists_them() -> None:
    if bundled_folder() is None:
        pytest.skip("moonshine-voice is not installed")
    assert list(bundled_problems()) == []


# Verifying once.


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path) -> None:
    folder = put(tmp_path / "SenseVoiceSmall", CONTENTS)
    said: list[str] = []
    finder = Models(ModelSettings(cache=tmp_path, offline=True), say=said.append, files=FILES)
    assert finder.problems(folder) == []
    assert said == [f"Verifying {folder / 'model.pt'} (1 MB)."]
    assert finder.problems(folder) == []
    assert len(said) == 1
    # Same size and time, other bytes: only a look at the bytes themselves tells.
    status = (folder / "model.pt").stat()
    (folder / "model.pt").write_bytes(b"x" * len(WEIGHTS))
    os.utime(folder / "model.pt", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert finder.problems(folder) == []
    assert len(finder.problems(folder, rehash=True)) == 1
    os.utime(folder / "model.pt", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert len(finder.problems(folder)) == 1


def test_an_unreadable_record_counts_as_none(tmp_path: Path) -> None:
    folder = put(tmp_path / "SenseVoiceSmall", CONTENTS)
    (tmp_path / "verified.json").write_text("{broken")
    finder = Models(ModelSettings(cache=tmp_path, offline=True), say=lambda sentence: None, files=FILES)
    assert finder.problems(folder) == []
    assert len(json.loads((tmp_path / "verified.json").read_text())) == 2


# A folder of one's own.


OWN = {"model.pt": b"weights", "config.yaml": b"conf", "am.mvn": b"mvn", "my.bpe.model": b"pieces"}


def test_a_folder_of_ones_own_is_taken_as_it_is(refused: str, tmp_path: Path) -> None:
    folder = put(tmp_path / "mine", OWN)
    found = models(tmp_path / "cache", refused, refused).find(str(folder))
    assert found == Found(Kind.SENSEVOICE, folder, "your own folder")


@pytest.mark.parametrize("lacking", ["model.pt", "config.yaml", "am.mvn"])
def test_a_folder_that_lacks_a_part_is_refused_with_its_name(lacking: str, tmp_path: Path) -> None:
    folder = put(tmp_path, {name: data for name, data in OWN.items() if name != lacking})
    with pytest.raises(ModelNotFound, match=f"lacks {lacking}; a SenseVoice folder holds"):
        require_checkpoint(folder)


def test_an_empty_file_counts_as_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="lacks model.pt and am.mvn;"):
        require_checkpoint(put(tmp_path, {**OWN, "model.pt": b"", "am.mvn": b""}))


def test_the_parts_are_called_as_the_configuration_calls_them(tmp_path: Path) -> None:
    metas = {"init_param": "mine.pt", "tokenizer_conf": {"bpemodel": "pieces.model"}, "frontend_conf": {"cmvn_file": "norm.mvn"}}
    put(tmp_path, {"configuration.json": json.dumps({"file_path_metas": metas}).encode(), "config.yaml": b"conf"})
    with pytest.raises(ModelNotFound, match="lacks mine.pt and norm.mvn and pieces.model;"):
        require_checkpoint(tmp_path)
    require_checkpoint(put(tmp_path, {"mine.pt": b"w", "norm.mvn": b"n", "pieces.model": b"p"}))


def test_an_unreadable_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"configuration.json cannot be read as funasr's configuration \(JSONDecodeError"):
        require_checkpoint(put(tmp_path, {**OWN, "configuration.json": b"{"}))


def test_neither_a_name_nor_a_folder_is_a_sentence_with_the_names(refused: str, tmp_path: Path) -> None:
    names = r"\(sensevoice, sensevoice-int8, bundled, miniature\)"
    with pytest.raises(ModelNotFound, match=rf"^whisper is neither a known model {names} nor a folder"):
        models(tmp_path, refused, refused).find("whisper")


def test_a_file_where_a_folder_is_expected_is_a_sentence(refused: str, tmp_path: Path) -> None:
    weights = put(tmp_path, OWN) / "model.pt"
    with pytest.raises(ModelNotFound, match="model.pt is not a folder; give the folder that holds model.pt"):
        models(tmp_path, refused, refused).find(str(weights))


# Two at once.


def test_the_lock_lets_one_in_and_tells_the_other_who_it_waits_for(tmp_path: Path) -> None:
    said: list[str] = []
    waiting, inside = threading.Event(), threading.Event()

    def say(sentence: str) -> None:
        said.append(sentence)
        waiting.set()

    def second() -> None:
        with locked(tmp_path / ".lock", say):
            inside.set()

    with locked(tmp_path / ".lock", say):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        assert not inside.is_set()
    thread.join(10)
    assert inside.is_set()
    assert said == [f"Another process (pid {os.getpid()}) is working on {tmp_path}; waiting for it to finish."]


def test_two_that_need_the_same_model_download_it_once(hub: FakeHub, tmp_path: Path) -> None:
    hub.gate.clear()
    settings = ModelSettings(cache=tmp_path, modelscope_url=hub.url, huggingface_url=hub.url)
    found: list[Found] = []

    def say(sentence: str) -> None:
        hub.gate.set()  # the second one waits: the first may have its weights

    def find() -> None:
        found.append(Models(settings, say=say, files=FILES).find("sensevoice"))

    threads = [threading.Thread(target=find) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [each.path for each in found] == [tmp_path / "SenseVoiceSmall"] * 2
    assert hub.of_weights() == [(None, 200, 1_024_000)]
