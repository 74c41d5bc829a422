"""LoRA, as docs/training.md has it."""

import pytest
import torch
from paths import ROOT
from tiny_data import write_config
from transformers import AutoModel, Trainer, TrainingArguments

from examples.training.data import collate
from examples.training.runs import make_runs

pytest.importorskip("peft")


def test_an_adapter_has_all_that_training_changed(data, tmp_path):
    """The weights of the norms and their statistics too."""
    from peft import PeftModel

    config = write_config(tmp_path / "config", modalities=["dynamics"])
    [run] = make_runs(config, tmp_path / "run", {"dataset": str(data)})
    AutoModel.from_config(run.config).save_pretrained(tmp_path / "base")
    code = (ROOT / "docs" / "training.md").read_text().split("```python\n")[2].partition("```")[0]
    for written, tried in (("DEFAULT_CHECKPOINT)", "BASE)"), ('"build/', f'"{tmp_path}/')):
        assert written in code
        code = code.replace(written, tried)
    before, comment, after = code.partition("# Here it is trained")
    assert comment
    names = {"BASE": tmp_path / "base"}
    exec(before, names)
    arguments = TrainingArguments(
        tmp_path / "trainer",
        max_steps=2,
        learning_rate=1e-2,
        label_names=["labels"],
        use_cpu=True,
        report_to="none",
    )
    adapted, rows = names["adapted"], run.rows["train"]
    assert isinstance(adapted, PeftModel)
    Trainer(adapted, arguments, data_collator=collate, train_dataset=rows).train()
    exec(comment + after, names)
    batch = collate([rows[0], rows[1]])
    with torch.no_grad():
        found = [
            model.eval()(**batch).scores
            for model in (
                adapted,
                AutoModel.from_pretrained(tmp_path / "model"),
                AutoModel.from_pretrained(names["BASE"]),
            )
        ]
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=0)
    assert not torch.allclose(found[0], found[2], atol=1e-3)
