"""Bundles for boxes: GET /update/<box>/<sha256>/<until>/<signature>, whole or in parts (RFC 9110).

Who may reach it: everybody on the Internet, through the TLS front, like the rest of the web side.
What protects it: the address itself, an HMAC by a secret that lives as long as this process, over
box, release and the time it ends. A box is told it on its own topic of the broker, which its
certificate opens; a box that is shut out is told nothing more. So many at once for one box, and for
all together. What is fetched is signed; who reads along the way to it learns no secret.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from time import time

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from edgebox.hub.update_files import bundle_path

URL_S = 24 * 3600.0
AT_ONCE_PER_BOX = 2
"""A connection that died in silence may still stand beside the new one."""
AT_ONCE = 50
AGAIN_S = 60
PATH = (
    "/update/{box:[a-z0-9][a-z0-9-]{0,31}}/{sha256:[0-9a-f]{64}}/{until:[0-9]{1,12}}"
    "/{signature:[0-9a-f]{64}}"
)


class Signer:
    """Makes and checks addresses."""

    def __init__(self, public_url: str):
        self._base = public_url
        self._secret = secrets.token_bytes(32)

    def url(self, box: str, sha256: str, now_utc: float) -> str:
        """Good for URL_S."""
        until = int(now_utc + URL_S)
        return f"{self._base}/update/{box}/{sha256}/{until}/{self._sign(box, sha256, until)}"

    def is_good(self, box: str, sha256: str, until: int, signature: str, now_utc: float) -> bool:
        """Made by us, and not too old."""
        known = hmac.compare_digest(self._sign(box, sha256, until), signature)
        return known and now_utc < until

    def _sign(self, box: str, sha256: str, until: int) -> str:
        said = f"{box} {sha256} {until}".encode()
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()


class _Counted(web.FileResponse):
    """Counts as long as it is being sent."""

    def __init__(self, path: Path, box: str, sending: list[str]):
        super().__init__(path, headers={"Content-Type": "application/octet-stream"})
        self._box = box
        self._sending = sending

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._sending.append(self._box)
        try:
            return await super().prepare(request)
        finally:
            self._sending.remove(self._box)


def add_routes(app: web.Application, signer: Signer, directory: Path) -> None:
    """To the hub's web side."""
    sending: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        box, sha256 = request.match_info["box"], request.match_info["sha256"]
        until, signature = int(request.match_info["until"]), request.match_info["signature"]
        if not signer.is_good(box, sha256, until, signature, time()):
            return web.Response(status=403)
        if len(sending) >= AT_ONCE or sending.count(box) >= AT_ONCE_PER_BOX:
            return web.Response(status=503, headers={"Retry-After": str(AGAIN_S)})
        path = bundle_path(directory, sha256)
        if not path.is_file():
            return web.Response(status=404)
        return _Counted(path, box, sending)

    app.router.add_get(PATH, serve)
