// One layer of a decoder of the Llama family for a ragged batch, in one call: norm, queries-keys-values, rotary
// positions, KV memory, attention, output, norm, gated feed forward. Between the kernels stands only what is
// small: each token by itself, so that what it gets does not depend on the others.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <cmath>

#include "operators.h"

namespace {

// What a call brings along, checked.
struct Step {
  Memory memory;
  int64_t tokens, heads, kv_heads, head_dim;
  float eps;
  const float *cos, *sin;  // (tokens, head_dim / 2)
  const int64_t* slots;    // (tokens)
  const float *query_norm, *key_norm;  // (head_dim), or null
};

// Calls work(token) for each token; few tokens are not worth waking other threads for.
template <typename Work>
void each_token(int64_t tokens, const Work& work) {
  at::parallel_for(0, tokens, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) work(i);
  });
}

// to = x / sqrt(mean(x^2) + eps) * weight
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

void rotate(const Step& s, int64_t token, const float* from, float* to) {
  const int64_t half = s.head_dim / 2;
  const float *cos = s.cos + token * half, *sin = s.sin + token * half;
  for (int64_t i = 0; i < half; i++) {
    const float first = from[i], second = from[i + half];
    to[i] = first * cos[i] - second * sin[i];
    to[i + half] = second * cos[i] + first * sin[i];
  }
}

// Norm and turn a token's queries and keys; its keys and values go to the memory.
void place(const Step& s, int64_t token, float* qkv, float* q) {
  float* key = scratch<float>(s.head_dim);
  qkv += token * (s.heads + 2 * s.kv_heads) * s.head_dim;
  for (int64_t h = 0; h < s.heads + s.kv_heads; h++) {
    float* own = qkv + h * s.head_dim;
    const float* norm = h < s.heads ? s.query_norm : s.key_norm;
    if (norm != nullptr) normalize(own, norm, s.head_dim, s.eps, own);
    rotate(s, token, own, h < s.heads ? q + (token * s.heads + h) * s.head_dim : key);
    if (h >= s.heads) put(s.memory, s.memory.keys, s.slots[token], h - s.heads, key);
  }
  const float* values = qkv + (s.heads + s.kv_heads) * s.head_dim;
  for (int64_t h = 0; h < s.kv_heads; h++) put(s.memory, s.memory.values, s.slots[token], h, values + h * s.head_dim);
}

const float* norm_weight(const std::optional<at::Tensor>& weight, const char* name, int64_t width) {
  if (!weight) return nullptr;
  check_shape(*weight, name, {width});
  return data<float>(*weight, name);
}

Linear linear_of(const c10::List<std::optional<at::Tensor>>& tensors, at::IntArrayRef shapes, int64_t number,
                 int64_t in, int64_t width) {
  const std::optional<at::Tensor> panels = tensors.get(3 * number), row_scale = tensors.get(3 * number + 1);
  TORCH_CHECK_VALUE(panels && row_scale, "linear layer ", number, " has no weights");
  const Linear layer =
      checked_linear(*panels, *row_scale, tensors.get(3 * number + 2), shapes.slice(5 * number, 5));
  TORCH_CHECK_VALUE(layer.in == in && width_of(layer) == width, "linear layer ", number, ": wanted ", in, " to ",
                    width, ", got ", layer.in, " to ", width_of(layer));
  return layer;
}

// x += layer(gathered)
void add_product(const Linear& layer, const float* from, at::Tensor& made, float* x, const Addition& added) {
  multiply(layer, from, made.size(0), made.mutable_data_ptr<float>(), added);
  const float* more = made.const_data_ptr<float>();
  for (int64_t i = 0; i < made.numel(); i++) x[i] += more[i];
}

