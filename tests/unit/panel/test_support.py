"""What the crew is shown of a technician: who, how long, what they do; never more than is true."""

from typing import Any

from msgspec.structs import replace

from edgebox.messages.services import ServiceStatus
from edgebox.messages.support import ChatLine, SupportSession
from edgebox.messages.support_call import CallStatus
from edgebox.panel.catalogue import compile_catalogue
from edgebox.panel.support import STALE_S, SupportDesk
from edgebox.panel.support_words import say_support
from edgebox.panel.words import Words, say_view
from tests.unit.panel.heard import Heard, idle, media

ACTIVE = SupportSession(
    state="active",
    id="s1",
    asked_by="crew",
    technician="Kari",
    serial="AA",
    left_s=1700.0,
    doing="restart",
    subject="vitals",
)


def say(desk: SupportDesk, now: float, *, away: bool = False) -> dict[str, Any]:
    words = Words("nb", compile_catalogue("nb").gettext)
    return say_support(desk.view(now, away=away), words.say)


def line(text: str, session: str = "s1") -> ChatLine:
    return ChatLine(session=session, by="technician", text=text, at_utc=0.0)


def test_who_how_long_and_what() -> None:
    desk = SupportDesk()
    desk.receive(ACTIVE, 100.0)
    said = say(desk, 100.0)
    assert (said["state"], said["title"]) == ("active", "Tekniker Kari er inne")
    assert said["doing"] == "starter en del på nytt (vitals)"
    assert said["left"] == "29 min igjen"
    assert say(desk, 115.0)["left"] == "29 min igjen"


def test_a_technician_who_asks_waits() -> None:
    desk = SupportDesk()
    desk.receive(replace(ACTIVE, state="asked", doing=None), 0.0)
    assert say(desk, 0.0)["state"] == "waits"
    desk.receive(replace(ACTIVE, state="asked", technician="", serial=""), 1.0)
    assert say(desk, 1.0)["state"] == "asked"


def test_a_session_nobody_confirms_is_not_known() -> None:
    desk = SupportDesk()
    desk.receive(ACTIVE, 0.0)
    assert desk.view(STALE_S + 1, away=False).state == "unsure"
    assert say(desk, STALE_S + 1)["doing"] == "Får ikke svar akkurat nå"


def test_a_service_that_died_holds_no_session() -> None:
    desk = SupportDesk()
    desk.receive(ACTIVE, 0.0)
    assert desk.view(1.0, away=True).state == "away"
    desk.forget()
    assert desk.view(1.0, away=False).state == "away"


def test_a_command_line_is_shown_whatever_else_is_done() -> None:
    desk = SupportDesk()
    desk.receive(replace(ACTIVE, command_line="asked", command_line_left_s=100.0), 0.0)
    said = say(desk, 0.0)
    assert (said["shell"], said["doing"]) == ("asked", "ber om kommandolinje")
    assert "Alt tas opp" in str(said["text"])
    desk.receive(replace(ACTIVE, command_line="open", command_line_left_s=500.0), 0.0)
    assert say(desk, 15.0)["doing"] == "KOMMANDOLINJE ÅPEN, 9 min"
    desk.receive(replace(ACTIVE, state="off", command_line="off"), 1.0)
    assert say(desk, 1.0)["shell"] == "none"


def test_where_the_link_went_is_said_while_it_waits() -> None:
    desk = SupportDesk()
    asked = SupportSession(state="asked", id="s1", asked_by="crew", texted="failed")
    desk.receive(asked, 0.0)
    assert str(say(desk, 0.0)["text"]).startswith("SMS til brukerstøtten ble ikke sendt: ring dem.")


def test_how_it_ended() -> None:
    desk = SupportDesk()
    desk.receive(SupportSession(state="off", ended="time"), 0.0)
    assert say(desk, 9e9)["text"] == "Tiden er ute. Ingen har tilgang."
    desk.receive(SupportSession(state="off"), 0.0)
    assert "30 minutter" in str(say(desk, 0.0)["text"])


