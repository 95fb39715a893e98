"""Backends realise a schedule, lower it, build it and run it."""
