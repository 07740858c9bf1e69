"""Engines and demand in simulated time, behind the gate's own scheduler."""
