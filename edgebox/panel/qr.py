"""A QR code as the path of an SVG element (segno makes the symbol, ISO/IEC 18004)."""

from itertools import groupby

import segno

QUIET_MODULES = 4
"""Light border the standard asks for."""


def qr_path(text: str) -> tuple[str, int]:
    """Path data in modules, and the side of the square view box, quiet zone included."""
    symbol = segno.make(text, error="m", micro=False)
    path = []
    for y, row in enumerate(symbol.matrix_iter(border=QUIET_MODULES)):
        x = 0
        for dark, run in groupby(row):
            width = len(list(run))
            if dark:
                path.append(f"M{x} {y}h{width}v1h-{width}z")
            x += width
    return "".join(path), len(symbol.matrix) + 2 * QUIET_MODULES
