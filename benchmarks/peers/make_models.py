"""Write the models that all engines are measured with: `python -m benchmarks.peers.make_models NAME`.

Two have random weights in the shapes of SmolLM2-135M and Qwen2.5-0.5B and the words t0, t1, ... as
tokens; the third is the starter. None has a token that ends an answer, so that every engine writes as many
tokens as it is asked for.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from benchmarks.peers.places import QWEN, ROOT, SMOL, STARTER, model
from inferencecloud.artifacts.manifest import write_manifest

SPECIAL = {"bos_token_id": 1, "eos_token_id": None, "pad_token_id": 3}
WORDS = {"unk_token": "t0", "bos_token": "t1", "pad_token": "t3"}


def qwen() -> PreTrainedModel:
    """Return random weights in the shape of Qwen2.5-0.5B: 494 M parameters.

    As Llama, without the biases of queries, keys and values: to the class of Qwen2 belongs a tokenizer that
    does not take our words.
    """
    config = LlamaConfig(
        hidden_size=896,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        intermediate_size=4864,
        vocab_size=151936,
        tie_word_embeddings=True,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        **SPECIAL,
    )
    return LlamaForCausalLM(config)


def smol() -> PreTrainedModel:
    """Return random weights in the shape of SmolLM2-135M."""
    config = LlamaConfig(
        hidden_size=576,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        intermediate_size=1536,
        vocab_size=49152,
        tie_word_embeddings=True,
        max_position_embeddings=2048,
        **SPECIAL,
    )
    return LlamaForCausalLM(config)


def save_random(random: PreTrainedModel, folder: Path) -> None:
    """Save a model with a tokenizer of words."""
    size = random.config.vocab_size
    words = Tokenizer(
        models.WordLevel({f"t{i}": i for i in range(size)}, unk_token=WORDS["unk_token"])
    )
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    random.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=words, **WORDS).save_pretrained(folder)


def save_starter(folder: Path) -> None:
    """Copy the starter without what says that a token is the end."""
    shutil.copytree(
        ROOT / "models" / "starter", folder, ignore=shutil.ignore_patterns("manifest.json")
    )
    for name, key in (
        ("config.json", "eos_token_id"),
        ("generation_config.json", "eos_token_id"),
        ("tokenizer_config.json", "eos_token"),
    ):
        content = json.loads((folder / name).read_text())
        content.pop(key)
        if name == "config.json":
            content[key] = None  # or the class's own would hold
        (folder / name).write_text(json.dumps(content, indent=2))
    if PretrainedConfig.from_pretrained(folder).eos_token_id is not None:
        raise ValueError(f"wanted a model without an end in {folder}, got one with")


def main(name: str) -> None:
    """Write one model as an artifact, all or nothing."""
    target = model(name, "hf")
    partly = target.with_name("hf.partly")
    shutil.rmtree(partly, ignore_errors=True)
    partly.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    if name == STARTER:
        save_starter(partly)
    else:
        save_random({SMOL: smol, QWEN: qwen}[name](), partly)
    write_manifest(partly, name=name, licence="none")
    shutil.rmtree(target, ignore_errors=True)
    partly.rename(target)


if __name__ == "__main__":
    main(sys.argv[1])