// linears: panels, row_scale and bias of qkv, out, up, down; shapes: five numbers for each of them.
// norms: attention, feed forward, queries, keys. sizes: heads, KV heads, window. reals: eps, scale, soft cap.
// owner, pairs, spans: the adapters, as Adapters takes them.
void decoder_layer(at::Tensor& x, const c10::List<std::optional<at::Tensor>>& linears, at::IntArrayRef shapes,
                   const c10::List<std::optional<at::Tensor>>& norms, at::IntArrayRef sizes,
                   at::ArrayRef<double> reals, const at::Tensor& cos, const at::Tensor& sin,
                   at::Tensor& k_cache, at::Tensor& v_cache, const at::Tensor& slots,
                   const at::Tensor& query_start, const at::Tensor& context, const at::Tensor& block_tables,
                   const std::optional<at::Tensor>& owner, const c10::List<std::optional<at::Tensor>>& pairs,
                   at::IntArrayRef spans) {
  TORCH_CHECK_VALUE(x.dim() == 2, "x: wanted (tokens, width), got ", x.sizes());
  TORCH_CHECK_VALUE(linears.size() == 12 && shapes.size() == 20 && norms.size() == 4 && sizes.size() == 3 &&
                        reals.size() == 3,
                    "wanted four linear layers with their shapes, four norms, three sizes and three reals");
  const Memory memory = checked_memory(k_cache, v_cache);
  const int64_t tokens = x.size(0), width = x.size(1), heads = sizes[0], kv_heads = sizes[1];
  const int64_t head_dim = memory.head_dim, joined = (heads + 2 * kv_heads) * head_dim;
  TORCH_CHECK_VALUE(heads > 0 && kv_heads == memory.kv_heads, "got ", heads, " heads and ", kv_heads,
                    " KV heads for a memory of ", memory.kv_heads);
  check_shape(cos, "cos", {tokens, 1, head_dim / 2});
  check_shape(sin, "sin", {tokens, 1, head_dim / 2});
  check_shape(slots, "slots", {tokens});
  const float *attention_norm = norm_weight(norms.get(0), "attention norm", width),
              *ffn_norm = norm_weight(norms.get(1), "feed forward norm", width);
  TORCH_CHECK_VALUE(attention_norm != nullptr && ffn_norm != nullptr, "a layer has two norms");

  at::Tensor normed = at::empty({tokens, width}, x.options()), made = at::empty({tokens, width}, x.options());
  at::Tensor qkv = at::empty({tokens, joined}, x.options());
  at::Tensor q = at::empty({tokens, heads, head_dim}, x.options()), gathered = at::empty_like(q);
  const Linear to_qkv = linear_of(linears, shapes, 0, width, joined);
  const Linear to_out = linear_of(linears, shapes, 1, heads * head_dim, width);
  const Linear to_down = linear_of(linears, shapes, 3, shapes[5 * 3 + 2], width);
  const Linear to_up = linear_of(linears, shapes, 2, width, to_down.in);
  const Attention attention = checked_attention(q, memory, query_start, context, block_tables, reals[1], sizes[2],
                                                reals[2], gathered);
  const float eps = reals[0];
  const Step s = {memory, tokens, heads, kv_heads, head_dim, eps, data<float>(cos, "cos"), data<float>(sin, "sin"),
                  checked_slots(slots, memory),
                  norm_weight(norms.get(2), "query norm", head_dim), norm_weight(norms.get(3), "key norm", head_dim)};
  Adapters adapters(owner, pairs, spans, tokens, 4);
  float *rows = const_cast<float*>(data<float>(x, "x")), *small = normed.mutable_data_ptr<float>();

  each_token(tokens, [&](int64_t i) { normalize(rows + i * width, attention_norm, width, eps, small + i * width); });
  multiply(to_qkv, small, tokens, qkv.mutable_data_ptr<float>(), adapters.added(0, small, width, joined));
  each_token(tokens, [&](int64_t i) { place(s, i, qkv.mutable_data_ptr<float>(), q.mutable_data_ptr<float>()); });
  attend(attention, context.size(0));
  add_product(to_out, attention.out, made, rows, adapters.added(1, attention.out, to_out.in, width));
  each_token(tokens, [&](int64_t i) { normalize(rows + i * width, ffn_norm, width, eps, small + i * width); });
  at::Tensor hidden = at::empty({tokens, to_down.in}, x.options());
  float* inner = hidden.mutable_data_ptr<float>();
  multiply(to_up, small, tokens, inner, adapters.added(2, small, width, to_up.out));
  add_product(to_down, inner, made, rows, adapters.added(3, inner, to_down.in, width));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(inferencecloud, m) {
  m.def("decoder_layer(Tensor(a!) x, Tensor?[] linears, int[] shapes, Tensor?[] norms, int[] sizes, float[] reals, "
        "Tensor cos, Tensor sin, Tensor(b!) k_cache, Tensor(c!) v_cache, Tensor slots, Tensor query_start, "
        "Tensor context, Tensor block_tables, Tensor? owner, Tensor?[] pairs, int[] spans) -> ()");
}

TORCH_LIBRARY_IMPL(inferencecloud, CPU, m) { m.impl("decoder_layer", &decoder_layer); }
