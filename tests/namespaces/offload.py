"""Let the kernel finish what it sends on an interface: `python -m tests.namespaces.offload NAME`.

Between veth ends checksums are left out and segments left together, since nobody is meant to see
them on the way; the impairer does. ethtool(8) -K tx off tso off gso off, SIOCETHTOOL.
"""

import array
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
STXCSUM, STSO, SGSO = 0x17, 0x1F, 0x24


def main(names: list[str]) -> None:
    """Raises OSError for an interface that is not there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for name in names:
            for command in (STXCSUM, STSO, SGSO):
                value = array.array("B", struct.pack("II", command, 0))
                request = struct.pack("16sP", name.encode(), value.buffer_info()[0])
                try:
                    fcntl.ioctl(sock, SIOCETHTOOL, request)
                except OSError as error:
                    if error.errno != 95:  # EOPNOTSUPP
                        raise


if __name__ == "__main__":
    main(sys.argv[1:])
