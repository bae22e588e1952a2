"""A server as the settings have it: the whole of one process, or one of several gateways."""

from streamer.access.board import Board
from streamer.access.configured import build_guard, build_tls
from streamer.company import Company
from streamer.engine.scheduling import Open
from streamer.keeper import Keeper
from streamer.server import Server
from streamer.settings import Settings
from streamer.vad import choose


class ConfiguredServer(Server):
    """``board`` counts together with others who serve the same clients. Raises ``ConfigurationError``."""

    def __init__(self, settings: Settings, engines: Open, *, company: Company | None = None, board: Board | None = None) -> None:
        super().__init__(
            engines,
            choose.choose_judge(settings.vad),
            host=settings.host,
            port=settings.port,
            listen=settings.listen,
            limits=settings.limits,
            company=company,
            guard=build_guard(settings.access, board),
            tls=build_tls(settings.access),
            keeper=Keeper(settings.store, days=settings.store_days, record=settings.record) if settings.store else None,
        )

    def reload(self, settings: Settings) -> None:
        """Take over what may change: limits, for who is let in from here on; who is in keeps those that held then."""
        self.hosting.limits = settings.limits
