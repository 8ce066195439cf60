"""`python -m vpp_sim`, the same as `vpp-sim`."""

from vpp_sim.cli.main import main

if __name__ == "__main__":
    main()
