"""Who may use the panel: the browser of this box, and in it only the panel's own page.

The listener is bound to a loopback address (`require_loopback`). The browser may also hold pages
from elsewhere, so each request must name our own address as its host (a foreign name that
resolves to 127.0.0.1 does not), and what is not opened by a person must come from our own origin.
Host, Origin and Sec-Fetch-* are sent by the browser and cannot be forged by a page (Fetch standard,
"forbidden request-header"; RFC 6454; W3C Fetch Metadata).
"""

import ipaddress

from flask import Flask, Response, abort, request

from edgebox.config import Config, parse_address
from edgebox.errors import ConfigError

BODY_MAX = 4096


def require_loopback(config: Config) -> None:
    """Raise ConfigError unless `panel.listen` is reachable from this machine only."""
    host, _ = parse_address(config.panel.listen)
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            f"panel.listen: {config.panel.listen!r}: the panel has no log-in; "
            "allowed: a loopback address such as 127.0.0.1:8080"
        )


def content_policy(config: Config) -> str:
    """Content-Security-Policy: only our own files; the preview comes from media's port."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' http://{config.media.preview_listen}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _may_look() -> bool:
    """Opened by a person, or asked for by our own page. Another page could fill all streams."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    return site in {"same-origin", "none"} or request.headers.get("Sec-Fetch-Mode") == "navigate"


def _may_act(host: str) -> bool:
    """Asked for by our own page."""
    own = request.headers.get("Origin") == f"http://{host}"
    return own and request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"


def install(app: Flask, config: Config) -> None:
    """Check each request before anything else sees it, and mark each answer."""
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX
    host = config.panel.listen.removesuffix(":80")  # browsers leave the usual port away
    policy = content_policy(config)

    @app.before_request
    def check() -> None:
        if request.host != host:
            abort(421)
        if not (_may_look() if request.method in {"GET", "HEAD"} else _may_act(host)):
            abort(403)

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "Content-Security-Policy": policy,
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Permissions-Policy": "camera=(), microphone=(), geolocation=(), fullscreen=()",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
            }
        )
        return response
