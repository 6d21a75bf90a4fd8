"""What the hub's service says when it cannot start."""

import socket
from pathlib import Path

import msgspec
import pytest

from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.errors import ConfigError, DeviceError
from edgebox.hub.service import run
from edgebox.sim.ports import free_port
from tests.conftest import Broker


def _config(broker: Broker, directory: Path) -> Config:
    (directory / "secret").write_text("x")
    hub = Hub(
        listen=f"127.0.0.1:{free_port()}",
        bus=broker.address,
        database=f"sqlite:///{directory}/hub.db",
        turn_secret="secret",
    )
    return Config(hub=hub, directory=str(directory))


async def test_port_in_use_is_one_line(broker: Broker, tmp_path: Path) -> None:
    config = _config(broker, tmp_path)
    host, _, port = config.hub.listen.rpartition(":")
    with socket.socket() as other:
        other.bind((host, int(port)))
        other.listen()
        with pytest.raises(DeviceError, match=rf"hub.listen 127.0.0.1:{port}: .*in use"):
            await run(config)


async def test_missing_secret_is_one_line(broker: Broker, tmp_path: Path) -> None:
    config = _config(broker, tmp_path)
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match="secret"):
        await run(config)


@pytest.mark.parametrize("url", ["nonsense", "sqlite+nothing:///x", "absent://x"])
async def test_database_of_no_known_kind_is_one_line(
    broker: Broker, tmp_path: Path, url: str
) -> None:
    config = _config(broker, tmp_path)
    hub = msgspec.structs.replace(config.hub, database=url)
    with pytest.raises(ConfigError, match=r"hub.database: "):
        await run(msgspec.structs.replace(config, hub=hub))


async def test_database_that_cannot_be_opened_is_one_line(broker: Broker, tmp_path: Path) -> None:
    config = _config(broker, tmp_path)
    hub = msgspec.structs.replace(config.hub, database=f"sqlite:///{tmp_path}/absent/hub.db")
    with pytest.raises(DeviceError, match=r"hub.database .*unable to open"):
        await run(msgspec.structs.replace(config, hub=hub))
