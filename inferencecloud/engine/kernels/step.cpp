// One layer for a ragged batch: norm, queries-keys-values, rotary positions, KV memory, attention, output, norm,
// gated feed forward. Between the kernels stands only what is small: each token by itself, so that what it gets
// does not depend on the others.
#include "step.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/index_select.h>

#include <cmath>

namespace {

void rotate(const Angles& angles, int64_t position, const float* from, float* to) {
  const int64_t half = angles.head_dim / 2;
  const float *cos = angles.cos + position * half, *sin = angles.sin + position * half;
  for (int64_t i = 0; i < half; i++) {
    const float first = from[i], second = from[i + half];
    to[i] = first * cos[i] - second * sin[i];
    to[i + half] = second * cos[i] + first * sin[i];
  }
}

// Norm and turn a token's queries and keys; its keys and values go to the memory.
void place(const DecoderLayer& layer, const Angles& angles, const Memory& memory, int64_t position, int64_t slot,
           float* qkv, float* q) {
  const int64_t width = angles.head_dim;
  float* key = scratch<float>(width);
  for (int64_t h = 0; h < layer.heads + layer.kv_heads; h++) {
    float* own = qkv + h * width;
    const float* norm = h < layer.heads ? layer.query_norm : layer.key_norm;
    if (norm != nullptr) normalize(own, norm, width, layer.eps, own);
    rotate(angles, position, own, h < layer.heads ? q + h * width : key);
    if (h >= layer.heads) put(memory, memory.keys, slot, h - layer.heads, key);
  }
  const float* values = qkv + (layer.heads + layer.kv_heads) * width;
  for (int64_t h = 0; h < layer.kv_heads; h++) put(memory, memory.values, slot, h, values + h * width);
}

// The queries (tokens, heads, head_dim) of the stream; its keys and values are in the memory afterwards.
at::Tensor queries(const DecoderLayer& layer, int64_t number, Stream& stream, const Angles& angles,
                   const Memory& memory) {
  const int64_t tokens = stream.x.size(0), width = layer.qkv.in, joined = layer.qkv.out;
  const int64_t own = layer.heads * memory.head_dim;
  at::Tensor normed = at::empty({tokens, width}, stream.x.options()), qkv = at::empty({tokens, joined}, at::kFloat);
  at::Tensor q = at::empty({tokens, layer.heads, memory.head_dim}, at::kFloat);
  const float* x = stream.x.const_data_ptr<float>();
  float *small = normed.mutable_data_ptr<float>(), *made = qkv.mutable_data_ptr<float>();
  float* to = q.mutable_data_ptr<float>();
  const int64_t *slots = checked_slots(stream.slots, memory), *positions = data<int64_t>(stream.positions, "positions");
  each_token(tokens, [&](int64_t i) {
    normalize(x + i * width, layer.attention_norm, width, layer.eps, small + i * width);
  });
  multiply(layer.qkv, small, tokens, made, stream.adapters.added(4 * number, small, width, joined));
  each_token(tokens, [&](int64_t i) {
    place(layer, angles, memory, positions[i], slots[i], made + i * joined, to + i * own);
  });
  return q;
}

// Where the wanted rows of each sequence begin, (sequences + 1); they are its last.
at::Tensor starts_of(const at::Tensor& wanted, const at::Tensor& query_start) {
  TORCH_CHECK_VALUE(query_start.dim() == 1 && query_start.size(0) > 0, "query_start: wanted (sequences + 1), got ",
                    query_start.sizes());
  const int64_t sequences = query_start.size(0) - 1, rows = wanted.size(0);
  at::Tensor starts = at::empty({sequences + 1}, at::kInt);
  const int64_t* row = data<int64_t>(wanted, "wanted");
  const int32_t* ends = data<int32_t>(query_start, "query_start") + 1;
  int32_t* start = starts.mutable_data_ptr<int32_t>();
  int64_t i = 0;
  for (int64_t s = 0; s < sequences; s++) {
    start[s] = i;
    while (i < rows && row[i] < ends[s]) i++;
    for (int64_t j = start[s]; j < i; j++) {
      TORCH_CHECK_VALUE(row[j] == ends[s] - (i - j), "wanted: row ", row[j], " is not among the last of a sequence");
    }
  }
  TORCH_CHECK_VALUE(i == rows, "wanted: row ", row[i], " is in no sequence");
  start[sequences] = rows;
  return starts;
}

// Only the wanted rows of the stream and of its queries go on.
void keep(Stream& stream, at::Tensor& q, const at::Tensor& wanted) {
  stream.query_start = starts_of(wanted, stream.query_start);
  stream.x = at::index_select(stream.x, 0, wanted);
  stream.adapters.keep(wanted);
  q = at::index_select(q, 0, wanted);
}

// x += layer(from)
void add_product(const Linear& layer, const float* from, at::Tensor& x, const Addition& added) {
  at::Tensor made = at::empty_like(x);
  multiply(layer, from, x.size(0), made.mutable_data_ptr<float>(), added);
  const float* more = made.const_data_ptr<float>();
  float* to = x.mutable_data_ptr<float>();
  const int64_t width = x.size(1);
  each_token(x.size(0), [&](int64_t i) {
    for (int64_t j = i * width; j < (i + 1) * width; j++) to[j] += more[j];
  });
}

}  // namespace

