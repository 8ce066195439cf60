"""Where the energy came from and where it went over the horizon: a Sankey diagram of the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from vpp_sim.components.base import FloatArray
from vpp_sim.dispatch import Dispatch
from vpp_sim.kpi import Ledger
from vpp_sim.report.figures.parts import Part, parts_of
from vpp_sim.report.figures.style import BLACK, GREY, INK, VERMILION, given_or_new
from vpp_sim.report.formats import larger_unit, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import PathPatch

ORIGIN, STORAGE, USE = 0, 1, 2
#: Flows below this share of all energy are not drawn.
SMALLEST_SHARE: Final = 2e-4
#: Flows below this share of the taller column would hardly be seen without an edge.
THIN_SHARE: Final = 5e-3
#: The gap between two nodes and the least distance of their middles, so that words fit, as shares of the taller
#: column of energy; and the width of a node as a share of the figure's.
GAP, WORDS, NODE_WIDTH = 0.045, 0.105, 0.016
#: Height of the figure [in], and what each node beyond those that fit adds to it.
HEIGHT, FITTING, MORE_HEIGHT = 4.6, 6, 0.4


@dataclass(frozen=True)
class Node:
    """An origin, the storage, or a use of energy."""

    key: str
    label: str
    colour: str
    column: int


@dataclass(frozen=True)
class Link:
    """Energy over the horizon from one node to another [kWh]."""

    source: str
    target: str
    kwh: float


def energy_flows(result: Dispatch, ledger: Ledger) -> tuple[list[Node], list[Link]]:
    """Origins (each supplier, curtailed energy included), the storage, and uses (each consumer, export, losses).

    Where several components supply or use power in a step, a flow of the ledger is divided in proportion.
    """
    parts = parts_of(result)
    origins = _divided(parts, "renewable", lambda part: part.flows.renewable_kw)
    origins += _divided(parts, "other", lambda part: part.flows.other_supply_kw)
    origins += _divided(parts, "grid", lambda part: part.flows.import_kw)
    loads = _divided(parts, "load", lambda part: part.flows.use_kw)
    exports = _divided(parts, "export", lambda part: part.flows.export_kw)

    nodes = [Node(f"from {part.name}", part.label, part.colour, ORIGIN) for part, *_ in origins]
    stores = [part for part in parts if part.store is not None]
    if stores:
        only = stores[0].label if len(stores) == 1 else "storage"
        nodes.append(Node("storage", only, stores[0].colour, STORAGE))
    nodes.append(Node("curtailed", "curtailed", VERMILION, USE))
    nodes += [Node(f"to {part.name}", "export", part.colour, USE) for part, *_ in exports]
    nodes += [Node("losses", "storage losses", BLACK, USE), Node("kept", "left in storage", GREY, USE)]
    nodes += [Node(f"to {part.name}", part.label, part.colour, USE) for part, *_ in loads]

    links: list[Link] = []
    sinks = [*loads, *exports]
    for part, source, share in origins:
        for sink, use, sink_share in sinks:
            kwh = ledger.kwh(ledger.flow_kw[source, use] * share * sink_share)
            links.append(Link(f"from {part.name}", f"to {sink.name}", kwh))
        links.append(Link(f"from {part.name}", "storage", ledger.kwh(ledger.flow_kw[source, "storage"] * share)))
        available = part.flows.renewable_available_kw
        if source == "renewable" and available is not None and part.flows.renewable_kw is not None:
            links.append(Link(f"from {part.name}", "curtailed", ledger.kwh(available - part.flows.renewable_kw)))
    for sink, use, sink_share in sinks:
        links.append(Link("storage", f"to {sink.name}", ledger.kwh(ledger.flow_kw["storage", use] * sink_share)))
    kept = ledger.kwh(ledger.charge_kw - ledger.discharge_kw) - ledger.storage_losses_kwh
    links += [Link("storage", "losses", ledger.storage_losses_kwh), Link("storage", "kept", kept)]
    if kept < 0:
        nodes.insert(0, Node("before", "stored before", GREY, ORIGIN))
        links.append(Link("before", "storage", -kept))
    return _worth_drawing(nodes, links)


def _worth_drawing(nodes: list[Node], links: list[Link]) -> tuple[list[Node], list[Link]]:
    total = sum(link.kwh for link in links if link.target != "storage" and link.kwh > 0)
    kept = [link for link in links if link.kwh > SMALLEST_SHARE * total]
    touched = {link.source for link in kept} | {link.target for link in kept}
    return [node for node in nodes if node.key in touched], kept


#: Behind words that lie on a flow.
_PLATE: Final = {"facecolor": "white", "alpha": 0.65, "linewidth": 0.0, "pad": 1.0}

Divided = list[tuple[Part, str, FloatArray]]


def _divided(parts: list[Part], role: str, power_of: Callable[[Part], FloatArray | None]) -> Divided:
    """The parts that have a role, with each one's share of it in every step, (num_steps,)."""
    powers = [(part, power) for part in parts if (power := power_of(part)) is not None and power.any()]
    total = np.sum([power for _, power in powers], axis=0) if powers else np.zeros(0)
    return [(part, role, np.divide(power, total, out=np.zeros_like(total), where=total > 0)) for part, power in powers]


