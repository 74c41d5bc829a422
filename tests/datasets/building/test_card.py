"""The card of a dataset."""

import yaml
from tone_videos import build, facts, seven, sounding


def test_the_card_keeps_the_callers_text_and_tells_what_there_is(tmp_path):
    out = tmp_path / "out"
    build(out, [*seven(), sounding(9, seconds=2)], missing=[("gone", "there is no such file.")])
    header, text = (out / "README.md").read_text().removeprefix("---\n").split("---\n", 1)
    header = yaml.safe_load(header)
    assert header["license"] == "cc-by-4.0"
    assert text.strip().startswith("# Films\n\nCite their makers.\n")
    assert "| train | 5 |" in text and "1 could not be used" in text and "`log_mel` (ceil(1 T), 128)" in text
    assert [path.name for path in sorted((out / "data").iterdir())][-2:] == [
        "train-00002-of-00003.parquet",
        "validation-00000-of-00001.parquet",
    ]
    assert facts(out, "missing.json") == [{"video_id": "gone", "reason": "there is no such file."}]
