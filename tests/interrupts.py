"""Ctrl-C at any line."""

import sys
from itertools import count


def interrupted_at_each_line(files, function):
    """Call a function again and again, pressing Ctrl-C one line later each time.

    Only lines of ``files`` count. Yields, after each call, whether it raised the interrupt;
    ends with the call that has no such line left.
    """
    for line in count():
        lines = count()
        was_pressed = raised = False

        def trace(frame, event, argument, line=line, lines=lines):
            nonlocal was_pressed
            if frame.f_code.co_filename not in files:
                return None
            if event == "line" and next(lines) == line:
                was_pressed = True
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            function()
        except KeyboardInterrupt:
            raised = True
        finally:
            sys.settrace(before)
        yield raised
        if not was_pressed:
            return
