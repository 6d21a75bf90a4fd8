"""When the position may leave the box, and how numbers are dialled."""

import pytest

from edgebox.config.vehicle import Sms
from edgebox.messages.base import Role
from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import Admitted, MediaSession
from edgebox.vehicle.audience import Audience
from edgebox.vehicle.service import international


def session(*roles: Role, state: str = "live", instance: str = "m1") -> MediaSession:
    people = tuple(Admitted(participant=role, role=role, name="") for role in roles)
    return MediaSession(
        id="s",
        state="live" if state == "live" else "idle",
        since_utc=0,
        instance=instance,
        cameras=(),
        sent=(),
        admitted=people,
    )


def media(state: str = "running", instance: str = "m1") -> ServiceStatus:
    stopped = state == "stopped"
    return ServiceStatus(
        service="media",
        instance=instance,
        state="stopped" if stopped else "running",
        since_utc=0,
    )


def heard(*messages: MediaSession | ServiceStatus) -> bool:
    audience = Audience()
    for message in messages:
        if isinstance(message, MediaSession):
            audience.receive_session(message)
        else:
            audience.receive_service(message)
    return audience.may_know_position


def test_pilot_in_a_live_session_may() -> None:
    assert heard(media(), session("doctor", "pilot"))


def test_nobody_else_may() -> None:
    assert not heard()
    assert not heard(media(), session("doctor", "observer", "interpreter", "bystander"))
    assert not heard(media(), session("technician"))
    assert not heard(media(), session("pilot", state="idle"))


def test_session_of_a_dead_media_is_none() -> None:
    assert not heard(session("pilot"))
    assert not heard(media(), session("pilot"), media("stopped"))
    assert not heard(media(instance="m2"), session("pilot"))
    panel = ServiceStatus(service="panel", instance="m1", state="running", since_utc=0)
    assert not heard(panel, session("pilot"))


@pytest.mark.parametrize(
    ("typed", "dialled"),
    [
        ("91234567", "+4791234567"),
        ("+4670123456", "+4670123456"),
        ("004670123456", "+4670123456"),
    ],
)
def test_number_gets_its_country(typed: str, dialled: str) -> None:
    assert international(typed, Sms()) == dialled
