"""Files of the staff's pages: the look they share, and each page's own.

Who may reach them: the staff listener (staff.py), below each page's own path.
"""

from pathlib import Path

from aiohttp import web

DIRECTORY = Path(__file__).parent
SHARED = ("static/style.css", "static/icon.svg", "staff_static/staff.css")
CALL = ("static/devices.js", "static/sound.js")
"""Microphone and loudspeaker, as remote help's pages use them."""


def add_files(app: web.Application, area: str) -> None:
    """`/<area>/static/<name>`: the shared ones, and all below the folder `<area>_static`."""
    shared = [DIRECTORY / name for name in (*SHARED, *CALL)]
    own = (path for path in (DIRECTORY / f"{area}_static").rglob("*") if path.is_file())
    files = {path.name: path for path in [*shared, *own]}

    async def serve(request: web.Request) -> web.StreamResponse:
        path = files.get(request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path)

    app.router.add_get(f"/{area}/static/{{name}}", serve)
