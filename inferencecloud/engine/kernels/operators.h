// What the operators share: threads, memory, checks, and the two that others are made of.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <vector>

#include "kernels.h"

// Calls work(item) for items 0 .. count; who is free takes the next.
template <typename Work>
void share_out(int64_t count, const Work& work) {
  std::atomic<int64_t> next{0};
  const int64_t threads = std::min<int64_t>(count, at::get_num_threads());
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; thread++) {
      for (int64_t item = next++; item < count; item = next++) work(item);
    }
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

inline void check_cache(const at::Tensor& cache, const char* name) {
  TORCH_CHECK_VALUE(cache.dim() == 4 && cache.size(2) == kBlockTokens, name,
                    ": wanted (blocks, kv_heads, ", kBlockTokens, ", head_dim), got ", cache.sizes());
}

// A batch of attention whose tables and lengths stay within the memory.
Attention checked_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& query_start, const at::Tensor& context,
                            const at::Tensor& block_tables, double scale, int64_t window, double soft_cap,
                            at::Tensor& out);
void attend(const Attention& a, int64_t sequences);

// A layer whose tensors are as large as its shape (bits, group, in, out, gated) says.
Linear checked_linear(const at::Tensor& panels, const at::Tensor& row_scale, const std::optional<at::Tensor>& bias,
                      at::IntArrayRef shape);
int64_t width_of(const Linear& layer);
void multiply(const Linear& layer, const float* x, int64_t tokens, float* out);

// Refuse slots that are not in the memory.
const int64_t* checked_slots(const at::Tensor& slots, const at::Tensor& k_cache);
