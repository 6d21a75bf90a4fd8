"""A box's request, signed by a real ACME server through a real client, and shown by the box.

Pebble (the authority that Let's Encrypt gives for tests) asks its own DNS, in which certbot's hook
writes the record: DNS-01 from end to end, with nothing of the Internet.
"""

import asyncio
import contextlib
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.headset import Headset
from edgebox.config.hub import Hub
from edgebox.headset import certificate
from edgebox.headset.certificate import PublicCredential
from edgebox.headset.listener import server_context
from edgebox.hub import certificates
from edgebox.messages.headset import (
    CERTIFICATE_WISH,
    ISSUED_CERTIFICATE,
    CertificateWish,
    IssuedCertificate,
)
from edgebox.sim import pki
from edgebox.sim.ports import free_port
from tests.conftest import Broker

NAME = "headset.fleet.test"
NAMES = (NAME, f"box-1.{NAME}")
PROGRAMS = ("pebble", "pebble-challtestsrv", "certbot")

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(
        any(shutil.which(one) is None for one in PROGRAMS), reason="pebble or certbot is missing"
    ),
]


@contextlib.contextmanager
def pebble(directory: Path) -> Iterator[list[str]]:
    """An authority and its DNS; gives the words of the client that it serves."""
    acme, manage, dns, control = (free_port() for _ in range(4))
    tls = pki.hub_credentials(directory / "pebble", ("127.0.0.1",))
    settings = {
        "pebble": {
            "listenAddress": f"127.0.0.1:{acme}",
            "managementListenAddress": f"127.0.0.1:{manage}",
            "certificate": str(tls.certificate),
            "privateKey": str(tls.private_key),
            "httpPort": 80,
            "tlsPort": 443,
        }
    }
    (directory / "pebble.json").write_text(json.dumps(settings))
    names = (
        "pebble-challtestsrv",
        "-dns01",
        f"127.0.0.1:{dns}",
        "-management",
        f"127.0.0.1:{control}",
    )
    others = ("-http01", "", "-https01", "", "-tlsalpn01", "")
    authority = ("pebble", "-config", str(directory / "pebble.json"), "-strict",
                 "-dnsserver", f"127.0.0.1:{dns}")  # fmt: skip
    environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PATH": "/usr/bin"}
    with contextlib.ExitStack() as stack:
        for words in ((*names, *others), authority):
            log = stack.enter_context((directory / f"{words[0]}.log").open("wb"))
            process = stack.enter_context(
                subprocess.Popen(words, stdout=log, stderr=log, env=environment)
            )
            stack.callback(process.kill)
        hook = directory / "hook"
        hook.write_text(
            "#!/bin/sh\nexec curl --silent --fail --data "
            '"{\\"host\\": \\"_acme-challenge.$CERTBOT_DOMAIN.\\",'
            ' \\"value\\": \\"$CERTBOT_VALIDATION\\"}" '
            f"http://127.0.0.1:{control}/set-txt\n"
        )
        hook.chmod(0o755)
        url = f"https://127.0.0.1:{acme}/dir"
        until_served(url)
        yield [
            "env", f"REQUESTS_CA_BUNDLE={tls.ca}",
            "certbot", "certonly", "--quiet", "--non-interactive", "--agree-tos",
            "--register-unsafely-without-email", "--server", url, "--manual",
            "--preferred-challenges", "dns", "--manual-auth-hook", str(hook),
            "--csr", "{csr}", "--fullchain-path", "{chain}",
            "--config-dir", str(directory / "certbot"), "--work-dir", str(directory / "work"),
            "--logs-dir", str(directory / "logs"),
        ]  # fmt: skip


def until_served(url: str) -> None:
    """The authority answers."""
    deadline = time.monotonic() + 15
    while True:
        done = subprocess.run(("curl", "-sk", "-o", "/dev/null", url), check=False)
        if done.returncode == 0:
            return
        assert time.monotonic() < deadline, url
        time.sleep(0.05)


async def test_box_gets_a_public_certificate_by_dns(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "GATHER_S", 0.5)
    own = PublicCredential(tmp_path / "box", NAMES)
    with pebble(tmp_path) as client:
        hub = Hub(bus=broker.address, headset_acme=shlex.join(client))
        config = Config(hub=hub, headset=Headset(name=NAME))
        async with Bus(broker.address, "headset", box="box-1") as bus:
            chains: asyncio.Queue[IssuedCertificate] = asyncio.Queue()

            async def keep(issued: IssuedCertificate, keys: dict[str, str]) -> None:
                await chains.put(issued)

            await bus.subscribe(ISSUED_CERTIFICATE, keep)
            await bus.connected.wait()
            await bus.publish(CERTIFICATE_WISH, CertificateWish(request=own.request()))
            assert await certificates.run(config) == (1, 0)
            assert own.take((await asyncio.wait_for(chains.get(), 5)).chain)
            # It has one that is good for long: nothing is asked of the authority again.
            assert await certificates.run(config) == (0, 0)
    now_utc = time.time()
    assert certificate.choose([own.credential], NAME, now_utc + 60) == own.credential
    status = certificate.status(own.credential, NAME, now_utc + 60)
    assert (status.kind, status.state) == ("public", "good")
    certificate.load_into(server_context(), own.credential)
