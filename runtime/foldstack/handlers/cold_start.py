"""No garbage collection while a function loads: nothing of it is garbage, and a large part of the time went there
(`python -m benchmarks coldstart`)."""

import gc
import os


def begin() -> None:
    """Only in a function: a program that merely imports a handler keeps its collector."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        gc.disable()


def over() -> None:
    """What is loaded now is looked at no more; what comes after is collected as ever."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        gc.freeze()
        gc.enable()
