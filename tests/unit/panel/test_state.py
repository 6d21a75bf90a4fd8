"""The panel's view of the box: what holds is shown, what is old is unknown."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from edgebox.messages.base import Fault
from edgebox.messages.selftest import Finding, SelfTest
from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import Sending
from edgebox.messages.vehicle import Modems
from edgebox.panel.hub_reach import BRIDGE_GRACE_S, DOUBLED_S, FRESH_S
from edgebox.panel.state import BOND_FRESH_S, MEDIA_GRACE_S
from tests.unit.panel.heard import (
    UTC,
    Heard,
    admitted,
    bond,
    camera,
    idle,
    invite,
    link,
    live,
    media,
    modem,
    participant,
    room,
    sound,
    watcher,
)

# Truth


def test_knows_nothing_before_the_broker_is_there() -> None:
    heard = Heard(connected=False)
    assert heard.view().truth == "unknown"
    assert heard.view().headline == "unknown"
    assert heard.codes() == ["broker-away"]
    assert [one.state for one in heard.view().cameras] == ["unknown", "unknown"]
    assert [(one.label, one.state) for one in heard.view().links] == [
        ("Telenor", "unknown"),
        ("b", "unknown"),
    ]


def test_whole_and_idle() -> None:
    view = Heard().whole().view()
    assert (view.screen, view.truth, view.headline) == ("idle", "known", "idle")
    assert view.notices == ()
    assert view.parts.video == view.parts.links == view.parts.hub == "good"
    assert view.preview == ""


def test_live_names_who_sees() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Kari"), watcher("Ola", "observer", "connecting"))))
    view = heard.view()
    assert (view.screen, view.headline) == ("live", "live-watched")
    assert [(one.name, one.role, one.state) for one in view.people] == [
        ("Kari", "doctor", "connected"),
        ("Ola", "observer", "connecting"),
    ]
    assert view.sending == ("Front", "Back")


def test_nobody_sees_while_watchers_only_connect() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Ola", state="connecting"),)))
    assert heard.view().headline == "live-unwatched"


def test_session_of_an_instance_that_died_is_no_session() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Kari"),)), media("stopped"))
    view = heard.view()
    assert (view.screen, view.truth, view.headline) == ("live", "starting", "restarting")
    assert view.people == ()
    assert view.sending == ()
    assert view.live_since_utc is None
    heard.hear(media("starting", "m2"))
    assert heard.view().headline == "restarting", "the session is still the dead instance's"
    heard.hear(live(instance="m2"))
    assert heard.view().headline == "live-unwatched"


def test_session_left_on_the_broker_waits_for_its_media() -> None:
    heard = Heard()
    heard.hear(live(watchers=(watcher("Kari"),)))
    assert heard.view().truth == "starting"
    assert heard.view().people == ()
    heard.hear(media(instance="m1"))
    assert heard.view().truth == "known"


def test_media_that_stays_away_is_missing() -> None:
    heard = Heard().whole()
    heard.hear(media("stopped"))
    heard.now = MEDIA_GRACE_S - 0.1
    assert heard.view().truth == "starting"
    heard.now = MEDIA_GRACE_S
    assert heard.view().truth == "missing"
    assert "video-missing" in heard.codes()
    heard.hear(media(instance="m2"), idle(instance="m2"))
    assert heard.view().truth == "known"


def test_lost_broker_makes_all_unknown_and_its_return_all_known() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Kari"),)), room(participant("Ola")))
    heard.now = 1.0
    heard.state.disconnect_broker(heard.now, heard.utc)
    view = heard.view()
    assert (view.truth, view.headline, view.screen) == ("unknown", "unknown", "live")
    assert view.people == view.guests == ()
    assert view.bond == view.hub == "unknown"
    assert [notice.since_utc for notice in view.notices] == [UTC + 1.0]
    assert view.preview == "front", "the preview comes straight from media and may still run"
    heard.state.connect_broker(heard.now)
    heard.hear(media(), live(watchers=(watcher("Kari"),)), bond(at_utc=heard.utc))
    assert heard.view().headline == "live-watched"


# Bond


def test_old_bond_report_is_unknown_not_repeated() -> None:
    heard = Heard().whole()
    heard.now = BOND_FRESH_S
    assert heard.view().bond == "up"
    heard.now = BOND_FRESH_S + 0.1
    view = heard.view()
    assert view.bond == "unknown"
    assert [(one.state, one.sent_bps) for one in view.links] == [("unknown", None)] * 2
    assert heard.codes() == ["bond-away"]
    heard.hear(bond(at_utc=heard.utc))
    assert heard.view().bond == "up"
    assert heard.view().links[0].sent_bps == 1_000_000


def test_bond_report_left_on_the_broker_is_not_news() -> None:
    heard = Heard()
    heard.hear(bond(at_utc=UTC - 5))
    assert heard.view().bond == "unknown"


def test_links_down_cut_the_picture_but_not_the_session() -> None:
    heard = Heard().whole()
    down = link("a", state="down", capacity_bps=0, sent_bps=0)
    heard.hear(live(watchers=(watcher("Kari"),)), bond(down, state="down", target_bps=0))
    view = heard.view()
    assert view.headline == "live-cut"
    assert [one.name for one in view.people] == ["Kari"]
    assert heard.codes() == ["bond-down"]


def test_silent_bond_makes_live_unsure() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Kari"),)))
    heard.now = BOND_FRESH_S + 0.1
    assert heard.view().headline == "live-unsure"


def test_who_fell_silent_is_sent_nothing() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Kari", state="lost"), watcher("Ola", "interpreter"))))
    assert heard.view().headline == "live-cut"
    heard.hear(live(watchers=(watcher("Kari", state="lost"), watcher("Ola"))))
    assert heard.view().headline == "live-watched"


def test_headline_is_who_sees_or_else_who_hears() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Ola", "interpreter"),)))
    assert heard.view().headline == "live-heard"
    heard.hear(live(watchers=(watcher("Ola", "interpreter"),), sound=sound(muted=True)))
    assert heard.view().headline == "live-unwatched"
    heard.hear(live(watchers=(watcher("Ola", "pilot"),)))
    assert heard.view().headline == "live-watched"


def test_hidden_pictures_are_the_headline_unless_nothing_comes_through_anyway() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Kari", sees=()),), hidden=True))
    assert (heard.view().headline, heard.view().hidden) == ("live-hidden", True)
    heard.hear(bond(link("a", state="down"), state="down"))
    assert heard.view().headline == "live-cut"


def test_level_and_reason_are_medias_word() -> None:
    heard = Heard().whole()
    low = Sending(level="few-frames", reason="capacity", since_utc=UTC, total_bps=250_000)
    heard.hear(live(sending=low, focus_by="Kari"))
    view = heard.view()
    assert (view.level, view.reason, view.focus_by) == ("few-frames", "capacity", "Kari")
    heard.hear(media("stopped"))
    assert (heard.view().level, heard.view().reason) == ("nothing", "")


# Sound


def test_sound_that_is_missing_is_a_notice_and_unconfigured_is_none() -> None:
    heard = Heard().whole()
    heard.hear(live(sound=sound("absent", "failed")))
    assert heard.codes() == ["microphone-absent", "loudspeaker-failed"]
    heard.hear(live(sound=sound("failed", "absent")))
    assert heard.codes() == ["microphone-failed", "loudspeaker-absent"]
    heard.hear(live(sound=sound("none", "none")))
    assert heard.codes() == []


def test_sound_is_unknown_with_media() -> None:
    heard = Heard().whole()
    heard.hear(live(sound=sound(muted=True)))
    shown = heard.view().sound
    assert shown is not None
    assert shown.muted
    heard.hear(media("stopped"))
    assert heard.view().sound is None


# Modems


def test_link_shows_operator_and_generation_of_its_modem() -> None:
    heard = Heard().whole()
    heard.state.receive_modems(Modems(modems=(modem(), modem("b", operator="", generation="4G"))))
    assert [(one.label, one.generation) for one in heard.view().links] == [
        ("Telenor N", "5G"),
        ("b", "4G"),
    ]


def test_modems_are_unknown_once_their_service_has_stopped() -> None:
    heard = Heard().whole()
    heard.state.receive_modems(Modems(modems=(modem(),)))
    stopped = ServiceStatus(service="vehicle", instance="v", state="stopped", since_utc=UTC)
    heard.hear(stopped)
    assert [one.generation for one in heard.view().links] == ["", ""]
    heard.state.receive_modems(Modems(modems=(modem(),)))
    assert [one.generation for one in heard.view().links] == ["", ""], "left on the broker"


def test_locked_sim_card_is_named() -> None:
    heard = Heard().whole()
    heard.state.receive_modems(Modems(modems=(modem(state="locked"),)))
    assert [(n.code, n.subject) for n in heard.view().notices] == [("sim-locked", "a")]


# Cameras


def test_missing_camera_is_named_and_the_others_go_on() -> None:
    heard = Heard().whole()
    cameras = (camera("front", "absent"), camera("back", "live", kind="rtsp"))
    heard.hear(live(cameras=cameras))
    view = heard.view()
    assert view.sending == ("Back",)
    assert view.preview == "back", "what is shown is what is sent"
    assert [(n.code, n.subject, n.kind) for n in view.notices] == [
        ("camera-absent", "Front", "v4l2")
    ]
    assert view.parts.video == "warn"


def test_choice_while_idle_is_kept_until_it_was_sent() -> None:
    heard = Heard().whole()
    assert heard.state.selection(0.0) == ("front", "back"), "at first all"
    wanted = heard.state.selection_after("front", "hide", 0.0)
    assert wanted == ("back",)
    assert isinstance(wanted, tuple)
    heard.state.choose(wanted, 0.0)
    heard.hear(media(instance="m2"), idle(instance="m2"))
    assert heard.state.selection(100.0) == ("back",), "a restart of media does not undo it"
    assert [(one.sent, one.main) for one in heard.view().cameras] == [(False, False), (True, True)]
    heard.hear(live("back"), idle(id="s2"))
    assert heard.state.selection(200.0) == ("back",), "as last time"


def test_operations_on_cameras() -> None:
    heard = Heard().whole()
    after: Callable[..., object] = heard.state.selection_after
    assert after("back", "main", 0.0) == ("back", "front")
    assert after("front", "send", 0.0) == ("front", "back")
    assert after("nobody", "send", 0.0) == Fault(reason="not-found")
    heard.state.choose(("front",), 0.0)
    assert after("front", "hide", 0.0) == Fault(reason="invalid")
    assert after("back", "main", 0.0) == ("back", "front"), "main is sent as well"


def test_second_tap_builds_on_the_first_before_media_has_spoken() -> None:
    heard = Heard().whole()
    heard.hear(live("front"))
    heard.state.choose(("front", "back"), 0.0)
    assert heard.state.selection_after("back", "main", 0.1) == ("back", "front")
    assert heard.view().sending == ("Front",), "shown is what media says"
    assert heard.state.selection(10.0) == ("front",), "media never did it"


# People


def test_who_is_not_let_in_waits() -> None:
    heard = Heard().whole()
    heard.hear(
        live(watchers=(watcher("Kari"),), admitted=(admitted("Kari"),)),
        room(participant("Kari"), participant("Ola", "interpreter")),
    )
    assert [one.name for one in heard.view().guests] == ["Ola"]
    assert heard.state.guest("idOla", "interpreter", heard.now) is not None
    assert heard.state.guest("idOla", "doctor", heard.now) is None
    heard.hear(media("stopped"))
    assert heard.state.guest("idOla", "interpreter", heard.now) is None


def test_room_of_another_session_says_nothing() -> None:
    heard = Heard().whole()
    heard.hear(room(participant("Kari"), session="s0"))
    assert heard.view().guests == ()


def test_room_is_unknown_while_the_hub_is_away() -> None:
    heard = Heard().whole()
    heard.hear(room(participant("Kari")))
    assert [one.name for one in heard.view().guests] == ["Kari"]
    heard.now = 10.0
    heard.state.receive_bridge(up=False, now_utc=heard.utc)
    assert heard.view().guests == ()


# Hub


def test_hub_is_away_since_its_bridge_went() -> None:
    heard = Heard().whole()
    heard.now = 20.0
    heard.hear_hub()
    heard.hear(bond(at_utc=heard.utc))
    heard.state.receive_bridge(up=False, now_utc=heard.utc + 1)
    view = heard.view()
    assert view.hub == "away"
    assert [(notice.code, notice.since_utc) for notice in view.notices] == [("hub-away", UTC + 20)]
    assert view.parts.hub_since_utc == UTC + 20
    heard.hear_hub()
    assert heard.view().hub == "up"


def test_hub_that_does_not_answer_is_away_although_the_bridge_stands() -> None:
    heard = Heard().whole()
    heard.now = FRESH_S
    assert heard.view().hub == "up"
    heard.now = FRESH_S + 0.1
    heard.hear(bond(at_utc=heard.utc))
    assert heard.view().hub == "away"
    assert heard.view().parts.hub_since_utc == UTC


def test_bridge_may_first_say_no_after_a_start() -> None:
    heard = Heard()
    heard.state.receive_bridge(up=False, now_utc=UTC)
    heard.now = BRIDGE_GRACE_S
    assert heard.view().hub == "unknown"
    heard.now = BRIDGE_GRACE_S + 0.1
    assert heard.view().hub == "away"


def test_one_cause_gives_one_notice() -> None:
    heard = Heard().whole()
    heard.now = 20.0
    heard.state.receive_bridge(up=False, now_utc=heard.utc)
    heard.hear(bond(link("a", state="down"), state="down", at_utc=heard.utc))
    assert heard.codes() == ["bond-down"]
    assert heard.view().parts.hub == "fault"


def test_other_services_that_stopped_are_named() -> None:
    heard = Heard().whole()
    heard.hear(ServiceStatus(service="vitals", instance="v", state="stopped", since_utc=UTC))
    assert [(n.code, n.subject, n.grade) for n in heard.view().notices] == [
        ("service-stopped", "vitals", "warn")
    ]


# Invitation


def test_invitation_is_open_then_used_and_stays_used() -> None:
    heard = Heard().whole()
    heard.hear(room(participant("Earlier")))
    heard.state.receive_invite(invite(), "s1")
    first = heard.view().invite
    assert first is not None
    assert first.state == "open"
    heard.hear(room(participant("Earlier"), participant("Pilot", "pilot")))
    assert heard.view().invite == first, "somebody else came"
    heard.hear(room(participant("Earlier"), participant("Kari")))
    used = heard.view().invite
    assert used is not None
    assert (used.state, used.used_by) == ("used", "Kari")
    heard.hear(room())
    assert heard.view().invite == used


def test_invitation_expires() -> None:
    heard = Heard().whole()
    heard.state.receive_invite(invite(expires_utc=UTC + 60), "s1")
    heard.now = 60.0
    made = heard.view().invite
    assert made is not None
    assert made.state == "expired"


def test_invitation_of_an_ended_session_is_void() -> None:
    heard = Heard().whole()
    heard.state.receive_invite(invite(), "s1")
    heard.hear(idle(id="s2"))
    made = heard.view().invite
    assert made is not None
    assert made.state == "void"


def test_view_holds_no_link() -> None:
    heard = Heard().whole()
    heard.state.receive_invite(invite(), "s1")
    assert "secret" not in repr(heard.view())
    made = heard.view().invite
    assert made is not None
    assert heard.state.invite_url(made.id) == invite().url
    assert heard.state.invite_url("another") is None


# Whatever comes, in whatever order

EVENTS = st.sampled_from(
    [
        lambda h: h.hear(media()),
        lambda h: h.hear(media("stopped")),
        lambda h: h.hear(media(instance="m2")),
        lambda h: h.hear(idle()),
        lambda h: h.hear(idle(cameras=(), sent=("gone",))),
        lambda h: h.hear(live(watchers=(watcher("Kari"),))),
        lambda h: h.hear(live("back", instance="m2")),
        lambda h: h.hear(live(cameras=(), sent=())),
        lambda h: h.hear(bond(at_utc=h.utc)),
        lambda h: h.hear(bond(link("x", state="absent"), state="down", at_utc=h.utc)),
        lambda h: h.hear(room(participant("Kari"), participant("Ola"))),
        lambda h: h.hear_hub(),
        lambda h: h.state.receive_bridge(up=False, now_utc=h.utc),
        lambda h: h.state.disconnect_broker(h.now, h.utc),
        lambda h: h.state.connect_broker(h.now),
        lambda h: h.state.choose(("back",), h.now),
        lambda h: h.state.receive_invite(invite(), "s1"),
        lambda h: h.hear(live(admitted=(admitted("Ola"),), hidden=True, sound=sound("absent"))),
        lambda h: h.state.receive_modems(Modems(modems=(modem(state="locked"),))),
        lambda h: h.pass_time(0.5),
        lambda h: h.pass_time(20.0),
    ]
)


@given(st.lists(EVENTS, max_size=25))
def test_names_nobody_and_sends_nothing_unless_it_is_known(
    events: list[Callable[[Heard], None]],
) -> None:
    heard = Heard()
    for event in events:
        event(heard)
        view = heard.view()
        if view.truth != "known":
            assert view.people == view.guests == ()
            assert view.sound is None
        if view.truth != "known" or view.screen == "idle":
            assert not any(one.sees or one.hears for one in view.people)
            assert view.sending == ()
            assert view.level == "nothing"
            assert view.live_since_utc is None
        if view.hub != "up":
            assert view.guests == ()
        if view.truth == "unknown":
            assert view.bond == view.hub == "unknown"
        if view.bond == "unknown":
            assert all(one.sent_bps is None for one in view.links)
        assert sum(one.main for one in view.cameras) <= 1
        assert all(one.sent for one in view.cameras if one.main)
        assert view == heard.view(), "looking changes nothing"


def test_box_that_nobody_has_enrolled_is_one_notice() -> None:
    heard = Heard()
    heard.hear(media(), idle())
    heard.now = BOND_FRESH_S + FRESH_S
    assert heard.codes() == ["bond-away", "hub-away"]
    heard.state.receive_self_test(
        SelfTest(
            id="t",
            state="done",
            reason="boot",
            started_utc=UTC,
            findings=(
                Finding(
                    check="certificate",
                    grade="fault",
                    code="certificate.not-enrolled",
                    at_utc=UTC,
                ),
            ),
        )
    )
    assert heard.codes() == ["not-enrolled"]
    heard.hear(bond(at_utc=heard.utc))
    heard.hear_hub()
    assert heard.codes() == [], "an older test says nothing of a bond that is there"


def test_second_box_with_this_identity_is_said_while_the_hub_is_heard_by_turns() -> None:
    heard = Heard().whole()
    heard.state.receive_hub(heard.now, heard.utc, doubled=True)
    assert heard.codes() == ["doubled"]
    heard.state.receive_bridge(up=False, now_utc=heard.utc)
    heard.now = BRIDGE_GRACE_S + 1
    heard.hear(bond(at_utc=heard.utc))
    assert heard.codes() == ["doubled"], "one cause, one notice"
    heard.now = DOUBLED_S + 1
    heard.hear(bond(at_utc=heard.utc))
    assert heard.codes() == ["hub-away"]
