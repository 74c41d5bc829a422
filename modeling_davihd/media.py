"""All that touches media in this package, with PyAV.

`media_limits`: how much a film may ask for. `media_times`: time stamps, and where they begin anew.
`media_sounds`: which sound tracks are heard. `media_tracks`: its headers, and its frames with their times;
`media_holes`: those times where packets are lost; `media_thinning`: which frames need not be decoded.
`media_pictures`, `media_resampling`: what they are meant to look and sound like, by FFmpeg's filters
(`media_filters`, `media_tones` for HDR). `media_reading`: segments of one second.
`media_writing`: reels, clips and films, as `media_options` says: `media_plans` for what is when in them,
`media_playing` for how it is got, on the canvas of `media_canvas`, `media_joins` for how sound is joined and
`media_encoders` for how pictures are encoded. `media_subtitles`: what is said.
"""

from .media_canvas import FilmError
from .media_limits import DEFAULT_LIMITS, DecodingLimits, LimitError, MediaError, MediaWarning
from .media_options import ReelOptions
from .media_pictures import shown_size
from .media_plans import Plan, Shot, pieces_in_reel
from .media_reading import (
    SAMPLING_RATE,
    FrameSampling,
    MediaChunk,
    Pictures,
    sound_of,
    stream_segments,
    true_end,
)
from .media_sounds import SoundTrack
from .media_subtitles import SubtitleLine, cut_subtitles, subtitles_of
from .media_tracks import MediaInfo, probe
from .media_writing import cut_clips, cut_films, cut_reel, write_film

__all__ = [
    "DEFAULT_LIMITS",
    "SAMPLING_RATE",
    "DecodingLimits",
    "FilmError",
    "FrameSampling",
    "LimitError",
    "MediaChunk",
    "MediaError",
    "MediaInfo",
    "MediaWarning",
    "Pictures",
    "Plan",
    "ReelOptions",
    "Shot",
    "SoundTrack",
    "cut_clips",
    "cut_films",
    "cut_reel",
    "cut_subtitles",
    "pieces_in_reel",
    "subtitles_of",
    "SubtitleLine",
    "probe",
    "shown_size",
    "sound_of",
    "stream_segments",
    "true_end",
    "write_film",
]
