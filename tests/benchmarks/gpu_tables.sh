#!/usr/bin/env bash
# The tables that a GPU is wanted for, in under ten minutes on one H100: kernels of attention against float32, then the
# learner at the shapes and lengths for which prime-rl publishes one H100 (tokens/s, MFU, GiB in the titles; 2026-02).
# Not run yet.
set -euo pipefail
cd "$(dirname "$0")/../.."
table() {
  echo; echo "## $1"; echo; shift
  timeout 200 python -m "$@" || echo "failed: $*"
}
gpu=tests.benchmarks.learner_gpu
table "attention: error against float32 rows, time" tests.benchmarks.attention_gpu
table "Qwen3-0.6B, all weights, 16k (prime-rl: RL 11,896, 11.1 %, 12.5; SFT 25,486, 23.7 %, 52.8)" \
  $gpu --shapes qwen3-0.6b --presets none --completions 0 8 28 --loss grpo sft --checkpointing
table "Qwen3-0.6B, all weights, 65k (prime-rl: RL 10,147, 26.8 %, 19.6)" \
  $gpu --shapes qwen3-0.6b --presets none --completions 0 --tokens 65536 --checkpointing
table "Qwen3-0.6B, LoRA r16, 16k (prime-rl: RL 13,342, 10.9 %, 5.1)" \
  $gpu --shapes qwen3-0.6b --presets lora --completions 0 8 --checkpointing
table "Qwen3-4B, LoRA r16, 16k (prime-rl: RL 6,229, 21.7 %, 23.3)" \
  $gpu --shapes qwen3-4b --presets lora --completions 0 8 --checkpointing
