"""Event source mappings on this machine: pollers over public APIs that keep AWS's rules of failure."""

from .base import EventSource, EventSourceProblem, Idle, stop_all, wait_idle
from .faults import Faults
from .filters import Filters
from .options import QueueOptions, StreamOptions
from .queues import QueueSource
from .streams import StreamSource

__all__ = [
    "EventSource",
    "EventSourceProblem",
    "Faults",
    "Filters",
    "Idle",
    "QueueOptions",
    "QueueSource",
    "StreamOptions",
    "StreamSource",
    "stop_all",
    "wait_idle",
]
