"""The path draws exactly the symbol segno made."""

import re

import segno

from edgebox.panel.qr import QUIET_MODULES, qr_path

URL = "https://video.helse.example/j/Qm9q2TtYw8xk0aVd3hLr7sZc5bNf1e01"


def test_path_draws_the_symbol_within_its_quiet_zone() -> None:
    path, side = qr_path(URL)
    drawn = {
        (int(x) + i, int(y))
        for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path)
        for i in range(int(width))
    }
    symbol = segno.make(URL, error="m", micro=False)
    rows = list(symbol.matrix_iter(border=QUIET_MODULES))
    assert side == len(rows)
    assert drawn == {(x, y) for y, row in enumerate(rows) for x, dark in enumerate(row) if dark}
    assert min(min(spot) for spot in drawn) == QUIET_MODULES
    assert max(max(spot) for spot in drawn) == side - 1 - QUIET_MODULES
