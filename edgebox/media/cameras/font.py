"""A 5 x 7 pixel font for the test picture: capitals, digits and what a clock needs."""

HEIGHT = 7
ADVANCE = 6
"""Columns from one character to the next: five of the glyph and one empty."""

UNKNOWN = bytes.fromhex("7f4141417f")
"""A box, for every character that has no glyph."""

# Five columns a glyph, left to right; bit 0 of a column is its uppermost pixel.
GLYPHS = {
    character: bytes.fromhex(columns)
    for character, columns in {
        " ": "0000000000", "-": "0808080808", ".": "0060600000", ":": "0036360000",
        "/": "2010080402", "(": "001c224100", ")": "0041221c00", "+": "08083e0808",
        "'": "0005030000", ",": "0050300000", "&": "3649552250", "#": "147f147f14",
        "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31",
        "4": "1814127f10", "5": "2745454539", "6": "3c4a494930", "7": "0171090503",
        "8": "3649494936", "9": "064949291e",
        "A": "7e1111117e", "B": "7f49494936", "C": "3e41414122", "D": "7f4141221c",
        "E": "7f49494941", "F": "7f09090901", "G": "3e4149497a", "H": "7f0808087f",
        "I": "00417f4100", "J": "2040413f01", "K": "7f08142241", "L": "7f40404040",
        "M": "7f020c027f", "N": "7f0408107f", "O": "3e4141413e", "P": "7f09090906",
        "Q": "3e4151215e", "R": "7f09192946", "S": "4649494931", "T": "01017f0101",
        "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463",
        "Y": "0708700807", "Z": "6151494543",
        "Æ": "7e117f4949", "Ø": "5e2519463d", "Å": "7814151478", "Ä": "7914121479",
        "Ö": "3d4242423d", "Ü": "3d4040403d", "É": "7c54565545",
    }.items()
}  # fmt: skip


def rows(text: str, scale: int, ink: bytes, paper: bytes) -> list[bytes]:
    """The text as pixel rows: `scale` pixels a dot, one byte a pixel, HEIGHT rows (unscaled)."""
    columns: list[int] = []
    for character in text.upper():
        columns += [*GLYPHS.get(character, UNKNOWN), 0]
    return [
        b"".join((ink if column >> y & 1 else paper) * scale for column in columns)
        for y in range(HEIGHT)
    ]
