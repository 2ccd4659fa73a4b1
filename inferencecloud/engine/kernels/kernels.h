// What the operators know of the arithmetic. The arithmetic is compiled once per instruction path.
#pragma once

#include <stdint.h>

constexpr int kBlockTokens = 16;  // tokens in one block of the KV memory
constexpr int kTileRows = 64;     // rows (query x head) that read a piece of the KV memory together

// One call of paged attention; shapes as in attention.py.
struct Attention {
  const float* q;        // (N, heads, head_dim)
  const float* k_cache;  // (blocks, kv_heads, kBlockTokens, head_dim)
  const float* v_cache;
  float* out;                   // (N, heads, head_dim)
  const int32_t* query_start;   // (S + 1)
  const int32_t* context;       // (S)
  const int32_t* block_tables;  // (S, max_blocks)
  int64_t max_blocks;
  int heads, kv_heads, head_dim;
  int window;      // 0: none
  float scale;
  float soft_cap;  // 0: none
};

// Queries first .. first + count of one sequence, for the heads that share one KV head.
struct AttentionTile {
  int sequence, kv_head, first, count;
};

// One instruction path.
struct Kernels {
  int64_t (*attention_scratch_floats)(const Attention&);
  void (*attend)(const Attention&, const AttentionTile&, float* scratch);
};

#if defined(__x86_64__)
extern const Kernels kernels_avx512, kernels_avx2;
#endif
extern const Kernels kernels_portable;
