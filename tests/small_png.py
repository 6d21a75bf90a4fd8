"""Pictures for the documentation: a screen has few colours, a palette makes it a third as large."""

from fractions import Fraction
from pathlib import Path

import av

ONE = Fraction(1, 1)
COLOURS = 128


def make_small(path: Path) -> None:
    """Rewrite a PNG with a palette of its own (ffmpeg-filters(1), palettegen and paletteuse)."""
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
    out = _with_palette(frame)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height = out.width, out.height
    encoder.pix_fmt, encoder.time_base = out.format.name, ONE
    encoder.options = {"compression_level": "9", "pred": "none"}
    packets = [*encoder.encode(out), *encoder.encode(None)]
    path.write_bytes(b"".join(bytes(packet) for packet in packets))


def _with_palette(frame: av.VideoFrame) -> av.VideoFrame:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=ONE
    )
    split = graph.add("split")
    palette = graph.add("palettegen", f"max_colors={COLOURS}:stats_mode=single")
    use = graph.add("paletteuse", "dither=none:new=1")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    graph.push(frame)
    graph.push(None)
    out = graph.pull()
    assert isinstance(out, av.VideoFrame)
    return out
