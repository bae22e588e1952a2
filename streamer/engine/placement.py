"""Several devices behind one face: each session is placed on the least loaded one and stays there, so that its jobs keep their order.

A device that is not warm gets no new sessions while another is. One that has failed for good gives up those it has.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from streamer.core.events import Job, ModelInfo
from streamer.engine import Engine, WarmUp
from streamer.engine.scheduler import HUNG_S, Answered, Batch, Deliver, Health, Scheduler
from streamer.engine.scheduling import Open, Scheduling

BEST_FIRST: Final = (Health.WARM, Health.LOADING, Health.RESTARTING, Health.FAILED, Health.CLOSED)
LOAD_MS: Final = 1_000  # audio that waits is compared in seconds: less comes and goes with each batch, and sessions stay


class Placement:
    """A ``Scheduling`` of several, which must tell their answers in the caller's thread."""

    def __init__(self, devices: Sequence[Scheduling]) -> None:
        self.devices = tuple(devices)
        self._place: dict[str, Scheduling] = {}  # of each session
        self._placed: Counter[int] = Counter()  # sessions by device
        self._changed: list[Callable[[Health], None]] = []
        self._told = self.health
        for device in self.devices:
            device.on_health(lambda _: self._tell())

    @property
    def health(self) -> Health:
        """That of the best."""
        return min((device.health for device in self.devices), key=BEST_FIRST.index)

    @property
    def info(self) -> ModelInfo | None:
        """Of the first that knows."""
        return next((device.info for device in self._by_health() if device.info), None)

    @property
    def warm_up(self) -> WarmUp | None:
        return next((device.warm_up for device in self._by_health() if device.warm_up), None)

    @property
    def failure(self) -> Exception | None:
        """Of the first, where all have failed."""
        failures = [device.failure for device in self.devices]
        return failures[0] if all(failures) else None

    @property
    def queued_ms(self) -> int:
        return sum(device.queued_ms for device in self.devices)

    @property
    def queued_jobs(self) -> int:
        return sum(device.queued_jobs for device in self.devices)

    @property
    def delay_s(self) -> float:
        """Where a newcomer would wait the least."""
        best = self.health
        return min(device.delay_s for device in self.devices if device.health is best)

    def start(self) -> None:
        for device in self.devices:
            device.start()

    def on_health(self, changed: Callable[[Health], None]) -> None:
        self._changed.append(changed)

    def submit(self, job: Job, answered: Answered) -> None:
        device = self._place.get(job.session)
        if device is None or device.health is Health.FAILED:
            device = self._settle(job.session)
        device.submit(job, answered)

    def promote(self, session: str, segment: int) -> None:
        if device := self._place.get(session):
            device.promote(session, segment)

    def discard(self, session: str, segment: int | None = None) -> None:
        if device := self._place.get(session):
            device.discard(session, segment)
            if segment is None:
                self._leave(session)

    def close(self, timeout_s: float = 10.0) -> None:
        for device in self.devices:
            device.close(timeout_s)

    def _settle(self, session: str) -> Scheduling:
        """Find a place for a session that has none, or whose device is lost."""
        self._leave(session)
        best = self.health
        able = [n for n, device in enumerate(self.devices) if device.health is best]
        number = min(able, key=lambda n: (self.devices[n].queued_ms // LOAD_MS, self._placed[n]))
        self._placed[number] += 1
        self._place[session] = self.devices[number]
        return self.devices[number]

    def _leave(self, session: str) -> None:
        if device := self._place.pop(session, None):
            self._placed[self.devices.index(device)] -= 1

    def _by_health(self) -> list[Scheduling]:
        return sorted(self.devices, key=lambda device: BEST_FIRST.index(device.health))

    def _tell(self) -> None:
        if self.health is not self._told:
            self._told = self.health
            for changed in self._changed:
                changed(self._told)


def placed(devices: Sequence[Scheduling]) -> Scheduling:
    """Several behind one face; a single one is its own."""
    return devices[0] if len(devices) == 1 else Placement(devices)


def in_threads(*builds: Callable[[], Engine], hung_s: float = HUNG_S) -> Open:
    """An engine for each ``build``, in threads of this process."""

    def open_them(deliver: Deliver, observe: Callable[[Batch], None]) -> Scheduling:
        return placed([Scheduler(build, deliver=deliver, observe=observe, hung_s=hung_s) for build in builds])

    return open_them
