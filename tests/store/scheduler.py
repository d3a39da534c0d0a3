"""Runs workers one step at a time, in an order that a seed decides: the same seed, the same history."""

import random
import threading
from collections.abc import Callable

from .faults import Crash


class Scheduler:
    """Each worker is a thread, and only one runs at any moment. `step`, called from within a worker, hands over
    to the scheduler; the next to run is drawn by `rng`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._turns: dict[int, threading.Semaphore] = {}
        self._back = threading.Semaphore(0)
        self._local = threading.local()
        self._errors: list[BaseException] = []

    def run(self, workers: list[Callable[[], None]]) -> None:
        """Runs all to their end. A worker that dies of Crash has ended; any other error is raised here."""
        threads = {n: threading.Thread(target=self._work, args=(n, worker)) for n, worker in enumerate(workers)}
        self._turns = {n: threading.Semaphore(0) for n in threads}
        for thread in threads.values():
            thread.start()
        while self._turns:
            turn = self._rng.choice(list(self._turns))
            self._turns[turn].release()
            self._back.acquire()
        for thread in threads.values():
            thread.join()
        if self._errors:
            raise self._errors[0]

    def step(self, _: str = "") -> None:
        self._back.release()
        self._turns[self._local.number].acquire()

    def _work(self, number: int, worker: Callable[[], None]) -> None:
        self._local.number = number
        self._turns[number].acquire()
        try:
            worker()
        except Crash:
            pass
        except BaseException as error:  # noqa: BLE001 (raised again by `run`)
            self._errors.append(error)
        del self._turns[number]
        self._back.release()
