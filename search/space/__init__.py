"""Search spaces: knobs, candidates, and the schedules they stand for."""

from costmodel.search.space.space import Candidate, SearchSpace, build_space

__all__ = ["Candidate", "SearchSpace", "build_space"]
