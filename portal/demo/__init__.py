"""Made-up organizations: a few with a story, or very many for benchmarks."""

from portal.demo.story import PASSWORD, load
from portal.demo.synth import Size, synthesize

__all__ = ["PASSWORD", "Size", "load", "synthesize"]
