"""One secret of each kind, and the ways it may have been written."""

import base64
from urllib.parse import quote

PEM_BODY = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgv7Lm3rXc5uXqf0Vd"
KNOWN_SECRET = "ålesund-Hemmelig/42"
KNOWN_NAME = "Åse-Marie Ødegård"
PHONE, PHONE_BARE = "+4791234567", "98765432"
PERSON_NUMBER = "01019012345"
LATITUDE, LONGITUDE = "60.391262", "5.322054"
ADDRESS, ADDRESS_6, MAC = "10.64.3.9", "2a02:fe0:c120:5b1::7", "dc:a6:32:01:fe:9b"
TOKEN = "Qm9q2TtYw8xk0aVd3hLr7sZc5bNf1e01"
SESSION = "Xk3JdkdLsk9djfLKSJDFlQ"
STRANGER = "Kari Nordmann"
"""Nobody told the box this name: only in logs can it be struck."""

BY_KIND = {
    "known secret": KNOWN_SECRET,
    "known name": KNOWN_NAME,
    "telephone": PHONE,
    "telephone without country": PHONE_BARE,
    "personal number": PERSON_NUMBER,
    "latitude": LATITUDE,
    "longitude": LONGITUDE,
    "IPv4": ADDRESS,
    "IPv6": ADDRESS_6,
    "MAC": MAC,
    "token": TOKEN,
    "session": SESSION,
    "key": PEM_BODY,
}
SENTENCES = (
    f"the gateway took {KNOWN_SECRET} from us",
    f"admitted {KNOWN_NAME} to session {SESSION}",
    f"text message to {PHONE}, then to {PHONE_BARE}",
    f"patient {PERSON_NUMBER[:6]} {PERSON_NUMBER[6:]}",
    f"fix at {LATITUDE},{LONGITUDE} speed 12.2",
    "$GPRMC,123519,A,6023.4757,N,00519.3232,E,022.4,084.4,230394,003.1,W*6A",
    f"link lte-1 from {ADDRESS} and {ADDRESS_6} ({MAC})",
    f"joined by https://video.helse.example/j/{TOKEN}",
    f"Authorization: Bearer {TOKEN}",
    "password = 'correct horse' and psk=staple77",
    "rtsp://admin:kamera99@10.0.0.5/stream1?profile=2",
    "HR 92 SpO2: 97 % NIBP 120/80",
    "PID|1||12345^^^Sykehus||Hansen^Per||19500101|M",
)
TELLTALES = (
    *BY_KIND.values(), "correct horse", "staple77", "kamera99", "120/80", "Hansen", "6023.4757",
    "00519.3232",
)  # fmt: skip
"""What must be found nowhere, and (the values) in none of their encodings."""
PEM = f"-----BEGIN PRIVATE KEY-----\n{PEM_BODY}\nAbCd1234efgh==\n-----END PRIVATE KEY-----"


def encoded(text: str) -> tuple[str, ...]:
    """The same in base64, both alphabets, percent-encoded, and in hex."""
    data = text.encode()
    return (
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        quote(text, safe=""),
        "".join(f"%{byte:02X}" for byte in data),
        data.hex(),
    )


def text() -> str:
    """All of it, plain and encoded, in lines."""
    lines = [*SENTENCES, PEM]
    for value in BY_KIND.values():
        lines += [f"said {one} here" for one in (value, *encoded(value))]
    return "\n".join(lines)


def found_in(content: str) -> list[str]:
    """What can still be read, in any form."""
    plain = [one for one in TELLTALES if one.lower() in content.lower()]
    coded = [
        f"{kind}: {form}"
        for kind, value in BY_KIND.items()
        for form in encoded(value)
        if form != value and form.rstrip("=") in content
    ]
    return plain + coded