def test_chat_is_of_this_session_and_short() -> None:
    desk = SupportDesk()
    desk.receive(ACTIVE, 0.0)
    for number in range(5):
        desk.receive_chat(line(f"hei {number}"))
    desk.receive_chat(line("fra en annen", "s0"))
    chat = desk.view(0.0, away=False).chat
    assert [text for _, text in chat] == ["hei 2", "hei 3", "hei 4"]
    desk.receive(replace(ACTIVE, id="s2"), 1.0)
    assert desk.view(1.0, away=False).chat == ()


def test_a_hostile_name_is_one_plain_line() -> None:
    desk = SupportDesk()
    desk.receive(replace(ACTIVE, technician="Ka\u202eri\n\x1b[2J"), 0.0)
    assert desk.view(0.0, away=False).technician.isprintable()


CALL = replace(ACTIVE, call="open")
TALKING = CallStatus(
    session="s1", state="connected", microphone=True, can_hear=True, can_speak=True
)


def test_a_call_stands_in_the_bar_with_the_microphone_as_media_says_it() -> None:
    desk = SupportDesk()
    desk.receive(replace(ACTIVE, call="asked"), 0.0)
    assert say(desk, 0.0)["title"] == "Tekniker Kari ringer"
    desk.receive(CALL, 1.0)
    desk.receive_call(replace(TALKING, state="connecting", microphone=False))
    said = say(desk, 1.0)
    assert (said["title"], said["doing"]) == ("SNAKKER MED TEKNIKER Kari", "kobler til")
    assert said["bar"] == "SNAKKER MED TEKNIKER"
    assert said["call"]["ready"] is False
    desk.receive_call(TALKING)
    said = say(desk, 1.0)
    assert (said["doing"], said["call"]["microphone"]) == ("MIKROFONEN ER ÅPEN", True)
    desk.receive_call(replace(TALKING, microphone=False))
    said = say(desk, 1.0)
    assert (said["doing"], said["call"]["ready"]) == ("mikrofonen er lukket", True)


def test_no_microphone_is_shown_open_that_media_does_not_say_is() -> None:
    desk = SupportDesk()
    desk.receive(CALL, 0.0)
    desk.receive_call(replace(TALKING, session="s0"))
    assert desk.view(0.0, away=False).call.microphone is False
    desk.receive_call(TALKING)
    assert desk.view(0.0, away=False).call.microphone is True
    desk.forget_call()
    assert desk.view(0.0, away=False).call.microphone is False
    assert say(desk, 0.0)["doing"] == "forbindelsen er brutt, kobler til igjen"
    desk.receive_call(TALKING)
    assert desk.view(0.0, away=True).call.state == "off"
    desk.receive(replace(CALL, state="off", call="off"), 1.0)
    assert desk.view(1.0, away=False).call.microphone is False


def test_a_crew_that_cannot_hear_or_speak_is_told() -> None:
    desk = SupportDesk()
    desk.receive(CALL, 0.0)
    desk.receive_call(replace(TALKING, microphone=False, can_hear=False))
    assert "Høyttaleren virker ikke" in str(say(desk, 0.0)["text"])
    desk.receive_call(replace(TALKING, microphone=False, can_speak=False))
    said = say(desk, 0.0)
    assert "Mikrofonen virker ikke" in str(said["text"])
    assert said["call"]["ready"] is False


def test_how_a_call_ended_is_said() -> None:
    desk = SupportDesk()
    desk.receive(replace(ACTIVE, call_ended="video"), 0.0)
    assert say(desk, 0.0)["text"] == "Samtalen er avsluttet fordi video startet."


def test_nobody_is_said_to_hear_nothing_while_the_technician_hears() -> None:
    heard = Heard().whole()
    heard.hear(ServiceStatus(service="support", instance="s", state="running", since_utc=0.0))
    heard.state.support.receive(CALL, heard.now)
    heard.state.support.receive_call(replace(TALKING, microphone=False))
    words = Words("nb", compile_catalogue("nb").gettext)
    assert say_view(heard.view(), words, heard.utc)["detail"] == "Ingen ser eller hører bilen."
    heard.state.support.receive_call(TALKING)
    assert heard.view().support.call.microphone
    heard.hear(media("stopped"), media("starting"))
    assert not heard.view().support.call.microphone
    heard.hear(media(), idle())
    heard.state.support.receive_call(TALKING)
    detail = say_view(heard.view(), words, heard.utc)["detail"]
    assert detail == "Teknikeren hører bilen nå. Ingen andre."