void normalize(const float* x, const float* weight, int64_t width, float eps, float* to) {
  constexpr int64_t lanes = 16;
  float squares[lanes] = {};
  for (int64_t i = 0; i < width / lanes * lanes; i += lanes) {
    for (int64_t j = 0; j < lanes; j++) squares[j] += x[i + j] * x[i + j];
  }
  float sum = 0;
  for (int64_t i = width / lanes * lanes; i < width; i++) sum += x[i] * x[i];
  for (float each : squares) sum += each;
  const float scale = 1 / std::sqrt(sum / (float)width + eps);
  for (int64_t i = 0; i < width; i++) to[i] = x[i] * scale * weight[i];
}

void check_positions(const at::Tensor& positions, const Angles& angles) {
  const int64_t* position = data<int64_t>(positions, "positions");
  for (int64_t i = 0; i < positions.size(0); i++) {
    TORCH_CHECK_VALUE(position[i] >= 0 && position[i] < angles.positions, "position ", position[i], " of ",
                      angles.positions);
  }
}

void pass(const DecoderLayer& layer, int64_t number, Stream& stream, const Angles& angles, const Memory& memory,
          const at::Tensor* wanted) {
  at::Tensor q = queries(layer, number, stream, angles, memory);
  if (wanted != nullptr) keep(stream, q, *wanted);
  const int64_t tokens = stream.x.size(0), width = layer.qkv.in, inner = layer.down.in;
  at::Tensor gathered = at::empty_like(q), normed = at::empty_like(stream.x);
  at::Tensor hidden = at::empty({tokens, inner}, at::kFloat);
  const Attention attention = checked_attention(q, memory, stream.query_start, stream.context, stream.block_tables,
                                                layer.scale, layer.window, layer.soft_cap, gathered);
  attend(attention, stream.context.size(0));
  add_product(layer.out, attention.out, stream.x,
              stream.adapters.added(4 * number + 1, attention.out, layer.out.in, width));
  const float* x = stream.x.const_data_ptr<float>();
  float *small = normed.mutable_data_ptr<float>(), *within = hidden.mutable_data_ptr<float>();
  each_token(tokens, [&](int64_t i) {
    normalize(x + i * width, layer.ffn_norm, width, layer.eps, small + i * width);
  });
  multiply(layer.up, small, tokens, within, stream.adapters.added(4 * number + 2, small, width, layer.up.out));
  add_product(layer.down, within, stream.x, stream.adapters.added(4 * number + 3, within, inner, width));
}
