"""Trips as a function loads them, with one outside world for all of its sandboxes."""

from tests.kernel.trips import Agency, make

agency = Agency()
service, saga = make(lambda: 1000, agency)
