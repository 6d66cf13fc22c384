"""To be imported before the rest of a program: until the program says what else Ctrl-C does, it
ends the process at once, and not with the traceback of whatever was being imported."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
