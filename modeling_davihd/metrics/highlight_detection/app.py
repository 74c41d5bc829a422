"""Demo of the metric: paste scores and ground truth as JSON, read the results. Start with: python app.py"""

import json
from pathlib import Path

import evaluate
import gradio as gr

EXAMPLE = (
    "[[0.1, 0.2, 0.9, 0.8, 0.3, 0.2], [0.7, 0.1, 0.4]]",
    "[[0.0, 0.3, 1.0, 0.6, 0.5, 0.1], [0.2, 0.9, 0.4]]",
)
NO_VALUE = "skipped"

metric = evaluate.load(str(Path(__file__).resolve().with_name("highlight_detection.py")), keep_in_memory=True)


def parse(text: str, name: str) -> list[list[float]]:
    """The videos of one box. Raises ValueError in plain words."""
    try:
        videos = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"The {name} are not valid JSON: {error}.") from error
    if not isinstance(videos, list) or not videos or not all(isinstance(video, list) for video in videos):
        raise ValueError(
            f"The {name} must be a list with one list of numbers per video: [[0.1, 0.9], [0.4, 0.2]]."
        )
    if not all(isinstance(value, int | float) for video in videos for value in video):
        raise ValueError(f"The {name} must hold nothing but numbers, one per second.")
    return videos


def table(predictions: str, references: str) -> list[list[str]]:
    """Rows of metric, mean and the value of each video, all but the name of the metric as text."""
    pairs = {"predictions": parse(predictions, "predictions"), "references": parse(references, "references")}
    result = metric.compute(**pairs, per_video=True)
    rows = [[name, f"{result[name]:.4f}", *map(show, values)] for name, values in result["per_video"].items()]
    return [["metric", "mean", *(f"video {index}" for index in range(len(rows[0]) - 2))], *rows]


def show(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.4f}"


def results(predictions: str, references: str) -> gr.Dataframe:
    """The table as a component; what is wrong with the input appears as an error message on the page."""
    try:
        headers, *rows = table(predictions, references)
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from error
    return gr.Dataframe(rows, headers=headers)


with gr.Blocks(title="Highlight detection metrics") as demo:
    gr.Markdown(
        "# Highlight detection metrics\nOne number per second and one list per video, as JSON. Values are "
        "fractions; videos shorter than two seconds are skipped."
    )
    with gr.Row():
        boxes = [
            gr.Textbox(text, label=label, lines=8)
            for text, label in zip(EXAMPLE, ("Predictions", "References (ground truth)"), strict=True)
        ]
    gr.Button("Compute", variant="primary").click(
        results, boxes, gr.Dataframe(label="Results", interactive=False), api_name="compute"
    )

if __name__ == "__main__":
    demo.launch()
