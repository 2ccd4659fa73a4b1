// What the operators share: threads, memory, checks, and the two that others are made of.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "kernels.h"
#include "team.h"

// Calls work(item) for items 0 .. count; who is free takes the next.
template <typename Work>
void share_out(int64_t count, const Work& work) {
  const auto call = [](const void* context, int64_t item) { (*static_cast<const Work*>(context))(item); };
  share_out(count, at::get_num_threads(), call, &work);
}

// Calls work(token) for each token, some at once: one alone is sooner done than given away.
template <typename Work>
void each_token(int64_t tokens, const Work& work) {
  constexpr int64_t piece = 4;
  share_out((tokens + piece - 1) / piece, [&](int64_t i) {
    for (int64_t token = i * piece; token < std::min(tokens, (i + 1) * piece); token++) work(token);
  });
}

// Memory of a thread that lasts from call to call.
template <typename Number>
Number* scratch(int64_t count) {
  thread_local std::vector<Number> memory;
  if ((int64_t)memory.size() < count) memory.resize(count);
  return memory.data();
}

template <typename Number>
const Number* data(const at::Tensor& tensor, const char* name) {
  TORCH_CHECK_VALUE(tensor.scalar_type() == c10::CppTypeToScalarType<Number>::value, name, " has the type ",
                    tensor.scalar_type());
  TORCH_CHECK_VALUE(tensor.is_contiguous() && tensor.device().is_cpu(), name, " must be contiguous, on the CPU");
  return tensor.const_data_ptr<Number>();
}

inline void check_shape(const at::Tensor& tensor, const char* name, at::IntArrayRef wanted) {
  TORCH_CHECK_VALUE(tensor.sizes() == wanted, name, ": wanted the shape ", wanted, ", got ", tensor.sizes());
}

// Keys and values in pages.
struct Memory {
  uint8_t *keys, *values;  // (blocks, kv_heads, page) each
  int64_t blocks;
  int kv_heads, head_dim;
  bool has_scales;
};

// Two tensors of one shape: (blocks, kv_heads, kBlockTokens, head_dim) float32, or (blocks, kv_heads, page) int8.
Memory checked_memory(const at::Tensor& k_cache, const at::Tensor& v_cache);
// Refuses slots that are not in the memory.
const int64_t* checked_slots(const at::Tensor& slots, const Memory& memory);
// Writes the key, or the value, (head_dim) of a token to `pages`, which are those of `memory`.
void put(const Memory& memory, uint8_t* pages, int64_t slot, int64_t kv_head, const float* row);

// A batch of attention whose tables and lengths stay within the memory.
Attention checked_attention(const at::Tensor& q, const Memory& memory, const at::Tensor& query_start,
                            const at::Tensor& context, const at::Tensor& block_tables, double scale, int64_t window,
                            double soft_cap, at::Tensor& out);
void attend(const Attention& a, int64_t sequences);

// A layer whose tensors are as large as its shape (bits, group, in, out, gated) says; with 16 or 32 bits the weights
// are floating and have no scales.
Linear checked_linear(const at::Tensor& panels, const std::optional<at::Tensor>& row_scale,
                      const std::optional<at::Tensor>& bias, at::IntArrayRef shape);
int64_t width_of(const Linear& layer);
void multiply(const Linear& layer, const float* x, int64_t tokens, float* out, const Addition& added = {});
const LinearKernels& linear_kernels();  // of the path in use

// The adapters of a step (low_rank.py), for some linear layers of the model.
class Adapters {
 public:
  // owner: which adapter each token has, below 0 for none; null: no token has one.
  // pairs: down and up of each adapter, for each linear layer; spans: kMostParts x (first output, outputs).
  Adapters(const std::optional<at::Tensor>& owner, const c10::List<std::optional<at::Tensor>>& pairs,
           at::IntArrayRef spans, int64_t tokens, int64_t layers);

  // Return what is added to a layer from `in` to `out`; the values last until the next call.
  Addition added(int64_t layer, const float* x, int64_t in, int64_t out);
  // Only these rows of the tokens go on.
  void keep(const at::Tensor& rows);

 private:
  at::Tensor owner_, values_;
  c10::List<std::optional<at::Tensor>> pairs_;
  at::IntArrayRef spans_;
  int64_t count_, tokens_;
};
