"""Text messages by a provider's HTTP interface, as the configuration describes it.

Providers differ in names and form, not in substance: one POST with number and text, and a secret.
So the body is a template; what is filled in is escaped as the body's type asks. Neither number nor
text nor the provider's answer is logged.
"""

import json
import re
from urllib.parse import quote_plus

from msgspec import Struct

from edgebox.config.vehicle import Sms
from edgebox.errors import DeviceError

TIMEOUT_S = 15.0
PLACE = re.compile(r"\{(phone|digits|text|secret)\}")
TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


class Post(Struct, frozen=True):
    """What is to be sent."""

    url: str
    headers: dict[str, str]
    body: bytes


def write_post(config: Sms, secret: str, phone: str, text: str) -> Post:
    """One message as the provider wants it."""
    values = {"phone": phone, "digits": phone.lstrip("+"), "text": text, "secret": secret}
    escape = _in_json if config.gateway_type == "json" else quote_plus
    body = PLACE.sub(lambda place: escape(values[place[1]]), config.gateway_body)
    headers = {"Content-Type": TYPES[config.gateway_type]}
    if config.gateway_authorization:
        headers["Authorization"] = config.gateway_authorization.replace("{secret}", secret)
    return Post(config.gateway_url, headers, body.encode())


async def send(post: Post) -> None:
    """Raises DeviceError with the cause unless the provider took it (a status of 2xx)."""
    import aiohttp  # 12 MiB: only where a gateway is configured

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as web,
            web.post(
                post.url, data=post.body, headers=post.headers, allow_redirects=False
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise DeviceError(f"the gateway answered {answer.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DeviceError(f"the gateway cannot be reached: {type(error).__name__}") from error


def _in_json(value: str) -> str:
    """Fit to stand between the template's quotes."""
    return json.dumps(value)[1:-1]
