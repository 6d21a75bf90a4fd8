"""Each address of the panel, and everything it refuses."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from edgebox.config import Config
from edgebox.config.panel import Panel
from edgebox.config.vehicle import Sms
from edgebox.errors import ConfigError
from edgebox.messages.base import Done, Fault, Role
from edgebox.messages.pairing import PresenceCode
from edgebox.messages.room import Invite
from edgebox.messages.support import HelpLink
from edgebox.messages.support_call import Talk
from edgebox.panel.app import create_app
from edgebox.panel.feed import CLIENTS_MAX, Feed
from edgebox.panel.guard import BODY_MAX, require_loopback
from edgebox.panel.state import Operation
from edgebox.panel.view import invite_id
from tests.unit.panel.heard import CONFIG, Heard, invite, live, watcher

ORIGIN = "http://127.0.0.1:8080"
POSTS = (
    "/start",
    "/stop",
    "/cameras",
    "/hide",
    "/mute",
    "/admit",
    "/refuse",
    "/mute-guest",
    "/invite",
    "/sms",
    "/language",
    "/theme",
    "/cues",
)


class StandInActions:
    """Answers as told and writes down what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | bool, ...]] = []
        self.answer: Done | Fault = Done()

    def start(self) -> Done | Fault:
        self.asked.append(("start",))
        return self.answer

    def stop(self) -> Done | Fault:
        self.asked.append(("stop",))
        return self.answer

    def change_camera(self, camera: str, operation: Operation) -> Done | Fault:
        self.asked.append((camera, operation))
        return self.answer

    def hide(self, hidden: bool) -> Done | Fault:
        self.asked.append(("hide", hidden))
        return self.answer

    def mute(self, muted: bool) -> Done | Fault:
        self.asked.append(("mute", muted))
        return self.answer

    def admit(self, participant: str, role: Role) -> Done | Fault:
        self.asked.append(("admit", participant, role))
        return self.answer

    def ask_help(self) -> HelpLink | Fault:
        self.asked.append(("help",))
        if isinstance(self.answer, Fault):
            return self.answer
        return HelpLink(id="s1", url="https://desk.test/desk/join/b1#secret", left_s=900.0)

    def admit_technician(self, id_: str, serial: str) -> Done | Fault:
        self.asked.append(("admit-technician", id_, serial))
        return self.answer

    def end_help(self) -> Done | Fault:
        self.asked.append(("end-help",))
        return self.answer

    def allow_command_line(self, id_: str) -> Done | Fault:
        self.asked.append(("allow-command-line", id_))
        return self.answer

    def end_command_line(self) -> Done | Fault:
        self.asked.append(("end-command-line",))
        return self.answer

    def allow_still(self, id_: str, serial: str, camera: str) -> Done | Fault:
        self.asked.append(("allow-still", id_, serial, camera))
        return self.answer

    def refuse_still(self) -> Done | Fault:
        self.asked.append(("refuse-still",))
        return self.answer

    def take_call(self, id_: str) -> Done | Fault:
        self.asked.append(("take-call", id_))
        return self.answer

    def hang_up(self) -> Done | Fault:
        self.asked.append(("hang-up",))
        return self.answer

    def talk(self, said: Talk) -> Done | Fault:
        self.asked.append(("talk", said.session, said.press, said.held))
        return self.answer

    def say_to_technician(self, text: str) -> Done | Fault:
        self.asked.append(("say", text))
        return self.answer

    def refuse(self, participant: str) -> Done | Fault:
        self.asked.append(("refuse", participant))
        return self.answer

    def mute_guest(self, participant: str, muted: bool) -> Done | Fault:
        self.asked.append(("mute-guest", participant, muted))
        return self.answer

    def self_test(self) -> Done | Fault:
        self.asked.append(("self-test",))
        return self.answer

    def send_invite(self, id_: str, phone: str) -> Done | Fault:
        self.asked.append(("sms", id_, phone))
        return self.answer

    def invite(self, role: Role) -> Invite | Fault:
        self.asked.append(("invite", role))
        return self.answer if isinstance(self.answer, Fault) else invite(role)

    def headset_code(self) -> PresenceCode | Fault:
        self.asked.append(("headset-code",))
        if isinstance(self.answer, Fault):
            return self.answer
        return PresenceCode(text="EDGE2:box-1:secret", seconds_left=12.5)

    def allow_headset(self, device: str, digits: str) -> Done | Fault:
        self.asked.append(("allow-headset", device, digits))
        return self.answer

    def end_headset(self, device: str) -> Done | Fault:
        self.asked.append(("end-headset", device))
        return self.answer

    def alive(self) -> bool:
        return isinstance(self.answer, Done)


