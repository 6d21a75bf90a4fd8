"""A QR code as the path of an SVG element (segno makes the symbol, ISO/IEC 18004)."""

import segno

QUIET_MODULES = 4
"""Light border the standard asks for."""


def qr_path(text: str) -> tuple[str, int]:
    """Path data in modules, and the side of the square view box, quiet zone included."""
    rows = segno.make(text, error="m", micro=False).matrix_iter(border=QUIET_MODULES)
    matrix = [list(row) for row in rows]
    squares = [
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark
    ]
    return "".join(squares), len(matrix)
