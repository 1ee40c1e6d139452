"""The conformance kit of Sensorium."""

from sensorium_ecg.conformance import TestAlerts, TestEcg

__all__ = ["TestAlerts", "TestEcg"]
