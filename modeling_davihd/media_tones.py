"""HDR made SDR, by FFmpeg's filters, for reels in which it is beside SDR."""

from __future__ import annotations

from .media_filters import Step

PQ, HLG = 16, 18  # FFmpeg's numbers of the transfer functions of HDR, AVCOL_TRC
BRIGHTEST = 1000.0  # cd/m2; what is brighter is cut off, and HLG is taken to be made for such a display
WHITE = 203.0  # cd/m2 of a white sheet of paper in HDR, as ITU-R BT.2408 has it
FULL_SCALE = 65535  # of a colour, in 16 bits
# From linear light of BT.2020's primaries to that of BT.709's.
PRIMARIES = {
    **{"rr": "1.6605", "rg": "-0.5876", "rb": "-0.0728"},
    **{"gr": "-0.1246", "gg": "1.1329", "gb": "-0.0083"},
    **{"br": "-0.0182", "bg": "-0.1006", "bb": "1.1187"},
}


def steps_to_sdr(transfer: int) -> list[Step]:
    """Filters that make RGB of BT.709, for displays of a gamma of 2.4, of a picture of BT.2020 in PQ or HLG.

    Light becomes linear, white becomes three quarters of full scale, and what is brighter is compressed more
    and more (Reinhard's curve, by colour).
    """
    signal = f"(val/{FULL_SCALE})"
    light = _from_pq(signal) if transfer == PQ else _from_hlg(signal)
    peak = BRIGHTEST / WHITE
    white = f"({signal}*{peak})"
    curve = f"pow({white}*(1+{white}/{peak**2})/(1+{white}),1/2.4)"
    return [
        ("scale", {"in_color_matrix": "bt2020"}),
        ("format", {"pix_fmts": "gbrp16le"}),
        _each_colour(light),
        ("colorchannelmixer", PRIMARIES),
        _each_colour(curve),
    ]


def _from_pq(signal: str) -> str:
    """Light as a share of the brightest, by SMPTE ST 2084."""
    power = f"pow({signal},1/78.84375)"
    light = f"pow(max({power}-0.8359375,0)/(18.8515625-18.6875*{power}),1/0.1593017578125)"
    return f"{light}*{10_000 / BRIGHTEST}"


def _from_hlg(signal: str) -> str:
    """Light as a share of the brightest, by ITU-R BT.2100, its system gamma of 1.2 for each colour."""
    scene = f"if(lte({signal},0.5),{signal}*{signal}/3,(exp(({signal}-0.55991073)/0.17883277)+0.28466892)/12)"
    return f"pow({scene},1.2)"


def _each_colour(share: str) -> Step:
    return "lutrgb", dict.fromkeys(("r", "g", "b"), f"{FULL_SCALE}*{share}")


__all__ = ["HLG", "PQ", "steps_to_sdr"]
