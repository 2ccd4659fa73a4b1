// What low-rank adapters add to a linear layer: for each token the products with its own adapter, and for
// tokens without one nothing. Each token by itself: it gets the same bits whatever other tokens there are.
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <torch/library.h>

#include "operators.h"

namespace {

constexpr int64_t kMostParts = 3;  // queries, keys and values share a layer

// One adapter's part in one linear layer. Part p takes numbers p * rank .. of what `down` makes of a token.
struct LowRank {
  const float* down = nullptr;  // (down_blocks, in, kNarrow), or null: the adapter leaves the layer alone
  const float* up = nullptr;    // (blocks, rank, kNarrow)
  int64_t in = 0, down_blocks = 0, rank = 0;
  at::IntArrayRef spans;  // kMostParts x (first output, outputs)
};

int64_t blocks_of(int64_t outputs) { return (outputs + kNarrow - 1) / kNarrow; }

LowRank checked_low_rank(const std::optional<at::Tensor>& down, const std::optional<at::Tensor>& up,
                         at::IntArrayRef spans, int64_t in, int64_t out) {
  TORCH_CHECK_VALUE(down.has_value() == up.has_value(), "an adapter has both down and up, or neither");
  if (!down) return {};
  TORCH_CHECK_VALUE(down->dim() == 3 && up->dim() == 3 && up->size(1) > 0, "wanted adapters in blocks, got ",
                    down->sizes(), " and ", up->sizes());
  int64_t blocks = 0, parts = 0;
  for (int64_t p = 0; p < kMostParts; p++) {
    const int64_t first = spans[2 * p], width = spans[2 * p + 1];
    TORCH_CHECK_VALUE(first >= 0 && width >= 0 && first + width <= out, "outputs ", first, " to ", first + width,
                      " of ", out);
    blocks += blocks_of(width);
    if (width > 0) parts = p + 1;
  }
  const int64_t rank = up->size(1);
  check_shape(*down, "down", {blocks_of(parts * rank), in, kNarrow});
  check_shape(*up, "up", {blocks, rank, kNarrow});
  return {data<float>(*down, "down"), data<float>(*up, "up"), in, down->size(0), rank, spans};
}

// to = x down up, for one token
void apply(const LowRank& adapter, const float* x, float* to) {
  const LinearKernels& kernels = linear_kernels();
  float* hidden = scratch<float>(adapter.down_blocks * kNarrow);
  for (int64_t block = 0; block < adapter.down_blocks; block++) {
    kernels.narrow(x, adapter.in, adapter.down + block * adapter.in * kNarrow, hidden + block * kNarrow);
  }
  const float* up = adapter.up;
  for (int64_t part = 0; part < kMostParts; part++) {
    const int64_t first = adapter.spans[2 * part], width = adapter.spans[2 * part + 1];
    for (int64_t i = 0; i < width; i += kNarrow, up += adapter.rank * kNarrow) {
      float made[kNarrow];
      kernels.narrow(hidden + part * adapter.rank, adapter.rank, up, made);
      std::copy_n(made, std::min<int64_t>(kNarrow, width - i), to + first + i);
    }
  }
}

void low_rank(const at::Tensor& x, const at::Tensor& owner, const c10::List<std::optional<at::Tensor>>& pairs,
              at::IntArrayRef spans, at::Tensor& out) {
  TORCH_CHECK_VALUE(x.dim() == 2 && out.dim() == 2, "wanted two dimensions, got ", x.sizes(), " and ", out.sizes());
  check_shape(out, "out", {x.size(0), out.size(1)});
  float* to = const_cast<float*>(data<float>(out, "out"));
  Adapters adapters(owner, pairs, spans, x.size(0), 1);
  const Addition added = adapters.added(0, data<float>(x, "x"), x.size(1), out.size(1));
  for (int64_t i = 0; added.values != nullptr && i < x.size(0); i++) {
    if (added.owner[i] >= 0) std::copy_n(added.values + i * out.size(1), out.size(1), to + i * out.size(1));
  }
}

}  // namespace

Adapters::Adapters(const std::optional<at::Tensor>& owner, const c10::List<std::optional<at::Tensor>>& pairs,
                   at::IntArrayRef spans, int64_t tokens, int64_t layers)
    : pairs_(pairs), spans_(spans), count_(0), tokens_(tokens) {
  if (!owner) return;
  owner_ = *owner;
  count_ = pairs.size() / (2 * layers);
  TORCH_CHECK_VALUE((int64_t)pairs.size() == 2 * layers * count_ &&
                        (int64_t)spans.size() == 2 * kMostParts * layers * count_,
                    "got ", pairs.size(), " tensors and ", spans.size(), " numbers for the adapters of ", layers,
                    " layers");
  check_shape(owner_, "owner", {tokens});
  const int32_t* own = data<int32_t>(owner_, "owner");
  for (int64_t i = 0; i < tokens; i++) {
    TORCH_CHECK_VALUE(own[i] < count_, "a token has adapter ", own[i], " of ", count_);
  }
}

Addition Adapters::added(int64_t layer, const float* x, int64_t in, int64_t out) {
  std::vector<LowRank> adapters;
  bool is_any = false;
  for (int64_t i = layer * count_; i < (layer + 1) * count_; i++) {
    adapters.push_back(checked_low_rank(pairs_.get(2 * i), pairs_.get(2 * i + 1),
                                        spans_.slice(2 * kMostParts * i, 2 * kMostParts), in, out));
    is_any = is_any || adapters.back().down != nullptr;
  }
  if (!is_any) return {};
  values_ = at::empty({tokens_, out}, at::kFloat);
  float* values = values_.mutable_data_ptr<float>();
  const int32_t* owner = owner_.const_data_ptr<int32_t>();
  share_out(tokens_, [&](int64_t i) {
    if (owner[i] < 0) return;
    std::fill_n(values + i * out, out, 0.0f);
    if (adapters[owner[i]].down != nullptr) apply(adapters[owner[i]], x + i * in, values + i * out);
  });
  return {values, owner};
}

void Adapters::keep(const at::Tensor& rows) {
  tokens_ = rows.size(0);
  if (owner_.defined()) owner_ = at::index_select(owner_, 0, rows);
}

TORCH_LIBRARY_FRAGMENT(inferencecloud, m) {
  m.def("low_rank(Tensor x, Tensor owner, Tensor?[] pairs, int[] spans, Tensor(a!) out) -> ()");
}

TORCH_LIBRARY_IMPL(inferencecloud, CPU, m) { m.impl("low_rank", &low_rank); }
