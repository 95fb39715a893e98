"""Schedules: an immutable sequence of steps with a printed form, and how a kernel takes them on."""

from costmodel.search.schedule.text import Schedule, Step, parse_schedule

__all__ = ["Schedule", "Step", "parse_schedule"]
