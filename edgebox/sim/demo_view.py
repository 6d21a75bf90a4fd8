"""What the demo shows in a terminal while it runs: links, cameras, who watches."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgebox.bus import Bus
from edgebox.messages.bond import BOND_STATUS, BondStatus, LinkStatus
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import MEDIA_SESSION, MediaSession

STALE_S = 1.0
"""A bond that has said nothing for this long is shown as silent."""
STATE_STYLE = {"up": "green", "suspect": "yellow", "down": "red", "absent": "red"}


class DemoView:
    """Folds bus messages into one screen."""

    def __init__(self, hint: str) -> None:
        """`hint`: one more line, for those who look further."""
        self._hint = hint
        self.bond: BondStatus | None = None
        self.media: MediaSession | None = None
        self.services: dict[str, ServiceStatus] = {}

    async def attach(self, bus: Bus) -> None:
        """Follow the box on its bus."""
        await bus.subscribe(BOND_STATUS, self._take_bond)
        await bus.subscribe(MEDIA_SESSION, self._take_media)
        await bus.subscribe(SERVICE_STATUS, self._take_service)

    def render(self, now_utc: float) -> RenderableType:
        """The screen as of now."""
        hint = Text(self._hint, style="dim")
        return Group(self._links(now_utc), self._cameras(), self._services(), hint)

    def _links(self, now_utc: float) -> RenderableType:
        bond = self.bond
        if bond is None or now_utc - bond.at_utc > STALE_S:
            return Text("bond: silent", style="red")
        table = Table("link", "state", "sends", "can carry", "RTT", "queue", "lost", expand=True)
        for link in bond.links:
            table.add_row(*_link_row(link))
        table.caption = (
            f"bond {bond.state}, target {bond.target_bps / 1e6:.2f} Mbit/s, "
            f"sent twice {bond.redundancy:.1%}, rescued {bond.counters.rescued}"
        )
        return table

    def _cameras(self) -> RenderableType:
        media = self.media
        if media is None:
            return Text("media: silent", style="red")
        table = Table("camera", "state", "picture", "rate", "encoder", expand=True)
        for camera in media.cameras:
            table.add_row(
                camera.name,
                camera.state + (f": {camera.detail}" if camera.detail else ""),
                f"{camera.width}x{camera.height} {camera.fps:.0f}/s",
                f"{camera.bitrate_bps / 1e6:.2f} Mbit/s",
                camera.encoder,
            )
        watching = ", ".join(f"{one.name} ({one.role}, {one.state})" for one in media.watchers)
        table.caption = f"session {media.state}; watching: {watching or 'nobody'}"
        return table

    def _services(self) -> RenderableType:
        return Text("   ".join(f"{s.service}: {s.state}" for s in self.services.values()))

    async def _take_bond(self, status: BondStatus, keys: dict[str, str]) -> None:
        self.bond = status

    async def _take_media(self, session: MediaSession, keys: dict[str, str]) -> None:
        self.media = session

    async def _take_service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        self.services[status.service] = status


def _link_row(link: LinkStatus) -> tuple[RenderableType, ...]:
    return (
        link.label or link.name,
        Text(link.state, style=STATE_STYLE[link.state]),
        f"{link.sent_bps / 1e6:.2f} Mbit/s",
        f"{link.capacity_bps / 1e6:.2f} Mbit/s",
        "-" if link.rtt_ms is None else f"{link.rtt_ms:.0f} ms",
        f"{link.queue_ms:.0f} ms",
        f"{link.loss:.1%}",
    )
