// A layer of a decoder of the Llama family, for the tokens of a step.
#pragma once

#include "operators.h"

// A layer, checked; whoever owns it keeps the tensors.
struct DecoderLayer {
  Linear qkv, out, up, down;
  const float *attention_norm, *ffn_norm;  // (width)
  const float *query_norm, *key_norm;      // (head_dim), or null
  int64_t heads, kv_heads, window;
  double eps, scale, soft_cap;
};

// The angles of every position.
struct Angles {
  const float *cos, *sin;  // (positions, head_dim / 2)
  int64_t positions, head_dim;
};

// The tokens of a step on their way through the layers.
struct Stream {
  at::Tensor x;                                   // (tokens, width) float32
  at::Tensor query_start, context, block_tables;  // as in attention.py
  at::Tensor positions, slots;                    // (tokens) int64
  Adapters adapters;                              // four linear layers for each layer
};

// to = x / sqrt(mean(x^2) + eps) * weight
void normalize(const float* x, const float* weight, int64_t width, float eps, float* to);

// Refuses positions that have no angles.
void check_positions(const at::Tensor& positions, const Angles& angles);

// Lets the tokens of the stream pass layer `number`; keys and values go to the memory. Where rows are wanted, the
// last ones of sequences, only they go on: nothing reads what the others would become.
void pass(const DecoderLayer& layer, int64_t number, Stream& stream, const Angles& angles, const Memory& memory,
          const at::Tensor* wanted);
