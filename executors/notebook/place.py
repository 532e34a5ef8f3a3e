"""Where in its cell an exception came up: all that a kernel tells of that is the text of its trace. Pure."""

from __future__ import annotations

import re

# "ValueError      Traceback (most recent call last)", with the name before it as Python itself does not write it: a
# message may quote another program's trace. The last one is of what came out of the cell; before it stand its causes.
HEAD = re.compile(r"^[\w.]+ +Traceback \(most recent call last\)$", re.MULTILINE)
# IPython's frames: "Cell In[3], line 2, in f(x)"; a file's are "File ~/x.py:12, in f(x)".
FRAME = re.compile(r"^ *Cell In ?\[(\d+)\], line (\d+)", re.MULTILINE)
# Of indentation that fits nowhere IPython's own reader says it, before Python has seen the cell.
TOKENIZED = re.compile(r"^ *File <tokenize>:(\d+)", re.MULTILINE)
CELL_MAGIC = "%%"


def line_in_cell(source: str, trace: str) -> int | None:
    """The line, from 1, of the failed cell that is nearest to the failure, or None where the trace does not tell it.

    source: the cell's. trace: as IPython wrote it, without colours. Its first frame is the cell's own; functions of
    other cells and of packages lie deeper. The lines below a magic of the whole cell (``%%time``) are counted by that
    magic, each in its own way, so none is told there.
    """
    if source.lstrip().startswith(CELL_MAGIC):
        return None
    told = HEAD.split(trace)[-1]
    frames = FRAME.findall(told)
    if not frames:
        found = TOKENIZED.search(told)
        return int(found[1]) if found else None
    return [int(line) for cell, line in frames if cell == frames[0][0]][-1]
