"""The support desk: what a technician sees of boxes whose crews let them in.

Who may reach it: the staff listener's `/desk` (staff.py): technicians with a certificate, nobody
else. What they may do there is decided by the box, each time; the hub adds who they are, refuses
what is not their own session, and keeps a trail of its own in which each box's trail is anchored.
Nothing of a room, a picture or a monitor passes here: this part of the hub never listens to them.

The secret of the crew's link stands behind `#`: browsers keep that to themselves, so neither a log
nor a preview ever has it, and opening the page spends nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from edgebox.bus import Bus
from edgebox.config.hub import Hub as HubConfig
from edgebox.host.templates import templates
from edgebox.hub import language
from edgebox.hub.desk_answers import JoinBody, OrderBody, as_json, event, read_body, shown
from edgebox.hub.desk_board import Board, BoxEntry
from edgebox.hub.desk_call import CallBody, CallDoor
from edgebox.hub.desk_shell import ShellDoor
from edgebox.hub.headers import permissions
from edgebox.hub.staff import PERSON, Person
from edgebox.hub.staff_files import add_files
from edgebox.hub.twins import Twins
from edgebox.messages.base import Fault
from edgebox.messages.services import BOX_INFO, SERVICE_STATUS, BoxInfo, ServiceStatus
from edgebox.messages.support import (
    DESK_INFO,
    OPEN_SUPPORT,
    REQUEST_SUPPORT,
    SUPPORT_AUDIT,
    SUPPORT_CHAT,
    SUPPORT_ORDER,
    SUPPORT_SESSION,
    AuditHead,
    BundlePart,
    ChatLine,
    Deed,
    DeskInfo,
    Leave,
    OpenSupport,
    Order,
    ReadBundle,
    Report,
    RequestSupport,
    SupportSession,
)
from edgebox.messages.support_call import OpenCall
from edgebox.messages.support_shell import OpenShell
from edgebox.messages.support_way import SUPPORT_WAY, SupportWay
from edgebox.messages.update import UPDATE_STATUS, UpdateStatus
from edgebox.roles import Rights
from edgebox.support.audit import AuditError, Trail
from edgebox.support.deeds import Noted, describe

logger = logging.getLogger(__name__)

ORDER_S = 10.0
RESTART_S = 25.0
"""A service that is restarted, or a bundle that is made, takes its time."""
REVOKED_EVERY_S = 1.0
BEAT_S = 1.0
EVENTS_MAX = 100
BUNDLE_MAX = 64 * 1024 * 1024
SLOW = {"restart", "bundle", "link-test"}


class Desk:
    """Between the technicians' pages and the boxes."""

    def __init__(
        self,
        bus: Bus,
        config: HubConfig,
        trail: Trail,
        is_welcome: Callable[[Person], bool],
        is_revoked: Callable[[str], bool],
        turn_secret: bytes,
    ):
        self.board = Board()
        self._twins = Twins()
        self._shells = ShellDoor(bus)
        self._calls = CallDoor(config, turn_secret)
        self._bus = bus
        self._url = config.staff_url
        self._language = config.language
        self._trail = trail
        self._is_welcome = is_welcome
        self._is_revoked = is_revoked
        self._noted: dict[str, Noted] = {}
        self._pages: dict[str, set[asyncio.Queue[bytes]]] = {}
        self._templates = templates("edgebox.hub")

    # The boxes

    async def start(self) -> None:
        """Listen to the boxes."""
        await self._bus.watch_bridges(self._take_bridge)
        await self._bus.subscribe(BOX_INFO, self._take_info)
        await self._bus.subscribe(SERVICE_STATUS, self._take_service)
        await self._bus.subscribe(UPDATE_STATUS, self._take_update)
        await self._bus.subscribe(SUPPORT_WAY, self._take_way)
        await self._bus.subscribe(SUPPORT_SESSION, self._take_session)
        await self._bus.subscribe(SUPPORT_CHAT, self._take_chat)
        await self._bus.subscribe(SUPPORT_AUDIT, self._take_audit)
        await self._shells.start()

    async def run(self) -> None:
        """End the sessions of technicians who are shut out, and see which boxes are two. Never
        returns."""
        while True:
            await asyncio.sleep(REVOKED_EVERY_S)
            for box in list(self.board.boxes.values()):
                box.doubled = self._twins.has(box.id, time.monotonic())
                session = box.session
                if session.state == "active" and self._is_revoked(session.serial):
                    self._note("revoked", box.id, session.technician, session.serial)
                    order = Order(session=session.id, serial=session.serial, deed=Leave())
                    await self._bus.request(
                        SUPPORT_ORDER, order, box=box.address, timeout_s=ORDER_S
                    )

    async def _take_bridge(self, box_id: str, up: bool) -> None:
        if (box := self.board.box(box_id)) is not None:
            box.bridge = up
            self._show(box)

    async def _take_info(self, info: BoxInfo, keys: dict[str, str]) -> None:
        if (box := self.board.box(keys["box"])) is not None:
            box.vehicle = info.vehicle

    async def _take_service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        if keys["service"] != "support" or (box := self.board.box(keys["box"])) is None:
            return
        if not box.support:
            await self._bus.publish(DESK_INFO, DeskInfo(url=self._url), box=box.id)
        box.support = status.state != "stopped"
        if box.support:
            self._twins.hear(box.id, status.instance, time.monotonic())
        box.doubled = self._twins.has(box.id, time.monotonic())
        self._show(box)

    async def _take_way(self, way: SupportWay, keys: dict[str, str]) -> None:
        if (box := self.board.box(keys["box"])) is None:
            return
        box.way = way
        if box.is_direct:
            await self._bus.publish(DESK_INFO, DeskInfo(url=self._url), box=box.address)
        self._show(box)

    async def _take_update(self, status: UpdateStatus, keys: dict[str, str]) -> None:
        if (box := self.board.box(keys["box"])) is not None:
            box.software = status
            self._show(box)

    async def _take_session(self, session: SupportSession, keys: dict[str, str]) -> None:
        box = self.board.box(keys["box"])
        if box is not None and box.sift.is_news(session):
            if session.id != box.said.id:
                self._noted.pop(box.id, None)
            box.said = session
            self._show(box)

    async def _take_chat(self, line: ChatLine, keys: dict[str, str]) -> None:
        box = self.board.box(keys["box"])
        if box is not None and line.session == box.session.id and box.sift.is_first(line):
            self._send(box.id, event("chat", line))

    async def _take_audit(self, head: AuditHead, keys: dict[str, str]) -> None:
        box = self.board.box(keys["box"])
        if box is None or not box.sift.is_first(head):
            return
        detail = f"box trail {head.entries} {head.hash}"
        self._note(f"box: {head.what}"[:80], box.id, head.technician, head.serial, detail)

    def _show(self, box: BoxEntry) -> None:
        self._send(box.id, event("box", shown(box)))

    def _send(self, box_id: str, news: bytes) -> None:
        """A page that does not read is skipped: it sees the next state."""
        for queue in self._pages.get(box_id, ()):
            if not queue.full():
                queue.put_nowait(news)

    def _note(self, what: str, box: str, who: str, serial: str, detail: str = "") -> bool:
        try:
            self._trail.append(what, time.time(), box=box, who=who, serial=serial, detail=detail)
        except AuditError as error:
            logger.error("support audit: %s", error)
            return False
        return True

    # Pages

    def page(self, request: web.Request, template: str, **values: object) -> web.Response:
        """A page in the reader's language."""
        chosen = language.choose(
            request.query.get("lang", ""),
            request.headers.get("Accept-Language", ""),
            self._language,
        )
        texts = language.catalogue(chosen)
        said = {key: text for key, text in texts.items() if key.startswith("desk.")}
        data = msgspec.json.encode({"texts": said, "language": chosen, **values}).decode()
        html = self._templates.get_template(template).render(
            t=texts,
            language=chosen,
            static="/desk/static",
            data=data.replace("<", "\\u003c"),
            person=request[PERSON].name,
        )
        return web.Response(text=html, content_type="text/html")

    async def show_list(self, request: web.Request) -> web.StreamResponse:
        """All vehicles."""
        return self.page(request, "desk.html", boxes=self._boxes())

    async def list_boxes(self, request: web.Request) -> web.StreamResponse:
        """The same as JSON."""
        return as_json(self._boxes())

    def _boxes(self) -> list[dict[str, object]]:
        return [shown(box) for box in self.board.shown()]

    async def show_join(self, request: web.Request) -> web.StreamResponse:
        """Where the crew's link leads; opening it spends nothing."""
        box = self._box(request)
        return self.page(request, "desk_join.html", box=shown(box))

    async def join(self, request: web.Request) -> web.StreamResponse:
        """Spend the link."""
        box, person = self._box(request), request[PERSON]
        body = await read_body(request, JoinBody)
        if not self._note("link", box.id, person.name, person.serial):
            return as_json(_NO_TRAIL)
        question = OpenSupport(technician=person.name, serial=person.serial, token=body.token)
        return as_json(
            await self._bus.request(OPEN_SUPPORT, question, box=box.address, timeout_s=ORDER_S)
        )

    async def request_admission(self, request: web.Request) -> web.StreamResponse:
        """Ask the crew to be let in."""
        box, person = self._box(request), request[PERSON]
        if not self._note("request", box.id, person.name, person.serial):
            return as_json(_NO_TRAIL)
        question = RequestSupport(technician=person.name, serial=person.serial)
        return as_json(
            await self._bus.request(REQUEST_SUPPORT, question, box=box.address, timeout_s=ORDER_S)
        )

    async def show_box(self, request: web.Request) -> web.StreamResponse:
        """One vehicle; everything in it is fetched by orders."""
        box = self._box(request)
        page = self.page(request, "desk_box.html", box=shown(box), serial=request[PERSON].serial)
        page.headers["Permissions-Policy"] = permissions(Rights(hears=True, speaks=True))
        return page

    async def order(self, request: web.Request) -> web.StreamResponse:
        """Have the box do something."""
        body = await read_body(request, OrderBody)
        if isinstance(body.deed, OpenShell | OpenCall):
            # A key is made here, for the page's WebSocket, and never given away; so is a password.
            raise web.HTTPBadRequest
        return as_json(await self._order(self._box(request), request[PERSON], body.deed))

    async def bundle(self, request: web.Request) -> web.StreamResponse:
        """The whole bundle as a file."""
        box, person, content = self._box(request), request[PERSON], b""
        while True:
            part = await self._order(box, person, ReadBundle(offset=len(content)))
            if not isinstance(part, BundlePart):
                return as_json(part, status=409)
            content += part.data
            if len(content) >= part.size or not part.data or len(content) > BUNDLE_MAX:
                break
        name = "".join(one for one in part.name if one.isalnum() or one in "._-")
        return web.Response(
            body=content,
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def shell(self, request: web.Request) -> web.StreamResponse:
        """A command line that the crew has granted, as a WebSocket."""
        box, person = self._box(request), request[PERSON]

        async def order(deed: Deed) -> msgspec.Struct:
            return await self._order(box, person, deed)

        return await self._shells.carry(request, box, order, lambda: self._is_welcome(person))

    async def call_servers(self, request: web.Request) -> web.StreamResponse:
        """Where the page reaches the TURN server, while the call is open."""
        session = self.board.session_of(self._box(request).id, request[PERSON].serial)
        return as_json(self._calls.servers(session))

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Connect the call the crew agreed to."""
        box, person = self._box(request), request[PERSON]
        session = self.board.session_of(box.id, person.serial)
        deed = self._calls.deed(session, await read_body(request, CallBody))
        return as_json(deed if isinstance(deed, Fault) else await self._order(box, person, deed))

    async def _order(self, box: BoxEntry, person: Person, deed: Deed) -> msgspec.Struct:
        session = self.board.session_of(box.id, person.serial)
        name, subject = describe(deed)
        if session is None:
            self._note("refused", box.id, person.name, person.serial, f"{name}: no session")
            return Fault(reason="refused", text="no-session")
        noted = self._noted.setdefault(box.id, Noted())
        if noted.take(deed) and not self._note(name, box.id, person.name, person.serial, subject):
            return _NO_TRAIL
        order = Order(session=session.id, serial=person.serial, deed=deed)
        timeout_s = RESTART_S if name in SLOW else ORDER_S
        answer = await self._bus.request(SUPPORT_ORDER, order, box=box.address, timeout_s=timeout_s)
        return answer.result if isinstance(answer, Report) else answer

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the session as the box says it, and the chat."""
        box, person = self._box(request), request[PERSON]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue(EVENTS_MAX)
        self._pages.setdefault(box.id, set()).add(queue)
        try:
            await response.write(event("box", shown(box)))
            while self._is_welcome(person):
                try:
                    async with asyncio.timeout(BEAT_S):
                        news = await queue.get()
                except TimeoutError:
                    news = b"event: beat\ndata:\n\n"
                if self._may_read(box, person, news):
                    await response.write(news)
        finally:
            self._pages[box.id].discard(queue)
        return response

    def _may_read(self, box: BoxEntry, person: Person, news: bytes) -> bool:
        """What crew and another technician write to each other is theirs."""
        is_chat = news.startswith(b"event: chat")
        return not is_chat or self.board.session_of(box.id, person.serial) is not None

    async def audit(self, request: web.Request) -> web.StreamResponse:
        """The hub's trail as it is; `edgebox audit` verifies it."""
        person = request[PERSON]
        self._note("audit-exported", "", person.name, person.serial)
        return web.FileResponse(
            self._trail.path,
            headers={
                "Content-Type": "application/jsonl",
                "Content-Disposition": 'attachment; filename="support-audit.jsonl"',
            },
        )

    def _box(self, request: web.Request) -> BoxEntry:
        box = self.board.boxes.get(request.match_info["box"])
        if box is None:
            raise web.HTTPNotFound
        return box


_NO_TRAIL = Fault(reason="failed", text="the hub's audit trail cannot be written")


def add_routes(app: web.Application, desk: Desk) -> None:
    """Below `/desk` and `/audit` of the staff application."""
    app.router.add_get("/desk", desk.show_list)
    app.router.add_get("/desk/boxes", desk.list_boxes)
    add_files(app, "desk")
    app.router.add_get("/desk/join/{box}", desk.show_join)
    app.router.add_post("/desk/join/{box}", desk.join)
    app.router.add_get("/desk/box/{box}", desk.show_box)
    app.router.add_post("/desk/box/{box}/request", desk.request_admission)
    app.router.add_post("/desk/box/{box}/order", desk.order)
    app.router.add_get("/desk/box/{box}/bundle", desk.bundle)
    app.router.add_get("/desk/box/{box}/events", desk.events)
    app.router.add_get("/desk/box/{box}/shell", desk.shell)
    app.router.add_post("/desk/box/{box}/call/turn", desk.call_servers)
    app.router.add_post("/desk/box/{box}/call", desk.call)
    app.router.add_get("/audit", desk.audit)
