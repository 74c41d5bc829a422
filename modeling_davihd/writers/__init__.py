"""Output files: one small class for each format, and the table of all formats.

For a film `match.mp4` the files are `match.highlights.json`, `.csv`, `.png`, `.sheet.jpg`, `.mp4` (the reel),
`.srt` (what is said in it), `.edl`, `.otio`, `.fcpxml`, `.xml` (of Final Cut Pro 7), `.markers.edl`, `.vtt`,
`.chapters.txt`, `.ffmetadata` and the clips `match.highlight-01.mp4`, `-02` and so on. Each appears complete
or not at all.

A format of your own is a subclass of `Writer` or `FileWriter`; after `WRITERS["name"] = YourWriter`,
`write_outputs` and the command line know it.
"""

from __future__ import annotations

from ..lazy import LazyTable, lazy_exports

_PLACES = {
    "json": "tables.JSONWriter",
    "csv": "tables.CSVWriter",
    "png": "picture.PNGWriter",
    "sheet": "sheet.SheetWriter",
    "mp4": "films.ReelWriter",
    "clips": "films.ClipsWriter",
    "edl": "edit_lists.EDLWriter",
    "otio": "edit_lists.OTIOWriter",
    "fcpxml": "fcpxml.FCPXMLWriter",
    "xmeml": "xmeml.XMEMLWriter",
    "markers": "markers.MarkersWriter",
    "vtt": "subtitles.VTTWriter",
    "srt": "subtitles.SRTWriter",
    "chapters": "chapters.ChaptersWriter",
    "ffmetadata": "chapters.FFMetadataWriter",
}
WRITERS = LazyTable(__name__, _PLACES)  # each class by the name of its format

# Loaded when first named.
_EXPORTS = {
    "FileWriter": "base",
    "HighlightResult": "base",
    "UnsuitableError": "base",
    "Writer": "base",
    "WriterError": "base",
    "write_outputs": "outputs",
}
_EXPORTS |= {name: module for module, name in (place.split(".") for place in _PLACES.values())}

__all__ = ["WRITERS", *_EXPORTS]
__getattr__, __dir__ = lazy_exports(globals(), _EXPORTS)
