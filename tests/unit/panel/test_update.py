"""The one line on the box's software: true, and nothing anybody has to do."""

import edgebox
from edgebox.messages.services import ServiceStatus
from edgebox.messages.update import State, UpdateStatus
from edgebox.panel.catalogue import compile_catalogue
from edgebox.panel.update import UpdateView
from edgebox.panel.update_words import say_update
from edgebox.panel.words import Words
from tests.unit.panel.heard import Heard

NB = Words("nb", compile_catalogue("nb").gettext)


def status(state: State) -> UpdateStatus:
    return UpdateStatus(version="1.0.0", state=state, since_utc=0.0, next_version="1.1.0")


def said(heard: Heard) -> dict[str, str]:
    return say_update(heard.view().update, NB)


def service(heard: Heard, state: str) -> None:
    one = ServiceStatus(service="update", instance="i", state=state, since_utc=0.0)  # type: ignore[arg-type]
    heard.state.receive_service(one, heard.now)


def test_it_says_what_runs_and_what_comes() -> None:
    heard = Heard()
    assert said(heard) == {"version": f"Programvare {edgebox.__version__}.", "text": ""}
    heard.state.connect_broker(heard.now)
    service(heard, "running")
    heard.state.receive_update(status("installed"))
    assert said(heard)["version"] == "Programvare 1.0.0."
    assert "1.1.0, er klar" in said(heard)["text"]
    heard.state.receive_update(status("good"))
    assert said(heard)["text"] == "Den er oppdatert."


def test_nothing_is_said_that_is_not_heard_any_more() -> None:
    heard = Heard()
    heard.state.connect_broker(heard.now)
    service(heard, "running")
    heard.state.receive_update(status("current"))
    service(heard, "stopped")
    assert said(heard)["text"] == ""
    service(heard, "running")
    assert said(heard)["text"] != ""
    heard.state.disconnect_broker(heard.now, heard.utc)
    assert said(heard)["text"] == ""


def test_a_machine_without_images_says_its_version_only() -> None:
    view = UpdateView(version="0.1.0", state="unsupported")
    assert say_update(view, NB) == {"version": "Programvare 0.1.0.", "text": ""}
