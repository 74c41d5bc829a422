"""What can go wrong with a dataset; in a file of its own, so that catching it does not import encoders."""


class DatasetError(ValueError):
    """The dataset cannot be built as asked; the message is one sentence naming the video or file."""


class UsageError(DatasetError):
    """The command line asks for something impossible; the message is one sentence."""


class UnusableVideo(ValueError):
    """One video cannot be used; it goes to missing.json with this message as the reason."""


class UnreachableVideo(UnusableVideo):
    """The video's file cannot be fetched just now; the next run tries again."""
