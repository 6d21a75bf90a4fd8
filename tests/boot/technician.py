"""Runs inside the booted box, as crew and hub: what a technician gets of the hardened services.

Prints one JSON object.
"""

import asyncio
import io
import json
import secrets
import sys
import tarfile
from typing import Any

import asyncssh
import msgspec

from edgebox.bus import Bus
from edgebox.messages.support import (
    ASK_HELP,
    DESK_INFO,
    OPEN_SUPPORT,
    SUPPORT_ORDER,
    SUPPORT_SESSION,
    AskHelp,
    DeskInfo,
    HelpLink,
    JournalPart,
    Look,
    OpenSupport,
    Order,
    Outlook,
    ReadBundle,
    ReadJournal,
    Report,
    Restart,
    SupportSession,
)
from edgebox.messages.support_shell import (
    GRANT_SHELL,
    SHELL_DOWN,
    SHELL_UP,
    AskShell,
    GrantShell,
    OpenShell,
    ShellBytes,
    ShellOpened,
)
from edgebox.support.shell_papers import public_line
from edgebox.support.tunnel import Tunnel

ADDRESS = "/run/edgebox/bus.sock"
BOX = "box-1"
SERIAL = "AA"
QUESTIONS = {
    "who": "id -un",
    "groups": "id -Gn",
    "bus": "ls /run/edgebox",
    "keys": "ls /etc/edgebox/credentials",
    "kept": "ls /var/lib/edgebox",
    "panel": "timeout 3 bash -c 'echo > /dev/tcp/127.0.0.1/8080'",
    "links": "ip -brief address show lo",
    "journal": "journalctl --quiet --lines=1 --output=cat --unit=edgebox-bond.service",
    "restart": "systemctl --no-ask-password restart edgebox-media.service",
    "write": "touch /etc/x /usr/x /var/x",
    "device": "ls /dev/video0 /dev/snd /dev/sda",
    "root": "setpriv --reuid=0 id -u",
    "processes": "ps -C edgebox --no-headers -o pid | head -n 1",
}


class Technician:
    """One session."""

    def __init__(self, bus: Bus):
        self.bus = bus
        self.session = SupportSession(state="off")
        self.changed = asyncio.Event()

    async def take(self, session: SupportSession, keys: dict[str, str]) -> None:
        self.session = session
        self.changed.set()

    async def until(self, **wanted: Any) -> None:
        async with asyncio.timeout(20):
            while any(getattr(self.session, key) != value for key, value in wanted.items()):
                self.changed.clear()
                await self.changed.wait()

    async def order(self, deed: Any) -> Any:
        order = Order(session=self.session.id, serial=SERIAL, deed=deed)
        answer = await self.bus.request(SUPPORT_ORDER, order, timeout_s=30)
        return answer.result if isinstance(answer, Report) else answer

    async def instances(self) -> dict[str, str]:
        """Which process of each service runs."""
        outlook = await self.order(Look())
        assert isinstance(outlook, Outlook), outlook
        return {one.service: one.instance for one in outlook.services}

    async def begin(self) -> None:
        await self.bus.subscribe(SUPPORT_SESSION, self.take)
        await self.bus.connected.wait()
        link = await self.bus.request(ASK_HELP, AskHelp(), timeout_s=20)
        assert isinstance(link, HelpLink), link
        token = link.url.partition("#")[2]
        wish = OpenSupport(technician="Kari", serial=SERIAL, token=token)
        await self.bus.request(OPEN_SUPPORT, wish)
        await self.until(state="active")


async def shell(technician: Technician) -> dict[str, str]:
    """What the questions give, on the command line that the crew allowed."""
    await technician.order(AskShell())
    await technician.until(command_line="asked")
    wish = GrantShell(id=technician.session.id)
    await technician.bus.request(GRANT_SHELL, wish)
    await technician.until(command_line="granted")
    id_ = secrets.token_urlsafe(24)

    async def send(piece: ShellBytes) -> bool:
        return await technician.bus.publish(SHELL_DOWN, piece, tunnel=id_)

    async def take(piece: ShellBytes, keys: dict[str, str]) -> None:
        tunnel.receive(piece)

    tunnel = Tunnel(send, lambda: 1e6)
    await technician.bus.subscribe(SHELL_UP, take)
    carrying = asyncio.create_task(tunnel.run())
    key = asyncssh.generate_private_key("ssh-ed25519")
    opened = await technician.order(OpenShell(tunnel=id_, key=public_line(key)))
    assert isinstance(opened, ShellOpened), opened
    connection = await asyncssh.connect(
        opened.user,
        sock=tunnel.outer,
        config=None,
        username=opened.user,
        client_keys=[(key, asyncssh.import_certificate(opened.certificate))],
        known_hosts=([asyncssh.import_public_key(opened.host_key)], [], []),
        agent_path=None,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=None,
    )
    try:
        process = await connection.create_process(term_type="xterm", term_size=(200, 50))
        return {name: await ask(process, text) for name, text in QUESTIONS.items()}
    finally:
        connection.abort()
        await connection.wait_closed()
        await carrying


def addresses(bundle: bytes) -> str:
    """What the bundle says of the network."""
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        texts = [
            file.read().decode()
            for entry in archive.getmembers()
            if "addresses" in entry.name and (file := archive.extractfile(entry))
        ]
    return "\n".join(texts)


async def ask(process: Any, text: str) -> str:
    """What a command says, and how it ended."""
    mark = secrets.token_hex(8)
    # The terminal repeats what is typed: there the mark is in two pieces.
    typed = f"{mark[:8]}''{mark[8:]}"
    process.stdin.write(f"echo {typed}; {text}; echo =$?{typed}\n")
    seen = ""
    async with asyncio.timeout(15):
        while seen.count(mark) < 2:
            data = await process.stdout.read(4096)
            assert data, seen
            seen += data
    return seen.split(mark)[1].replace("\r\n", "\n").strip()


async def main() -> None:
    async with Bus(ADDRESS, "test", box=BOX) as bus:
        technician = Technician(bus)
        await bus.connected.wait()
        # The hub says where its desk is; nobody asks for it here.
        await bus.publish(DESK_INFO, DeskInfo(url="https://desk.test"))
        await technician.begin()
        before = await technician.instances()
        journal = await technician.order(ReadJournal(service="panel"))
        assert isinstance(journal, JournalPart), journal
        restarted = await technician.order(Restart(service="panel"))
        after = await technician.instances()
        bundle = await technician.order(ReadBundle())
        said = {
            "journal": [line.text for line in journal.lines],
            "of": sorted({line.service for line in journal.lines}),
            "missing": journal.missing,
            "restarted": msgspec.to_builtins(restarted),
            "new": [name for name in after if before.get(name) != after[name]],
            "addresses": addresses(bundle.data),
            "shell": await shell(technician),
        }
        await technician.until(command_line="off")
        sys.stdout.write(json.dumps(said))


asyncio.run(main())
