"""Why a stage ended, as the exit status that the controller reads."""


class StageFault(Exception):
    """A failure that the program explains itself; anything else is a bug and shows a traceback."""

    status = 1


class InvalidInput(StageFault):
    """The input or a parameter can't work; the message names it and the next step."""

    status = 2


class Fenced(StageFault):
    """Another attempt owns the run; nothing of this process may become visible any more."""

    status = 75


class Stopped(StageFault):
    """SIGTERM was obeyed: 128 + 15, as a shell reports it."""

    status = 143
