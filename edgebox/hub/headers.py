"""What every answer of the hub tells the browser to forbid."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from edgebox.roles import Rights


def permissions(rights: Rights) -> str:
    """Permissions-Policy: microphone and camera only where the role speaks and shows."""
    own = {True: "(self)", False: "()"}
    return (
        "autoplay=(self), fullscreen=(self), picture-in-picture=(self),"
        f" camera={own[rights.shows]}, microphone={own[rights.speaks]},"
        f" speaker-selection={own[rights.hears]},"
        " geolocation=(), display-capture=(), usb=(), payment=()"
    )


def security_headers(origin: str) -> Mapping[str, str]:
    """For pages of this origin: only their own files, in no frame, in no cache."""
    host = urlsplit(origin).netloc
    secure = origin.startswith("https://")
    # Safari before 15.4 does not count ws: as 'self'.
    socket = f"{'wss' if secure else 'ws'}://{host}"
    headers = {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
            f" connect-src 'self' {socket}; media-src 'self'; form-action 'self';"
            " base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": permissions(Rights()),
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex, nofollow",
    }
    if secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
