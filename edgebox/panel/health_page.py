"""Test the box: one tap."""

from flask import Blueprint, Response, jsonify

from edgebox.messages.base import Fault
from edgebox.panel.calls import Nothing
from edgebox.panel.context import panel, read_body, words
from edgebox.panel.words import say_fault

blueprint = Blueprint("health", __name__)


@blueprint.post("/self-test")
def test() -> Response:
    """Begin a self-test; the live status says how far it has come. One that runs is as good."""
    read_body(Nothing)
    answer = panel().actions.self_test()
    if isinstance(answer, Fault) and answer.reason != "busy":
        return jsonify(text=say_fault(answer, "health", words()))
    return jsonify(text="")
