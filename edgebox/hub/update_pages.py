"""Fleet staff's page for updates: who gets a release, how far it has come, stop, go on.

Who may reach it: the staff listener's `/updates` (staff.py): people with the unit `fleet`, nobody
else; what changes anything must come from our own origin. Plain forms, no script. Bundles do not
come in here: only the server's administrator publishes (`edgebox update publish`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from edgebox.host.templates import templates
from edgebox.hub import language
from edgebox.hub.staff import PERSON
from edgebox.hub.staff_files import add_files
from edgebox.hub.update_board import UpdateBoard
from edgebox.hub.update_files import Published
from edgebox.hub.update_rollout import GROUPS, Rollout, is_for

ZONE = ZoneInfo("Europe/Oslo")
SHARES = (0, 5, 10, 25, 50, 100)
FORM_MAX = 64 * 1024
VEHICLES_MAX = 500
"""Shown box by box."""


class UpdatePages:
    """Handlers around an UpdateBoard."""

    def __init__(self, board: UpdateBoard, default_language: str):
        self._board = board
        self._language = default_language
        self._templates = templates("edgebox.hub")

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Everything on one page."""
        chosen = language.choose(
            request.query.get("lang", ""),
            request.headers.get("Accept-Language", ""),
            self._language,
        )
        t = language.catalogue(chosen)
        events = [
            {"at": _date(at_utc), "who": who, "version": version, "what": _said(what, who, t)}
            for at_utc, who, version, what in await self._board.latest()
        ]
        html = self._templates.get_template("updates.html").render(
            t=t,
            language=chosen,
            person=request[PERSON].name,
            static="/updates/static",
            releases=[self._release(one, t) for one in self._board.published],
            shares=SHARES,
            groups=GROUPS,
            versions=self._versions(),
            events=events,
            refused="refused" in request.query,
        )
        # Under `no-referrer` a form's Origin is null (Fetch, 3.2), and the guard refuses it.
        headers = {"Referrer-Policy": "same-origin"}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Widen, stop, go on."""
        if (request.content_length or 0) > FORM_MAX:
            raise web.HTTPRequestEntityTooLarge(FORM_MAX, request.content_length or 0)
        form = await request.post()
        person, sha256 = request[PERSON], request.match_info["sha256"]
        who = f"{person.name}, {person.serial}"
        match form.get("action"):
            case "save":
                share = form.get("share", "")
                if share not in {str(one) for one in SHARES}:
                    raise web.HTTPBadRequest
                first = tuple(one for one in form.getall("first", []) if isinstance(one, str))
                done = await self._board.set_stage(who, sha256, int(str(share)), first)
            case "stop":
                done = await self._board.stop(who, sha256)
            case "go-on":
                done = await self._board.go_on(who, sha256)
            case _:
                raise web.HTTPBadRequest
        location = "/updates" if done else "/updates?refused"
        return web.Response(status=303, headers={"Location": location})

    # Parts

    def _release(self, one: Published, t: Mapping[str, str]) -> dict[str, object]:
        rollout = self._board.rollouts.get(one.sha256) or Rollout(sha256=one.sha256)
        return {
            "sha256": one.sha256,
            "version": one.version,
            "compatible": one.compatible,
            "megabytes": f"{one.size_bytes / 1e6:.0f}",
            "published": _date(one.published_utc),
            "state": self._state(rollout),
            "stopped": rollout.stopped,
            "share": rollout.share,
            "figures": self._board.figures(one.sha256),
            "vehicles": self._vehicles(one, rollout),
            "standing": [
                {
                    "name": self._name(box),
                    "group": group,
                    "why": t.get(f"update.why.{report.reason}", "") if report is not None else "",
                    "at": _date(report.at_utc) if report is not None else "",
                    "offered": is_for(rollout, box),
                }
                for box, group, report in self._board.standing(one.sha256)[:VEHICLES_MAX]
            ],
        }

    @staticmethod
    def _state(rollout: Rollout) -> str:
        if rollout.stopped:
            return f"stopped-{rollout.stopped}"
        return "running" if rollout.share or rollout.first else "new"

    def _vehicles(self, one: Published, rollout: Rollout) -> list[dict[str, object]]:
        """Those that take this image, to be named."""
        fit = [
            (box, vehicle)
            for box, vehicle in self._board.vehicles.items()
            if vehicle.status is not None and vehicle.status.compatible == one.compatible
        ]
        named: list[dict[str, object]] = [
            {"box": box, "name": self._name(box), "first": box in rollout.first}
            for box, _ in sorted(fit, key=lambda pair: (pair[1].name.lower(), pair[0]))
        ]
        return sorted(named, key=lambda one: not one["first"])[:VEHICLES_MAX]

    def _versions(self) -> list[tuple[str, int]]:
        """What runs on how many boxes."""
        counted: dict[str, int] = {}
        for vehicle in self._board.vehicles.values():
            if vehicle.status is not None:
                version = vehicle.status.version
                counted[version] = counted.get(version, 0) + 1
        return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))

    def _name(self, box: str) -> str:
        vehicle = self._board.vehicles.get(box)
        return f"{vehicle.name} ({box})" if vehicle is not None and vehicle.name else box


def add_routes(app: web.Application, board: UpdateBoard, default_language: str) -> None:
    """On the staff listener's application."""
    pages = UpdatePages(board, default_language)
    app.router.add_get("/updates", pages.show)
    app.router.add_post("/updates/{sha256:[0-9a-f]{64}}", pages.change)
    add_files(app, "updates")


def _said(what: str, who: str, t: Mapping[str, str]) -> str:
    """What a change was, in words."""
    match what.split():
        case ["stage", share, named]:
            return t["update.did.stage"].format(share=share, named=named)
        case ["stopped"]:
            return t["update.did.stopped" if who else "update.did.stopped-itself"]
    return t["update.did.go-on"]


def _date(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).astimezone(ZONE).strftime("%Y-%m-%d %H:%M")
