"""The signals that end the program: all mean that what is paid for is finished and saved first."""

import signal


def ending_signals() -> list[signal.Signals]:
    """Give SIGTERM, SIGINT, and SIGHUP, which a closed terminal sends.

    SIGHUP is left out where it is ignored, as by `nohup`: the program is to outlive its terminal. Windows has none.
    """
    found = [signal.SIGTERM, signal.SIGINT]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)
    if hangup and signal.getsignal(hangup) is not signal.SIG_IGN:
        found.append(hangup)
    return found


def is_insistent(number: int) -> bool:
    """Whether this signal, as the second one, ends the program without waiting for anything.

    SIGHUP does not: the system and the shell both send one when a terminal is closed.
    """
    return number != getattr(signal, "SIGHUP", None)
