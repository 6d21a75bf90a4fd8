"""How technical help gets from the box to the hub while the broker's bridge does not."""

from typing import Literal

from edgebox.messages.base import Message, Text, Topic

DIRECT = "CN="
"""What the support service itself says and hears has this before the box's id in its topics: the
hub's broker takes the name from the subject of the certificate there (mosquitto.conf(5),
`use_subject_as_username`), so it is nobody else's, and nothing comes by both ways."""

Way = Literal["", "bridge", "direct", "none", "clock"]
"""`bridge`: as everything else. `direct`: the support service's own connection. `none`: neither is
there now. `clock`: the box's clock is so wrong that the hub's certificate cannot be believed."""


class SupportWay(Message, frozen=True):
    """The support service's own connection to the hub's broker; that says `closed` when it dies."""

    state: Literal["open", "closed"]
    over: Text = ""
    """The link it goes over, as people call it; empty: whichever the system's routes choose."""
    clock: Literal["", "wrong"] = ""
    """By the box's clock its own certificate is not good: the hub's is believed without dates."""


SUPPORT_WAY = Topic("box/{box}/up/support/way", SupportWay, retained=True)