class Pages:
    """The application with a client that behaves like the panel's own page."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.heard = Heard().whole()
        self.feed = Feed(self.heard.view())
        self.actions = StandInActions()
        self.app = create_app(config, self.feed, self.actions)
        self.client: FlaskClient = self.app.test_client()

    def get(self, path: str, **headers: str) -> Any:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, base_url=ORIGIN, headers=headers)

    def post(self, path: str, body: object, **headers: str) -> Any:
        headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.client.post(
            path,
            base_url=ORIGIN,
            data=body if isinstance(body, bytes) else json.dumps(body),
            content_type=headers.pop("Content-Type", "application/json"),
            headers=headers,
        )


@pytest.fixture
def pages() -> Iterator[Pages]:
    one = Pages()
    yield one
    one.feed.close()


# What is served


def test_page_holds_the_state_it_is_shown_with(pages: Pages) -> None:
    pages.heard.hear(live(watchers=(watcher("Kari <b>"),)))
    pages.feed.publish(pages.heard.view())
    text = pages.get("/").get_data(as_text=True)
    found = re.search(r'<script type="application/json" id="page">(.*?)</script>', text)
    assert found
    page = json.loads(found.group(1))
    assert page["state"]["screen"] == "live"
    assert page["state"]["groups"][0]["people"][0]["name"] == "Kari <b>"
    assert "Kari <b>" not in text
    assert page["preview"] == "http://127.0.0.1:8081/whep/"
    assert page["guest"] == "http://127.0.0.1:8081/guest/"


def test_page_runs_its_own_files_only(pages: Pages) -> None:
    answer = pages.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self' http://127.0.0.1:8081;" in policy
    assert "unsafe" not in policy
    text = answer.get_data(as_text=True)
    assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:|https?://(?!127\.0\.0\.1)", text)


@pytest.mark.parametrize("path", ["/", "/status", "/static/main.js", "/nothing"])
def test_nothing_is_stored_or_framed(pages: Pages, path: str) -> None:
    with pages.get(path) as answer:
        headers = answer.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_status_is_the_latest(pages: Pages) -> None:
    assert pages.get("/status").json["screen"] == "idle"
    pages.heard.hear(live())
    pages.feed.publish(pages.heard.view())
    assert pages.get("/status").json["screen"] == "live"


def test_stream_sends_the_state_then_each_change(pages: Pages) -> None:
    with pages.client.get("/events", base_url=ORIGIN, buffered=False) as answer:
        events: Iterator[Any] = iter(answer.response)
        assert json.loads(next(events)[6:])["screen"] == "idle"
        assert next(events).startswith(b'event: marks\ndata: [{"kind":"wipe"')
        pages.heard.hear(live())
        pages.feed.publish(pages.heard.view())
        assert json.loads(next(events)[6:])["screen"] == "live"
        assert next(events) == b"event: beat\ndata:\n\n"
        pages.feed.close()
        assert list(events) == []


def test_streams_are_limited_and_their_places_come_back(pages: Pages) -> None:
    streams = [pages.client.get("/events", base_url=ORIGIN) for _ in range(CLIENTS_MAX)]
    refused = pages.get("/events")
    assert refused.status_code == 503
    assert refused.get_data(as_text=True) == "Panelet er åpent på for mange skjermer.\n"
    assert pages.get("/status").status_code == 200
    streams[0].close()  # its generator has not even begun
    with pages.get("/events") as again:
        assert again.status_code == 200
    for stream in streams:
        stream.close()


# What a tap does


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("/start", {}, ("start",)),
        ("/stop", {}, ("stop",)),
        ("/cameras", {"camera": "front", "operation": "main"}, ("front", "main")),
        ("/hide", {"hidden": True}, ("hide", True)),
        ("/mute", {"muted": False}, ("mute", False)),
        ("/admit", {"participant": "p1", "role": "doctor"}, ("admit", "p1", "doctor")),
        ("/refuse", {"participant": "p1"}, ("refuse", "p1")),
        ("/mute-guest", {"participant": "p1", "muted": True}, ("mute-guest", "p1", True)),
        ("/invite", {"role": "doctor"}, ("invite", "doctor")),
        ("/sms", {"id": "a1", "phone": "+4791234567"}, ("sms", "a1", "+4791234567")),
    ],
)
def test_tap_is_asked_and_answered(
    pages: Pages, path: str, body: object, asked: tuple[str | bool, ...]
) -> None:
    assert pages.post(path, body).json["text"] == ""
    assert pages.actions.asked == [asked]
    pages.actions.answer = Fault(reason="busy", text="internal detail")
    text = pages.post(path, body).json["text"]
    assert text.endswith("Boksen er opptatt. Prøv igjen om litt.")
    assert "internal" not in text


def test_invitation_answers_link_and_code_to_who_asked_only(pages: Pages) -> None:
    answer = pages.post("/invite", {"role": "doctor"}).json
    assert answer["url"] == invite().url
    assert answer["path"].startswith("M")
    assert answer["id"] == invite_id(answer["url"])
    pages.heard.state.receive_invite(invite(), "s1")
    pages.feed.publish(pages.heard.view())
    status = pages.get("/status").get_data(as_text=True)
    assert answer["id"] in status
    assert "secret" not in status


def test_technician_is_not_invited_here(pages: Pages) -> None:
    assert "ikke tillatt" in pages.post("/invite", {"role": "technician"}).json["text"]
    assert pages.actions.asked == []


@pytest.mark.parametrize("phone", ["", "113", "+", "47 123", "++4791234567", "9" * 16, "911\n2222"])
def test_number_is_digits_only(pages: Pages, phone: str) -> None:
    assert pages.post("/sms", {"id": "a1", "phone": phone}).status_code == 400
    assert pages.actions.asked == []


def test_sms_is_offered_where_it_is_set_up() -> None:
    assert "invite-sms" not in Pages(Config()).get("/").get_data(as_text=True)
    for by in ("modem", "gateway"):
        config = Config(sms=Sms(by=by))
        assert "invite-sms" in Pages(config).get("/").get_data(as_text=True)


def test_cues_are_on_at_the_start_of_a_shift(pages: Pages) -> None:
    assert 'data-cues="on"' in pages.get("/").get_data(as_text=True)
    assert "Max-Age=43200" in pages.post("/cues", {"on": False}).headers["Set-Cookie"]
    assert 'data-cues="off"' in pages.get("/").get_data(as_text=True)


def test_language_is_kept(pages: Pages) -> None:
    assert '<html lang="nb"' in pages.get("/").get_data(as_text=True)
    assert pages.post("/language", {"language": "en"}).status_code == 204
    assert '<html lang="en"' in pages.get("/").get_data(as_text=True)
    assert pages.get("/status").json["title"] == "Ready"


def test_theme_is_kept_for_a_shift(pages: Pages) -> None:
    assert 'data-chosen="auto"' in pages.get("/").get_data(as_text=True)
    answer = pages.post("/theme", {"theme": "night"})
    assert "Max-Age=43200" in answer.headers["Set-Cookie"]
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]
    text = pages.get("/").get_data(as_text=True)
    assert 'data-theme="night" data-chosen="night"' in text


def test_unknown_cookies_fall_back_to_the_configuration() -> None:
    pages = Pages(Config(panel=Panel(theme="night", language="en")))
    pages.client.set_cookie("panel-language", "../xx", domain="127.0.0.1")
    pages.client.set_cookie("panel-theme", "pink", domain="127.0.0.1")
    assert '<html lang="en" data-theme="night"' in pages.get("/").get_data(as_text=True)


def test_alive_says_whether_the_loop_answers(pages: Pages) -> None:
    assert pages.get("/alive").status_code == 204
    pages.actions.answer = Fault(reason="unreachable")
    assert pages.get("/alive").status_code == 503


# What is refused


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost:8080", "", "127.0.0.1:8080x"]
)
def test_foreign_host_name_is_refused(pages: Pages, host: str) -> None:
    for path in ("/", "/status", "/events", "/static/main.js"):
        answer = pages.get(path, Host=host)
        assert answer.status_code == 421, path
        assert "Ambulance" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", POSTS)
def test_only_the_panels_own_page_changes_anything(pages: Pages, path: str) -> None:
    body = {"role": "doctor"}
    foreign = ("http://evil.example", "null", "", "http://127.0.0.1:8081", f"{ORIGIN}.example")
    for origin in foreign:
        assert pages.post(path, body, Origin=origin).status_code == 403
    for site in ("cross-site", "same-site", "none"):
        assert pages.post(path, body, Sec_Fetch_Site=site).status_code == 403
    naked = pages.client.post(path, base_url=ORIGIN, json=body)
    assert naked.status_code == 403, "no origin at all"
    assert pages.actions.asked == []


def test_other_pages_cannot_take_the_streams(pages: Pages) -> None:
    for site in ("cross-site", "same-site"):
        for path in ("/events", "/status", "/static/main.js"):
            assert pages.get(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="cors").status_code == 403
        opened = pages.get("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")
        assert opened.status_code == 200, "a person followed a link"


@pytest.mark.parametrize("path", POSTS)
def test_reading_changes_nothing(pages: Pages, path: str) -> None:
    assert pages.get(path).status_code == 405
    assert pages.actions.asked == []


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 400),
        (b"\xff\xfe", 400),
        (b'{"camera": "\xff", "role": "\xff", "language": "\xff"}', 400),
        (b"[" * 2000, 400),
        (b'{"role": 1}', 400),
        (b'{"unknown": "key"}', 400),
        (b"x" * (BODY_MAX + 1), 413),
    ],
)
def test_garbage_gets_one_clear_sentence(pages: Pages, path: str, body: bytes, code: int) -> None:
    answer = pages.post(path, body)
    assert answer.status_code == code
    assert answer.mimetype == "text/plain"
    assert answer.get_data(as_text=True).count("\n") == 1
    assert pages.actions.asked == []


def test_form_is_refused(pages: Pages) -> None:
    answer = pages.post("/start", b"{}", **{"Content-Type": "text/plain"})
    assert answer.status_code == 415


@given(st.sampled_from(POSTS), st.binary(max_size=200) | st.text().map(lambda t: t.encode()))
def test_any_body_is_done_or_refused(path: str, body: bytes) -> None:
    answer = SHARED.post(path, body)
    assert answer.status_code in {200, 204, 400}


SHARED = Pages()


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "10.0.0.2:8080", "panel.local:80", "[::]:80"])
def test_listener_must_be_on_loopback(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"panel\.listen"):
        require_loopback(Config(panel=Panel(listen=listen)))


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "127.3.2.1:80", "[::1]:8080"])
def test_loopback_is_fine(listen: str) -> None:
    require_loopback(Config(panel=Panel(listen=listen)))


def test_technical_help_is_asked_for_granted_and_ended(pages: Pages) -> None:
    answer = pages.post("/support/ask", {}).get_json()
    assert answer["url"] == "https://desk.test/desk/join/b1#secret"
    assert answer["path"].startswith("M")
    admit = {"id": "s1", "serial": "AB12"}
    assert pages.post("/support/admit", admit).get_json() == {"text": ""}
    assert pages.post("/support/say", {"reply": "wait"}).get_json() == {"text": ""}
    assert pages.post("/support/end", {}).get_json() == {"text": ""}
    assert pages.actions.asked == [
        ("help",),
        ("admit-technician", "s1", "AB12"),
        ("say", "Vent litt"),
        ("end-help",),
    ]


def test_a_command_line_is_allowed_and_ended(pages: Pages) -> None:
    assert pages.post("/support/shell/allow", {"id": "s1"}).get_json() == {"text": ""}
    assert pages.post("/support/shell/end", {}).get_json() == {"text": ""}
    assert pages.actions.asked == [("allow-command-line", "s1"), ("end-command-line",)]
    pages.actions.answer = Fault(reason="not-found")
    for path, body in (("allow", {"id": "s1"}), ("end", {})):
        assert pages.post(f"/support/shell/{path}", body).get_json()["text"]


def test_a_call_is_taken_talked_in_and_ended(pages: Pages) -> None:
    press = "0123456789abcdef"
    for path, body in (
        ("call/take", {"id": "s1"}),
        ("talk", {"id": "s1", "press": press, "held": True}),
        ("talk", {"id": "s1", "press": press, "held": False}),
        ("call/end", {}),
    ):
        assert pages.post(f"/support/{path}", body).get_json() == {"text": ""}
    assert pages.actions.asked == [
        ("take-call", "s1"),
        ("talk", "s1", press, True),
        ("talk", "s1", press, False),
        ("hang-up",),
    ]
    pages.actions.answer = Fault(reason="refused", text="video-on")
    said = pages.post("/support/call/take", {"id": "s1"}).get_json()["text"]
    assert said.endswith("Video er på: skriv i stedet.")


def test_technical_help_takes_nothing_else(pages: Pages) -> None:
    for path, body in (
        ("/support/admit", {"id": "s1", "serial": "nobody"}),
        ("/support/say", {"reply": "anything"}),
        ("/support/end", {"now": True}),
        ("/support/shell/allow", {}),
        ("/support/shell/end", {"id": "s1"}),
        ("/support/call/take", {}),
        ("/support/call/end", {"id": "s1"}),
        ("/support/talk", {"id": "s1", "press": "x", "held": True}),
        ("/support/talk", {"id": "s1", "press": "0123456789abcdef", "held": "yes"}),
        ("/support/talk", {"press": "0123456789abcdef", "held": True}),
    ):
        assert pages.post(path, body).status_code == 400
    assert pages.actions.asked == []


def test_technical_help_that_fails_says_so(pages: Pages) -> None:
    pages.actions.answer = Fault(reason="timeout")
    for path in ("/support/ask", "/support/end"):
        assert pages.post(path, {}).get_json()["text"]


def test_headset_code_is_in_the_answer_and_nowhere_else(pages: Pages) -> None:
    answer = pages.post("/headset/code", {}).get_json()
    assert (answer["text"], answer["seconds"]) == ("", 12.5)
    assert answer["path"].startswith("M")
    assert "secret" not in str(answer)


def test_headset_let_in_and_sent_away(pages: Pages) -> None:
    device = "a" * 32
    pages.post("/headset/allow", {"device": device, "digits": "47"})
    pages.post("/headset/end", {"device": device})
    assert pages.actions.asked == [("allow-headset", device, "47"), ("end-headset", device)]
    for bad in ({"device": "x", "digits": "47"}, {"device": device, "digits": "4"}):
        assert pages.post("/headset/allow", bad).status_code == 400
