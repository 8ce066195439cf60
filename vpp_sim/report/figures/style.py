"""How every figure looks, and how it becomes SVG inside a page: Okabe-Ito colours, quiet axes, nothing from outside."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vpp_sim.components.base import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that colour-blind eyes tell apart (Okabe and Ito 2008), and two greys.
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"
GREY, PALE, INK = "#8C8C8C", "#D9D9D9", "#222222"

#: The site under control and without it, wherever both are drawn.
CONTROLLED, UNCONTROLLED = BLUE, VERMILION

#: Width of a figure that fills the page [in]; its height is its own.
PAGE_WIDTH: Final = 10.0

#: Steps that a line or an area of one week is drawn with at most.
LARGEST_DRAWN: Final = 700

_SETTINGS: Final[dict[str, Any]] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "vpp_sim",
}


@contextmanager
def page_style() -> Iterator[None]:
    """Draw with the settings of the page; what others set before is set again afterwards."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        yield


def new_figure(height: float, width: float = PAGE_WIDTH) -> Figure:
    """An empty figure [in] that belongs to no window and to no global list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def given_or_new(ax: Axes | None, height: float = 3.4) -> Axes:
    """The axes to draw in: those given, or the only ones of a new figure."""
    return ax if ax is not None else new_figure(height).add_subplot()


def figure_of(ax: Axes) -> Figure:
    """The figure that axes belong to."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("the axes belong to no figure")
    return figure


def thousands(ax: Axes, axis: str = "y", *, signs: bool = True) -> None:
    """Tick labels with thousands separators, on request without signs."""
    from matplotlib.ticker import FuncFormatter

    def text(value: float, position: int | None = None) -> str:
        return f"{value if signs else abs(value):,.10g}".replace("-", "\N{MINUS SIGN}")

    getattr(ax, f"{axis}axis").set_major_formatter(FuncFormatter(text))


def dates(ax: Axes, *, weekdays: bool = True) -> None:
    """Tick labels of a time axis, as short as they can be; days with their weekday unless room is scarce."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=13)
    day = "%a %d %b" if weekdays else "%d %b"
    formats, at_zero = ["%Y", "%b", day, "%H:%M", "%H:%M", "%S"], ["", "%b %Y", day, day, "%H:%M", "%H:%M"]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(
        ConciseDateFormatter(locator, formats=formats, zero_formats=at_zero, show_offset=False)
    )


def coarser(values: FloatArray, block: int) -> FloatArray:
    """Means of `block` steps each; a rest at the end is one more, shorter block.

    >>> coarser(np.array([1.0, 3.0, 5.0, 7.0, 10.0]), 2)
    array([ 2.,  6., 10.])
    """
    if block <= 1:
        return values
    begins = np.arange(0, values.size, block)
    sums = np.add.reduceat(values, begins)
    counts = np.diff(np.append(begins, values.size))
    return np.asarray(sums / counts, dtype=np.float64)


def lighter(colour: str, share: float) -> str:
    """A colour mixed with white.

    >>> lighter("#000000", 0.5)
    '#808080'
    """
    channels = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return "#" + "".join(f"{round(channel + (255 - channel) * share):02X}" for channel in channels)


def svg(figure: Figure, prefix: str, description: str) -> str:
    """The figure as an `<svg>` element that stands alone in a page.

    Text stays text in the page's own font; names inside are made unique with `prefix`; `description` is what a
    screen reader says.
    """
    from html import escape

    engine = figure.get_layout_engine()
    if engine is not None:
        # once by hand: savefig would draw everything a second time for it
        engine.execute(figure)
        figure.set_layout_engine("none")
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(<image [^>]*?)\bid="[^"]*"', r"\1", text)  # two equal images have one id, which nothing refers to
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'(xlink:href|href)="#', rf'\1="#{prefix}-', text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "inherit", text)
    text = re.sub(r'(\bd|points)="([^"]+)"', _shorter_path, text)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(description, quote=True)}" ', 1)


def _shorter_path(found: re.Match[str]) -> str:
    """A path with two decimals: a hundredth of a point is not seen."""
    shorter = re.sub(r"-?\d+\.\d{3,}", lambda digits: f"{float(digits[0]):.2f}", found[2])
    return f'{found[1]}="{" ".join(shorter.split())}"'
