"""The one exception of the embedded stack whose text is meant for the person who typed `jobline up`."""


class StackError(Exception):
    """The stack cannot start or go on; the message says which setting, file or program is at fault."""
