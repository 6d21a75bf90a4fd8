"""What the panel knows of the box's software: which version runs, and what becomes of the next."""

from msgspec import Struct

from edgebox.messages.update import Reason, State, UpdateStatus


class UpdateView(Struct, frozen=True, kw_only=True):
    """`state` None: the update service is not heard. `version` empty: this program's own."""

    version: str = ""
    state: State | None = None
    reason: Reason = ""
    next_version: str = ""


def update_view(status: UpdateStatus | None, *, away: bool) -> UpdateView:
    """`away`: the update service has stopped, or was never heard."""
    if status is None or away:
        return UpdateView()
    return UpdateView(
        version=status.version,
        state=status.state,
        reason=status.reason,
        next_version=status.next_version,
    )
