"""The page that worsens and cuts simulated links, and its JSON interface for tests.

    GET /links            {"links": [{"name", "label", "preset", "up": {...}, "down": {...}}]}
    POST /links/NAME      {"cut": true}, {"preset": "weak"}, {"down": {"rate_bps": 500000}}, ...

No log-in, so it answers loopback peers only, who name it by a loopback address (no DNS rebinding),
and takes changes only as JSON from its own page or from programs, never from another site's page.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, Self

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from edgebox.config import parse_address
from edgebox.errors import DeviceError
from edgebox.sim.lane import Lane, LaneSettings, replaced
from edgebox.sim.link_settings import LinksSettings
from edgebox.sim.links import Path, SimLink

STATIC = FilePath(__file__).parent / "static"
BODY_MAX = 4096
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PRESETS: dict[str, tuple[LaneSettings, LaneSettings]] = {
    "good": (
        LaneSettings(rate_bps=8_000_000, delay_ms=25, jitter_ms=4),
        LaneSettings(rate_bps=30_000_000, delay_ms=25, jitter_ms=4),
    ),
    "weak": (
        LaneSettings(rate_bps=700_000, delay_ms=60, jitter_ms=25, loss=0.02, loss_burst=4),
        LaneSettings(rate_bps=2_000_000, delay_ms=60, jitter_ms=25, loss=0.01, loss_burst=4),
    ),
    "tunnel": (
        LaneSettings(rate_bps=64_000, delay_ms=150, jitter_ms=80, loss=0.4, loss_burst=20),
        LaneSettings(rate_bps=64_000, delay_ms=150, jitter_ms=80, loss=0.4, loss_burst=20),
    ),
}


class LaneChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fields of LaneSettings; those left out stay."""

    cut: bool | UnsetType = UNSET
    rate_bps: Annotated[int, Meta(ge=0, le=10_000_000_000)] | UnsetType = UNSET
    delay_ms: Annotated[float, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    jitter_ms: Annotated[float, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    loss: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    loss_burst: Annotated[float, Meta(ge=1, le=10_000)] | UnsetType = UNSET
    queue_bytes: Annotated[int, Meta(ge=3_000, le=100_000_000)] | UnsetType = UNSET

    def changed(self, settings: LaneSettings) -> LaneSettings:
        """`settings` with the given fields."""
        fields = {name: getattr(self, name) for name in LaneChange.__struct_fields__}
        return replaced(settings, {k: v for k, v in fields.items() if v is not UNSET})


class LinkChange(LaneChange, frozen=True):
    """What is given applies in this order: preset, both directions, one direction.

    Only `cut` cuts and restores.
    """

    preset: Literal["start", "good", "weak", "tunnel"] | UnsetType = UNSET
    """`start`: as configured, the trace included."""
    up: LaneChange = LaneChange()
    down: LaneChange = LaneChange()


class Control:
    """The web server. Who may reach it: see the module's docstring."""

    def __init__(self, settings: LinksSettings, links: dict[str, SimLink]):
        self._settings = settings
        self._start = {link.name: link.path() for link in settings.link}
        self._labels = {link.name: link.label or link.name for link in settings.link}
        self._links = links
        self._host, self._port = parse_address(settings.control)

    async def __aenter__(self) -> Self:
        application = web.Application(middlewares=[_guard], client_max_size=BODY_MAX)
        application.on_response_prepare.append(_add_headers)
        application.add_routes(
            [
                web.get("/", self._page),
                web.get("/strings", self._strings),
                web.get("/links", self._list),
                web.post("/links/{name}", self._change),
                web.static("/static", STATIC),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise DeviceError(
                f"{self._settings.control}: cannot listen: {error.strerror}"
            ) from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    async def _page(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / "control.html")

    async def _strings(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / f"strings.{self._settings.language}.json")

    async def _list(self, request: web.Request) -> web.Response:
        return _json({"links": [self._shown(name) for name in self._links]})

    async def _change(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._links:
            return _refusal(404, f"no link {name!r}; there are: {', '.join(self._links)}")
        if request.content_type != "application/json":
            return _refusal(415, "send application/json")
        try:
            change = msgspec.json.decode(await request.read(), type=LinkChange)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _refusal(400, str(error))
        self._apply(name, change)
        return _json(self._shown(name))

    def _apply(self, name: str, change: LinkChange) -> None:
        link, start = self._links[name], self._start[name]
        up, down = link.up.settings, link.down.settings
        if change.preset is not UNSET:
            chosen = self._presets(name)[change.preset]
            up, down = replaced(chosen[0], {"cut": up.cut}), replaced(chosen[1], {"cut": down.cut})
        up, down = change.up.changed(change.changed(up)), change.down.changed(change.changed(down))
        link.change(Path(up, down, start.up_trace, start.down_trace))

    def _presets(self, name: str) -> dict[str, tuple[LaneSettings, LaneSettings]]:
        return {"start": (self._start[name].up, self._start[name].down), **PRESETS}

    def _preset_now(self, name: str) -> str:
        """The preset a link has, cut or not; empty when it has been changed since."""
        link = self._links[name]
        for preset, (up, down) in self._presets(name).items():
            lanes = ((link.up.settings, up), (link.down.settings, down))
            if all(now == replaced(one, {"cut": now.cut}) for now, one in lanes):
                return preset
        return ""

    def _shown(self, name: str) -> dict[str, Any]:
        link = self._links[name]
        return {
            "name": name,
            "label": self._labels[name],
            "preset": self._preset_now(name),
            "clients": link.clients,
            "unreachable": link.unreachable,
            "up": _lane_shown(link.up),
            "down": _lane_shown(link.down),
        }


def _lane_shown(lane: Lane[Any]) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(lane.settings),
        "queued_bytes": lane.queued_bytes,
        "counters": msgspec.to_builtins(lane.counters),
    }


def _json(value: object, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json")


def _refusal(status: int, text: str) -> web.Response:
    return _json({"error": text}, status)


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if not _is_loopback(request.remote or "") or not _is_loopback(_host_name(request.host)):
        return _refusal(403, "loopback only")
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    foreign = origin is not None and origin != f"http://{request.host}"
    if request.method != "GET" and (foreign or site not in {"none", "same-origin"}):
        return _refusal(403, "changes only from this page itself")
    return await handler(request)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _host_name(host: str) -> str:
    """Of a Host header: without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
