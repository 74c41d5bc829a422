"""How reels and clips are to be encoded."""

from __future__ import annotations

from dataclasses import dataclass

HEIGHTS = (16, 4096)  # rows of a picture, of what can be asked for
CODECS = ("h264", "hevc", "av1")
ENCODERS = ("software", "hardware")
FADES = (0, 10)  # seconds
LOUDNESSES = (-70, -5)  # LUFS: the range of EBU R128's meter, and of FFmpeg's own filter


@dataclass(frozen=True)
class ReelOptions:
    """How reels and clips are to be encoded; raises ValueError, in one sentence, for what cannot be.

    loudness: of each file as a whole, in LUFS (EBU R128); None: as the film has it.
    codec: one of CODECS; None: HEVC for a picture of more than 8 bits, else H.264.
    height: rows that the picture has at most, as it is shown; None: the film's own, up to 4K.
    encoder: of the picture, one of ENCODERS; hardware: the machine's own, if it has one that works.
    fade: seconds within which a piece dissolves into the next, in picture and sound; 0: a cut.
    """

    loudness: float | None = None
    height: int | None = None
    codec: str | None = None
    fade: float = 0.0
    encoder: str = "software"

    def __post_init__(self) -> None:
        allowed = {"loudness": (LOUDNESSES, "LUFS"), "height": (HEIGHTS, "rows"), "fade": (FADES, "seconds")}
        for name, ((least, most), unit) in allowed.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ValueError(f"{name} is {value}; it needs to be from {least} to {most} {unit}")
        if self.codec not in (None, *CODECS):
            raise ValueError(f"codec is {self.codec!r}; it needs to be one of {', '.join(CODECS)}")
        if self.encoder not in ENCODERS:
            raise ValueError(f"encoder is {self.encoder!r}; it needs to be one of {', '.join(ENCODERS)}")


AS_THE_FILM = ReelOptions()

__all__ = ["AS_THE_FILM", "CODECS", "ENCODERS", "ReelOptions"]
