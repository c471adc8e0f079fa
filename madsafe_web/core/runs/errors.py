"""What can end the work on a run early."""


class StageError(Exception):
    """The stage cannot go on. The message is one sentence for people: what happened, what was kept, what to do."""


class ConfigError(Exception):
    """A configuration or parameter that cannot be used. The message names the field and what would be right."""


class ParameterError(ConfigError):
    """One parameter of a stage that cannot be used; `field` is its dotted name."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class NeedsPeople(Exception):
    """The stage has done its part and waits for people. The message says where they go on."""


class Stopped(Exception):
    """Somebody asked the run to pause or to be cancelled."""


class LeaseLost(Exception):
    """Another worker took this chunk over, or the database lost what was written: this one may write nothing more."""


class ProcessLost(Exception):
    """A training process vanished and was not brought back. The message says what was kept and what to do."""
