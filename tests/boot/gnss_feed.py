"""Runs inside a box: a satellite receiver that gpsd hears by UDP, at the box's own time.

    python3 - SECONDS <gnss_feed.py

Ends when gpsd has told a position of it, and goes on feeding in a process of its own.
"""

import json
import os
import socket
import subprocess
import sys
import time

FEED = ("127.0.0.1", 5555)
GPSD = ("127.0.0.1", 2947)


def sentence(body: str) -> bytes:
    checksum = 0
    for letter in body:
        checksum ^= ord(letter)
    return f"${body}*{checksum:02X}\r\n".encode()


def feed() -> None:
    """A position near Bergen, once a second, for as long as the box runs."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        time.sleep(1 - time.time() % 1)
        now = time.gmtime()
        clock, date = time.strftime("%H%M%S", now), time.strftime("%d%m%y", now)
        lines = (
            f"GPRMC,{clock}.00,A,6023.4140,N,00519.6735,E,31.5,183.4,{date},,,A",
            f"GPGGA,{clock}.00,6023.4140,N,00519.6735,E,1,09,1.1,61.0,M,47.0,M,,",
            "GPGSA,A,3,01,02,03,04,05,06,07,08,09,,,,2.0,1.1,1.7",
        )
        out.sendto(b"".join(sentence(line) for line in lines), FEED)


def heard(until_at: float) -> bool:
    """Whether gpsd tells where the box is."""
    with socket.create_connection(GPSD, timeout=5) as door:
        door.sendall(b'?WATCH={"enable":true,"json":true};\n')
        for line in door.makefile("rb"):
            said = json.loads(line)
            if said["class"] == "TPV" and said.get("lat"):
                return bool(abs(said["lat"] - 60.39) < 0.01)
            if time.monotonic() > until_at:
                break
    return False


def main() -> None:
    """Exit code 0: a position was told."""
    subprocess.run(["gpsdctl", "add", f"udp://{FEED[0]}:{FEED[1]}"], check=True)
    if os.fork() == 0:
        os.setsid()
        feed()
    sys.exit(not heard(time.monotonic() + float(sys.argv[1])))


main()