def energy_flow(result: Dispatch, ledger: Ledger, ax: Axes | None = None) -> Axes:
    """The Sankey diagram: origins on the left, uses on the right, what went through storage in the middle."""
    nodes, links = energy_flows(result, ledger)
    uses = sum(node.column == USE for node in nodes)
    ax = given_or_new(ax, height=HEIGHT + MORE_HEIGHT * max(uses - FITTING, 0))
    ax.set_axis_off()
    if not links:
        return ax
    _Sankey(nodes, links).draw(ax)
    return ax


class _Sankey:
    """Places nodes and flows in three columns; y counts downwards from 0 in kWh."""

    def __init__(self, nodes: list[Node], links: list[Link]) -> None:
        self.nodes = {node.key: node for node in nodes}
        self.links = links
        self.size = {
            node.key: max(
                sum(link.kwh for link in links if link.source == node.key),
                sum(link.kwh for link in links if link.target == node.key),
            )
            for node in nodes
        }
        origins = [node.key for node in nodes if node.column == ORIGIN]
        uses = [node.key for node in nodes if node.column == USE]
        self.unit = max(sum(self.size[key] for key in column) for column in (origins, uses))
        middle = self._middle(origins, uses)
        columns = [
            [(key, self.size[key]) for key in origins],
            middle,
            [(key, self.size[key]) for key in uses],
        ]
        tops = [self._placed(column) for column in columns]
        heights = [column[-1][1] + top[column[-1][0]] for column, top in zip(columns, tops, strict=True)]
        self.height = max(heights)
        self.top = {
            key: y + (self.height - height) / 2
            for top, height in zip(tops, heights, strict=True)
            for key, y in top.items()
        }

    def _placed(self, column: list[tuple[str, float]]) -> dict[str, float]:
        """Upper edges from 0 down; parts of one flow touch each other, nodes stand apart."""
        tops: dict[str, float] = {}
        y, before, thickness = 0.0, "", 0.0
        for key, size in column:
            if before and (">" not in key or _origin_of(key) != _origin_of(before)):
                both_nodes = ">" not in key and ">" not in before
                y += max(GAP, WORDS - (size + thickness) / 2 / self.unit if both_nodes else 0.0) * self.unit
            tops[key] = y
            y += size
            before, thickness = key, size
        return tops

    def _middle(self, origins: list[str], uses: list[str]) -> list[tuple[str, float]]:
        """The middle column: a place for every direct flow, by origin, and the storage after the first origins."""
        direct = {(link.source, link.target): link.kwh for link in self.links}
        column: list[tuple[str, float]] = []
        half = max((len(origins) + 1) // 2, 1)
        for position, origin in enumerate(origins):
            if position == half and "storage" in self.nodes:
                column.append(("storage", self.size["storage"]))
            column += [(f"{origin}>{use}", direct[origin, use]) for use in uses if (origin, use) in direct]
        if len(origins) <= half and "storage" in self.nodes:
            column.append(("storage", self.size["storage"]))
        return column

    def draw(self, ax: Axes) -> None:
        """Ribbons first, then nodes, then words."""
        left, middle, right = 0.0, 0.5, 1.0 - NODE_WIDTH
        place = {link: self._middle_top(link) for link in self.links}
        leaving = self._stacked(lambda link: link.source, place)
        arriving = self._stacked(lambda link: link.target, place)
        for link in self.links:
            colour = self.nodes[link.source].colour
            begin, end, kwh = leaving[link], arriving[link], link.kwh
            if link.source == "storage":
                points = [(middle + NODE_WIDTH / 2, begin), (right, end)]
            elif link.target == "storage":
                points = [(left + NODE_WIDTH, begin), (middle - NODE_WIDTH / 2, end)]
            else:
                points = [(left + NODE_WIDTH, begin), (middle, place[link]), (right, end)]
            ax.add_patch(_ribbon(points, kwh, colour, edge=0.5 if kwh < THIN_SHARE * self.unit else 0.0))
        ends = {ORIGIN: left, STORAGE: middle - NODE_WIDTH / 2, USE: right}
        for node in self.nodes.values():
            self._draw_node(ax, node, ends[node.column])
        for column, x, align in ((ORIGIN, left - 0.012, "right"), (USE, 1.012, "left")):
            self._write(ax, [node for node in self.nodes.values() if node.column == column], x, align)
        if "storage" in self.nodes:
            words = f"{self.nodes['storage'].label}  {self._amount(self.nodes['storage'])}"
            ax.text(
                0.5, self.top["storage"] - 0.006 * self.unit, words, ha="center", va="bottom", color=INK, bbox=_PLATE
            )
        ax.set_xlim(-0.14, 1.16)
        ax.set_ylim(self.height + 0.03 * self.unit, -0.03 * self.unit)

    def _middle_top(self, link: Link) -> float:
        return self.top.get(f"{link.source}>{link.target}", self.top.get("storage", 0.0))

    def _stacked(self, end: Callable[[Link], str], place: dict[Link, float]) -> dict[Link, float]:
        """Where each flow touches its node: flows of a node from the top in the order of the middle column."""
        filled = dict.fromkeys(self.nodes, 0.0)
        touches: dict[Link, float] = {}
        other = {key: position for position, key in enumerate(self.nodes)}
        for link in sorted(self.links, key=lambda link: (place[link], other[link.source], other[link.target])):
            key = end(link)
            touches[link] = self.top[key] + filled[key]
            filled[key] += link.kwh
        return touches

    def _draw_node(self, ax: Axes, node: Node, x: float) -> None:
        from matplotlib.patches import Rectangle

        box = Rectangle((x, self.top[node.key]), NODE_WIDTH, self.size[node.key], color=node.colour, linewidth=0.6)
        ax.add_patch(box)

    def _amount(self, node: Node) -> str:
        unit, factor = larger_unit("kWh", max(self.size.values()))
        return f"{number(self.size[node.key] / factor)} {unit}"

    def _write(self, ax: Axes, nodes: list[Node], x: float, align: str) -> None:
        """Labels beside a column."""
        for node in nodes:
            y = self.top[node.key] + self.size[node.key] / 2
            ax.text(x, y, node.label, ha=align, va="bottom", color=INK)
            ax.text(x, y, self._amount(node), ha=align, va="top", color=INK)


def _origin_of(key: str) -> str:
    """The origin of a part of the middle column, `origin>use`."""
    return key.split(">")[0]


def _ribbon(points: list[tuple[float, float]], width: float, colour: str, edge: float) -> PathPatch:
    """A band of a given width through points of its upper edge, level at each of them; an edge keeps thin ones seen."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners: list[tuple[float, float]] = [points[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        half = (x0 + x1) / 2
        corners += [(half, y0), (half, y1), (x1, y1)]
    back = [(x, y + width) for x, y in reversed(corners)]
    curve = [Path.CURVE4] * (len(corners) - 1)
    path = Path([*corners, *back, corners[0]], [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY])
    return PathPatch(path, facecolor=colour, edgecolor=colour, alpha=0.5, linewidth=edge)
