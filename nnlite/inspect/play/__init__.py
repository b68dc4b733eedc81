"""The playground: a net of one's own live in one page, with all its arithmetic."""

from nnlite.inspect.play.door import Playground, playground

__all__ = ["Playground", "playground"]
