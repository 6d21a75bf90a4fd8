"""The page and its parts, as box and hub serve them alike: to the device both are one origin."""

import hashlib
from pathlib import Path

import msgspec
from aiohttp import web

from edgebox.headset import language
from edgebox.host.templates import templates

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        " connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; form-action 'none';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": (
        "camera=(self), microphone=(self), autoplay=(self), screen-wake-lock=(self),"
        " fullscreen=(self), geolocation=(), display-capture=(), usb=(), payment=()"
    ),
}


class HeadsetPage:
    """Handlers of `/` and `/static/<version>/<name>`."""

    def __init__(self) -> None:
        self._version = _version_of(STATIC)
        self._names = {path.name for path in STATIC.iterdir() if path.is_file()}
        self._templates = templates("edgebox.headset")

    async def show(self, request: web.Request) -> web.Response:
        """The page, in the language of the device."""
        chosen = language.choose(
            request.query.get("lang", ""), request.headers.get("Accept-Language", "")
        )
        texts = language.catalogue(chosen)
        # `<` is the only character that could end the script element.
        data = msgspec.json.encode({"language": chosen, "texts": texts}).decode()
        html = self._templates.get_template("headset.html").render(
            t=texts,
            language=chosen,
            static=f"/static/{self._version}",
            data=data.replace("<", "\\u003c"),
        )
        return web.Response(text=html, content_type="text/html", headers=HEADERS)

    async def part(self, request: web.Request) -> web.StreamResponse:
        """A script, a style or the icon."""
        name = request.match_info["name"]
        if request.match_info["version"] != self._version or name not in self._names:
            raise web.HTTPNotFound
        keep = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.FileResponse(STATIC / name, headers=HEADERS | keep)


def _version_of(directory: Path) -> str:
    """Changes with any file, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
