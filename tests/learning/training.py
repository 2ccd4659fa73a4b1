"""One step of TRL's trainers on files that were downloaded, with a model as small as they come."""

from pathlib import Path
from typing import Any

import datasets
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

TRAINERS = {
    "sft": (SFTTrainer, SFTConfig, {}),
    "dpo": (DPOTrainer, DPOConfig, {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]}),
    "kto": (KTOTrainer, KTOConfig, {}),
}
STARTER = Path(__file__).resolve().parents[2] / "models" / "starter"


def load(folder: Path, kind: str) -> datasets.Dataset:
    """Return the examples of a kind from all parts, as datasets reads the files."""
    files = sorted(str(one) for one in folder.glob(f"*/{kind}.jsonl"))
    cache = str(folder / "cache")
    return datasets.load_dataset("json", data_files=files, split="train", cache_dir=cache)


def train_one_step(folder: Path, kind: str) -> dict[str, Any]:
    """Train once on the files as they are; return what the trainer logged."""
    trainer, config, more = TRAINERS[kind]
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    model = _tiny(len(tokenizer), folder / "tiny")
    before = model.lm_head.weight.detach().clone()
    made = trainer(
        model=model,
        args=config(
            output_dir=str(folder / "trained" / kind),
            max_steps=1,
            per_device_train_batch_size=2,
            learning_rate=0.01,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            bf16=False,
            seed=1,
            **more,
        ),
        train_dataset=load(folder, kind),
        processing_class=tokenizer,
    )
    made.train()
    assert not torch.equal(before, made.model.lm_head.weight.cpu())
    return {key: value for row in made.state.log_history for key, value in row.items()}


def _tiny(words: int, folder: Path) -> LlamaForCausalLM:
    """Return a model that lies in a folder, from where trainers take another as their reference."""
    torch.manual_seed(1)
    shape = LlamaConfig(
        vocab_size=words,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    return LlamaForCausalLM.from_pretrained(folder)
