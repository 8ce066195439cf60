"""vpp_sim: the optimal year of a microgrid with PV, storage, EV charging and flexible compute, certified."""
