"""What is said and written of a technician's deeds, on box and hub alike. Pure."""

from edgebox.messages.link_test import RunLinkTest
from edgebox.messages.support import (
    Deed,
    DeedName,
    Leave,
    Look,
    ReadBundle,
    ReadConfiguration,
    ReadHistory,
    ReadJournal,
    Restart,
    RunCheck,
    Say,
)
from edgebox.messages.support_call import AskCall, EndCall, OpenCall
from edgebox.messages.support_shell import AskShell, OpenShell
from edgebox.messages.support_still import AskStill, TakeStill, TestCamera

WATCHED: frozenset[DeedName] = frozenset({"look", "history", "journal"})
"""Asked again and again by an open page: written once each."""
NOTED_MAX = 200
"""Different things looked at that are written down one by one."""


class Noted:
    """Which of one session's deeds are in the trail already."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def forget(self) -> None:
        """Another session."""
        self._seen.clear()

    def take(self, deed: Deed) -> bool:
        """Whether this deed is to be written down."""
        if isinstance(deed, ReadBundle):
            return deed.offset == 0
        name, subject = describe(deed)
        if name not in WATCHED:
            return True
        if (name, subject) in self._seen or len(self._seen) >= NOTED_MAX:
            return False
        self._seen.add((name, subject))
        return True


def describe(deed: Deed) -> tuple[DeedName, str]:
    """What the crew is shown and the trail says of a deed."""
    match deed:
        case Look():
            return "look", ""
        case ReadHistory():
            return "history", f"{deed.hours} h"
        case ReadJournal():
            return "journal", " ".join(filter(None, (deed.service, deed.level, deed.text)))
        case ReadConfiguration():
            return "configuration", ""
        case RunCheck():
            return "check", deed.check
        case Restart():
            return "restart", deed.service
        case ReadBundle():
            return "bundle", ""
        case RunLinkTest():
            return "link-test", deed.link
        case TestCamera():
            return "camera", deed.camera
        case AskStill():
            return "still-ask", deed.camera
        case TakeStill():
            return "still", deed.camera
        case Say():
            return "chat", ""
        case AskShell():
            return "shell-ask", ""
        case OpenShell():
            return "shell", ""
        case AskCall():
            return "call-ask", ""
        case OpenCall():
            return "call", ""
        case EndCall():
            return "call-end", ""
        case Leave():
            return "leave", ""
