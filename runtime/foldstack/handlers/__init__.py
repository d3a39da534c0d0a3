"""Entry points of functions. In a function, importing them is a cold start: what is loaded stays, so the garbage
collector need not look through it while it grows. Each entry point ends with `cold_start.over()`."""

from . import cold_start

cold_start.begin()
