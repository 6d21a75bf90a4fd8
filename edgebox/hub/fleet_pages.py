"""Fleet staff's page: enrol headsets, give them a vehicle or the pool, block them.

Who may reach it: the staff listener's `/fleet` (staff.py): people with the unit `fleet`, nobody
else; what changes anything must come from our own origin. Plain forms: no script, so nothing to
go wrong in a browser of a hospital.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from edgebox.host.templates import templates
from edgebox.hub import language
from edgebox.hub.fleet import DEVICE_S, Fleet
from edgebox.hub.fleet_store import AuditRow
from edgebox.hub.qr import qr_path
from edgebox.hub.staff import PERSON, Person
from edgebox.hub.staff_files import add_files
from edgebox.pairing.ledger import FRESH_S

ZONE = ZoneInfo("Europe/Oslo")
FORM_MAX = 4096


class FleetPages:
    """Handlers around a Fleet."""

    def __init__(self, fleet: Fleet, default_language: str):
        self._fleet = fleet
        self._language = default_language
        self._templates = templates("edgebox.hub")

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Everything on one page."""
        t = self._texts(request)
        fleet = self._fleet
        devices = [self._device(id_, t) for id_ in fleet.devices]
        return self._page(
            request,
            "fleet.html",
            devices=sorted(devices, key=lambda one: str(one["name"]).lower()),
            vehicles=sorted(fleet.vehicles.values(), key=lambda one: one.name.lower()),
            events=[self._event(one) for one in await fleet.latest()],
            refused="refused" in request.query,
        )

    async def make_ticket(self, request: web.Request) -> web.StreamResponse:
        """A code for one device."""
        form = await _form(request)
        box = form.get("box", "")
        ticket = self._fleet.ticket(
            _who(request[PERSON]),
            form.get("name", ""),
            form.get("owner", ""),
            "assigned" if box else "pool",
            box,
        )
        return _to(f"/fleet/tickets/{ticket.id}" if ticket is not None else "/fleet?refused")

    async def show_ticket(self, request: web.Request) -> web.StreamResponse:
        """The code, until a device has answered it."""
        t = self._texts(request)
        ticket = self._fleet.tickets.get(request.match_info["ticket"])
        if ticket is None or ticket.device or time.monotonic() >= ticket.until:
            done = ticket is not None and ticket.device
            text = t["fleet.code-done"].format(name=ticket.name) if ticket and done else ""
            return self._page(
                request, "fleet_ticket.html", path="", text=text or t["fleet.code-gone"]
            )
        path, side = qr_path(ticket.code)
        vehicle = self._fleet.vehicles.get(ticket.box)
        place = vehicle.name if vehicle is not None else t["fleet.pool-short"]
        return self._page(
            request,
            "fleet_ticket.html",
            path=path,
            side=side,
            code=ticket.code,
            name=ticket.name,
            place=place,
        )

    async def change_device(self, request: web.Request) -> web.StreamResponse:
        """Save, renew, block or allow."""
        form, device = await _form(request), request.match_info["device"]
        who, fleet = _who(request[PERSON]), self._fleet
        match form.get("action"):
            case "save":
                name, owner = form.get("name", ""), form.get("owner", "")
                done = await fleet.assign(who, device, name, owner, form.get("box", ""))
            case "renew":
                until = time.time() + DEVICE_S
                done = await fleet.change(who, device, "renewed", expires_utc=until)
            case "revoke":
                done = await fleet.change(who, device, "revoked", revoked=True)
            case "restore":
                done = await fleet.change(who, device, "restored", revoked=False)
            case _:
                raise web.HTTPBadRequest
        return _to("/fleet" if done else "/fleet?refused")

    async def change_vehicle(self, request: web.Request) -> web.StreamResponse:
        """Stolen, or found again."""
        form = await _form(request)
        who, box = _who(request[PERSON]), request.match_info["box"]
        revoked = form.get("action") == "revoke"
        done = await self._fleet.mark_vehicle(who, box, revoked=revoked)
        return _to("/fleet" if done else "/fleet?refused")

    # Parts

    def _device(self, id_: str, t: Mapping[str, str]) -> dict[str, object]:
        one, now_utc = self._fleet.devices[id_], time.time()
        state = "revoked" if one.revoked else "expired" if one.expires_utc <= now_utc else ""
        return {
            "id": id_,
            "name": one.name,
            "owner": one.owner,
            "box": one.box,
            "revoked": one.revoked,
            "state": state,
            "where": self._where(id_, t, now_utc),
            "expires": _date(one.expires_utc),
        }

    def _where(self, id_: str, t: Mapping[str, str], now_utc: float) -> str:
        lease = self._fleet.ledger.entries.get(id_)
        if lease is None:
            return t["fleet.never"]
        vehicle = self._fleet.vehicles.get(lease.box)
        name = vehicle.name if vehicle is not None else lease.box
        if now_utc - lease.seen_utc < FRESH_S:
            return t["fleet.now"].format(vehicle=name)
        return t["fleet.last"].format(vehicle=name, date=_date(lease.seen_utc, clock=True))

    def _event(self, row: AuditRow) -> dict[str, str]:
        at = _date(row.at_utc, clock=True)
        return {"at": at, "text": row.text, "event": row.event, "who": row.who}

    def _texts(self, request: web.Request) -> Mapping[str, str]:
        return language.catalogue(self._chosen(request))

    def _chosen(self, request: web.Request) -> str:
        accept = request.headers.get("Accept-Language", "")
        return language.choose(request.query.get("lang", ""), accept, self._language)

    def _page(self, request: web.Request, template: str, **values: object) -> web.Response:
        html = self._templates.get_template(template).render(
            t=self._texts(request),
            language=self._chosen(request),
            person=request[PERSON].name,
            static="/fleet/static",
            **values,
        )
        # Under `no-referrer` a form's Origin is null (Fetch, 3.2), and the guard refuses it.
        headers = {"Referrer-Policy": "same-origin"}
        return web.Response(text=html, content_type="text/html", headers=headers)


def add_routes(app: web.Application, fleet: Fleet, default_language: str) -> None:
    """On the staff listener's application."""
    pages = FleetPages(fleet, default_language)
    app.router.add_get("/fleet", pages.show)
    app.router.add_post("/fleet/tickets", pages.make_ticket)
    app.router.add_get("/fleet/tickets/{ticket:[0-9a-f]{16}}", pages.show_ticket)
    app.router.add_post("/fleet/devices/{device:[0-9a-f]{32}}", pages.change_device)
    app.router.add_post("/fleet/vehicles/{box:[a-z0-9][a-z0-9-]{0,31}}", pages.change_vehicle)
    add_files(app, "fleet")


async def _form(request: web.Request) -> dict[str, str]:
    if (request.content_length or 0) > FORM_MAX:
        raise web.HTTPRequestEntityTooLarge(FORM_MAX, request.content_length or 0)
    form = await request.post()
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _who(person: Person) -> str:
    return f"{person.name}, {person.serial}"


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


def _date(utc: float, *, clock: bool = False) -> str:
    then = datetime.fromtimestamp(utc, UTC).astimezone(ZONE)
    return then.strftime("%Y-%m-%d %H:%M" if clock else "%Y-%m-%d")
