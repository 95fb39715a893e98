"""The search loop: sessions for workloads, a scheduler that shares trials among them, the run as a whole."""
