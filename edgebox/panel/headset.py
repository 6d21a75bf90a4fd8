"""Headsets as the crew sees them: folds the headset service's word into a view. Told the time."""

from edgebox.messages.headset import CertificateStatus
from edgebox.messages.pairing import HeadsetCard, PairingStatus
from edgebox.panel.headset_view import DeviceView, HeadsetView
from edgebox.panel.people import plain

PAIRED_SHOWN_S = 20.0
"""Who has come is shown for so long, with the way to say "wrong car"; then by a button."""


class HeadsetBoard:
    """What the headset service said."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing can be heard."""
        self._status: PairingStatus | None = None
        self._certificate = CertificateStatus(state="off")
        self._came_at: dict[tuple[str, str], float] = {}

    def receive(self, status: PairingStatus, now: float) -> None:
        """The service's word. Those of before its start, or ours, have come a moment ago."""
        self._status = status
        paired = {(card.device, card.digits) for card in status.cards if card.state == "paired"}
        self._came_at = {key: self._came_at.get(key, now) for key in paired}

    def receive_certificate(self, certificate: CertificateStatus) -> None:
        """What devices are shown when they open the page."""
        self._certificate = certificate

    def view(self, now: float, *, away: bool) -> HeadsetView:
        """As of now. `away`: the service does not run: its leases died with it."""
        status = self._status
        if away or status is None:
            return HeadsetView()
        return HeadsetView(
            here=True,
            vehicle=plain(status.vehicle),
            devices=tuple(_device(card) for card in status.cards),
            card=self._card(status, now),
            registry=status.registry,
            expires_utc=status.registry_expires_utc,
            certificate=self._certificate.state,
            certificate_until_utc=self._certificate.until_utc,
        )

    def _card(self, status: PairingStatus, now: float) -> DeviceView | None:
        """Who asks goes first, then who has come just now, then who was sent away."""
        new = [card for card in status.cards if self._is_new(card, now)]
        for state in ("asks", "paired", "refused"):
            for card in new:
                if card.state == state:
                    return _device(card)
        return None

    def _is_new(self, card: HeadsetCard, now: float) -> bool:
        if card.state != "paired":
            return True
        return now - self._came_at.get((card.device, card.digits), now) < PAIRED_SHOWN_S


def _device(card: HeadsetCard) -> DeviceView:
    return DeviceView(
        device=card.device,
        name=plain(card.name),
        digits=card.digits,
        state=card.state,
        reason=card.reason,
        belongs=plain(card.belongs),
    )
