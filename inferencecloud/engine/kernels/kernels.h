// What the operators know of the arithmetic. The arithmetic is compiled once per instruction path.
#pragma once

#include <stdint.h>

constexpr int kBlockTokens = 16;  // tokens in one block of the KV memory
constexpr int kTileRows = 64;     // rows (query x head) that read a piece of the KV memory together

// Bytes of a page: what one KV head has in one block. It holds float32, or bytes and behind them one float32 scale
// for each of its tokens (pages.py).
inline int64_t page_bytes(int head_dim, bool has_scales) {
  return kBlockTokens * (has_scales ? head_dim + (int64_t)sizeof(float) : head_dim * (int64_t)sizeof(float));
}

// One call of paged attention; shapes as in attention.py.
struct Attention {
  const float* q;          // (N, heads, head_dim)
  const uint8_t* k_cache;  // (blocks, kv_heads, page)
  const uint8_t* v_cache;
  float* out;                   // (N, heads, head_dim)
  const int32_t* query_start;   // (S + 1)
  const int32_t* context;       // (S)
  const int32_t* block_tables;  // (S, max_blocks)
  int64_t max_blocks;
  int heads, kv_heads, head_dim;
  bool has_scales;  // whether the pages hold bytes
  int window;       // 0: none
  float scale;
  float soft_cap;  // 0: none
};

// Queries first .. first + count of one sequence, for the heads that share one KV head.
struct AttentionTile {
  int sequence, kv_head, first, count;
};

constexpr int kPanelRows = 32;  // outputs that are computed together
constexpr int kQuad = 4;        // inputs that one instruction multiplies

// A linear layer: with weights of 8 or 4 bits as linear.py lays it out, or with floating ones as dense.py does.
struct Linear {
  const uint8_t* panels;   // (panels, panel_bytes)
  const float* row_scale;  // (panels * kPanelRows); null where weights are floating
  const float* bias;       // (panels * kPanelRows, or kDenseRows), or null
  int64_t panel_bytes;
  int bits;  // of a weight: 8, 4; 32 for float32, 16 for bfloat16
  int in, padded_in, out;
  int group;       // inputs that share a scale and a sum: padded_in where bits is 8
  bool is_gated;   // half of the outputs gate the other half (SwiGLU): of a panel, or of all where weights are floating
};

// What adapters add to the outputs of some tokens, before the layer gates them.
struct Addition {
  const float* values = nullptr;   // (count, out): gates first, then what they gate; null: nothing is added
  const int32_t* owner = nullptr;  // (count): below 0 where nothing is added
};

constexpr int kNarrow = 16;  // outputs of a low-rank product that are computed together

// Activations, one scale for each token.
struct Tokens {
  int count;
  int8_t* values;  // (count, padded_in)
  float* scale;    // (count)
  int32_t* sums;   // (count, padded_in / group): of the values of each group
  Addition added;
};

constexpr int kDenseRows = 16;  // outputs of a layer with floating weights that are computed together

// A linear layer with weights of float32 or bfloat16, as dense.py lays it out.
struct Dense {
  const float* wide;       // (panels, in, kDenseRows); null where they are bfloat16
  const uint16_t* narrow;  // the same in bfloat16, or null
  const float* bias;       // (panels * kDenseRows), or null
  int in, out;
};

// The arithmetic of one instruction path.
struct AttentionKernels {
  int64_t (*scratch_floats)(const Attention&);
  void (*attend)(const Attention&, const AttentionTile&, float* scratch);
};

struct LinearKernels {
  float (*quantize_row)(const float* x, int width, int8_t* values);  // returns the scale
  void (*quantize)(const Linear&, const float* x, const Tokens&, int token);
  void (*multiply)(const Linear&, const Tokens&, int panel, uint8_t* scratch, float* out);
  void (*narrow)(const float* x, int64_t in, const float* weight, float* out);
};

struct DenseKernels {
  void (*multiply)(const Dense&, const float* x, int tokens, int panel, float* scratch, float* out);
  void (*gate)(const float* both, int width, float* out);  // out = silu(both) * (both + width), of one token
};
