"""Draws docs/images/dispatch.png, the picture of the README, from the shipped site: `make picture`."""

from pathlib import Path

from vpp_sim.kpi import simulate
from vpp_sim.report import figures
from vpp_sim.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "images" / "dispatch.png"
DOTS_PER_INCH = 110


def main() -> None:
    """Run the site and draw."""
    simulation = simulate(load_scenario(ROOT / "scenarios" / "xining_6mw.yaml"))
    with figures.page_style():
        TARGET.parent.mkdir(exist_ok=True)
        figures.overview(simulation).savefig(TARGET, dpi=DOTS_PER_INCH, metadata={"Software": None})
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
