"""What can go wrong with lists of videos; in a file of its own, so that catching it imports no encoders."""


class DatasetError(ValueError):
    """The dataset cannot be built as asked; the message is one sentence naming the video or file."""


class UsageError(DatasetError):
    """The command line asks for something impossible; the message is one sentence."""


class UnusableVideo(ValueError):
    """One video cannot be used; it is listed with this message as the reason."""


class UnreachableVideo(UnusableVideo):
    """Its file cannot be fetched, or its outputs not be written, just now; the next run tries again."""
