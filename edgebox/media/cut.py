"""Cuts a part out of a picture, without copying it: digital zoom before scaling and encoding."""

from fractions import Fraction

import av
import av.filter

TIME_BASE = Fraction(1, 90_000)
Part = tuple[float, float, float]
"""Left and top edge and size, as fractions of the whole picture's width and height."""
WHOLE: Part = (0.0, 0.0, 1.0)


def inside(x: float, y: float, size: float) -> Part:
    """The part moved so that it lies within the picture."""
    room = 1.0 - size
    return min(x, room), min(y, room), size


class Cutter:
    """One camera's; keeps what it needs as long as size, format and part stay the same."""

    def __init__(self) -> None:
        self._made_for: tuple[object, ...] = ()
        self._graph: av.filter.Graph | None = None

    def cut(self, frame: av.VideoFrame, part: Part) -> av.VideoFrame:
        """The part of the frame; the frame itself for all of it."""
        if part == WHOLE:
            return frame
        frame.pts, frame.time_base = 0, TIME_BASE
        made_for = (frame.width, frame.height, frame.format.name, part)
        if self._graph is None or made_for != self._made_for:
            self._graph, self._made_for = _graph(frame, part), made_for
        self._graph.vpush(frame)
        return self._graph.vpull()


def _graph(frame: av.VideoFrame, part: Part) -> av.filter.Graph:
    x, y, size = part
    width, height = (max(2, int(edge * size) // 2 * 2) for edge in (frame.width, frame.height))
    left, top = int(frame.width * x) // 2 * 2, int(frame.height * y) // 2 * 2
    left, top = min(left, frame.width - width), min(top, frame.height - height)
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=TIME_BASE
    )
    crop = graph.add("crop", f"{width}:{height}:{left}:{top}")
    sink = graph.add("buffersink")
    source.link_to(crop)
    crop.link_to(sink)
    graph.configure()
    return graph
