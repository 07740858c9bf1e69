"""Weights that vLLM can load, from the bundled GGUF file; run by vLLM's own Python.

    python vllm_weights.py MODEL.gguf FOLDER

FOLDER/model gets the tensors as bfloat16 with their tokenizer, FOLDER/adapter a LoRA adapter of
random values: it proves loading and naming, not learning.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

RANK = 8


def main() -> None:
    """Write both folders."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model.save_pretrained(target / "model")
    tokenizer.save_pretrained(target / "model")
    write_adapter(target / "adapter", model)


def write_adapter(folder: Path, model: torch.nn.Module) -> None:
    """A LoRA adapter on the query and value projections, in PEFT's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    tensors = {}
    for name, module in model.named_modules():
        if name.endswith(("q_proj", "v_proj")):
            prefix = f"base_model.model.{name}"
            tensors[f"{prefix}.lora_A.weight"] = torch.randn(RANK, module.in_features) * 0.05
            tensors[f"{prefix}.lora_B.weight"] = torch.randn(module.out_features, RANK) * 0.05
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["q_proj", "v_proj"],
        "base_model_name_or_path": "smollm2-135m",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    main()
