# SPDX-License-Identifier: MIT
"""Waiting for a condition, with a deadline: the only place that sleeps."""
import time


def until(condition, what, timeout=15.0, interval=0.02):
    """The first true value of condition(); fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(interval)


def stays(condition, what, seconds, interval=0.05):
    """condition() is true now and at every look for so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), what
        time.sleep(interval)
