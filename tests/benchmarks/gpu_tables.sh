#!/usr/bin/env bash
# The tables that a GPU is wanted for, in under ten minutes on one H100: kernels of attention against float32, then the
# learner at the shapes and lengths for which prime-rl publishes one H100 (tokens/s, MFU, GiB in the titles; 2026-02),
# then NF4 on two ranks. docs/gpu.md says what came of it.
set -uo pipefail
cd "$(dirname "$0")/../.."
table() {
  echo; echo "## $1"; echo; shift
  timeout "${LIMIT:-120}" python3 -m "$@" || echo "failed: $*"
}
learner="tests.benchmarks.learner_gpu --compile"
table "attention: error against float32 rows, time" tests.benchmarks.attention_gpu --kernels blocks varlen flash4
table "Qwen3-0.6B, all weights, 16k (prime-rl: RL 11,896, 11.1 %, 12.5)" \
  $learner --shapes qwen3-0.6b --presets none --completions 0 8 28 --checkpointing
table "Qwen3-0.6B, all weights, 16k, activations kept (prime-rl: SFT 25,486, 23.7 %, 52.8)" \
  $learner --shapes qwen3-0.6b --presets none --completions 0 8 --loss sft grpo
table "Qwen3-0.6B, all weights, 65k (prime-rl: RL 10,147, 26.8 %, 19.6)" \
  $learner --shapes qwen3-0.6b --presets none --completions 0 --tokens 65536 --checkpointing --rounds 1
table "Qwen3-0.6B, all weights, 16k, FlashAttention 4" \
  $learner --shapes qwen3-0.6b --presets none --completions 0 --checkpointing --attention flash4
LIMIT=60 table "the same, 65k" $learner --shapes qwen3-0.6b --presets none --completions 0 --tokens 65536 \
  --checkpointing --rounds 1 --attention flash4
table "Qwen3-0.6B, LoRA r16, 16k (prime-rl: RL 13,342, 10.9 %, 5.1)" \
  $learner --shapes qwen3-0.6b --presets lora --completions 0 8 --checkpointing
table "Llama 3.2 1B, all weights, 16k" $learner --shapes 1b --presets none --completions 0 8 28
table "Qwen3-4B, LoRA r16, 16k (prime-rl: RL 6,229, 21.7 %, 23.3)" \
  $learner --shapes qwen3-4b --presets lora --completions 0 8 28 --checkpointing --rounds 2
table "NF4: two ranks of one GPU against one" tests.benchmarks.nf4_ranks_gpu
table "attention: FlexAttention, compiled" tests.benchmarks.attention_gpu --kernels flex
