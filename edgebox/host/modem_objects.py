"""ModemManager's objects, folded into what the box says of its modems. Pure.

ModemManager exports one D-Bus object for each modem; what matters of it are some properties of two
interfaces. Numbers are those of ModemManager-enums.h and the D-Bus interface reference of
ModemManager 1.20 (`MMModemState`, `MMModemAccessTechnology`, `MMModemPortType`, `MMModemLock`,
`MMModemStateFailedReason`). Values of another type than the reference says are not believed.
"""

from typing import Any, Literal

from edgebox.messages.vehicle import Modem

MODEM = "org.freedesktop.ModemManager1.Modem"
MODEM_3GPP = "org.freedesktop.ModemManager1.Modem.Modem3gpp"
MESSAGING = "org.freedesktop.ModemManager1.Modem.Messaging"

State = Literal["absent", "locked", "off", "searching", "registered", "connected", "failed"]
Generation = Literal["", "2G", "3G", "4G", "5G"]

STATES: dict[int, State] = {
    -1: "failed",
    0: "searching",  # unknown
    1: "searching",  # initializing
    2: "locked",
    3: "off",  # disabled
    4: "off",  # disabling
    5: "searching",  # enabling
    6: "searching",  # enabled
    7: "searching",
    8: "registered",
    9: "registered",  # disconnecting
    10: "registered",  # connecting
    11: "connected",
}
GENERATIONS: tuple[tuple[int, Generation], ...] = (
    (1 << 15, "5G"),
    (1 << 14 | 1 << 16 | 1 << 17, "4G"),
    (0b11_1111_1110_0000, "3G"),  # UMTS, HSPA and EV-DO, bits 5 to 13
    (0b1_1110, "2G"),  # GSM, GPRS and EDGE, bits 1 to 4
)
"""Newest first: a modem on 5G NSA reports 4G beside it."""
NET_PORT = 2
LOCKS = {2: "SIM PIN", 3: "SIM PIN2", 4: "SIM PUK", 5: "SIM PUK2"}
FAILURES = {2: "no SIM card", 3: "SIM card error", 4: "unknown modem", 5: "eSIM without profile"}
DENIED = 3
"""MMModem3gppRegistrationState."""

Properties = dict[str, Any]


class ModemObjects:
    """All objects as last heard. Feed it; `modems` is what comes of it."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Properties]] = {}

    def replace(self, objects: dict[str, dict[str, Properties]]) -> None:
        """What GetManagedObjects said: path -> interface -> properties."""
        self._objects = {path: dict(interfaces) for path, interfaces in objects.items()}

    def add(self, path: str, interfaces: dict[str, Properties]) -> None:
        """InterfacesAdded."""
        self._objects.setdefault(path, {}).update(interfaces)

    def remove(self, path: str, interfaces: list[str]) -> None:
        """InterfacesRemoved."""
        known = self._objects.get(path, {})
        for name in interfaces:
            known.pop(name, None)
        if not known:
            self._objects.pop(path, None)

    def change(self, path: str, interface: str, changed: Properties) -> None:
        """PropertiesChanged."""
        known = self._objects.get(path, {})
        if interface in known:
            known[interface] = known[interface] | changed

    def modems(self) -> tuple[Modem, ...]:
        """One for each modem, by network interface."""
        found = [_modem(one) for one in self._objects.values() if MODEM in one]
        return tuple(sorted(found, key=lambda modem: modem.interface))

    def sender(self) -> str | None:
        """Path of a modem that can send text messages now, or None."""
        for path, one in sorted(self._objects.items()):
            if MESSAGING in one and _modem(one).state in {"registered", "connected"}:
                return path
        return None


def _modem(interfaces: dict[str, Properties]) -> Modem:
    modem = interfaces[MODEM]
    network = interfaces.get(MODEM_3GPP, {})
    state = STATES.get(_number(modem, "State", 0), "searching")
    on_air = state in {"registered", "connected"}
    return Modem(
        interface=_net_port(modem),
        state=state,
        operator=_text(network, "OperatorName") if on_air else "",
        generation=_generation(_number(modem, "AccessTechnologies", 0)) if on_air else "",
        signal=_signal(modem.get("SignalQuality")) if on_air else None,
        detail=_detail(state, modem, network),
    )


def _net_port(modem: Properties) -> str:
    """Name of the first port of type net; `Ports` is a(su)."""
    ports = modem.get("Ports")
    for port in ports if isinstance(ports, list) else []:
        match port:
            case [str(name), int(kind)] if kind == NET_PORT:
                return name[:200]
    return ""


def _generation(technologies: int) -> Generation:
    return next((name for bits, name in GENERATIONS if technologies & bits), "")


def _signal(quality: object) -> int | None:
    """`SignalQuality` is (ub): percent, and whether it was taken recently."""
    match quality:
        case [int(percent), True] if 0 <= percent <= 100:
            return percent
    return None


def _detail(state: State, modem: Properties, network: Properties) -> str:
    if state == "failed":
        return FAILURES.get(_number(modem, "StateFailedReason", 0), "failed")
    if state == "locked":
        return LOCKS.get(_number(modem, "UnlockRequired", 0), "locked")
    denied = _number(network, "RegistrationState", 0) == DENIED
    return "registration denied" if denied and state == "searching" else ""


def _number(properties: Properties, name: str, otherwise: int) -> int:
    value = properties.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _text(properties: Properties, name: str) -> str:
    value = properties.get(name)
    return value[:200] if isinstance(value, str) else ""
