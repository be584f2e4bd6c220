"""The parts of bench/peers.py: servers, loads, measurements, report."""
