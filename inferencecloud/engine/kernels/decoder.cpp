// A decoder of the Llama family: from token ids to logits in one call. Its tensors are checked once.
#include <ATen/ops/empty.h>
#include <torch/custom_class.h>
#include <torch/library.h>

#include "step.h"

namespace {

using Tensors = c10::List<std::optional<at::Tensor>>;
using Numbers = std::vector<int64_t>;

// panels, row_scale and bias, the shape as checked_linear takes it; what it is to be called in a refusal.
Linear linear_of(const Tensors& tensors, at::IntArrayRef shapes, int64_t number, const char* name) {
  const std::optional<at::Tensor> panels = tensors.get(3 * number);
  TORCH_CHECK_VALUE(panels, name, " has no weights");
  return checked_linear(*panels, tensors.get(3 * number + 1), tensors.get(3 * number + 2),
                        shapes.slice(5 * number, 5));
}

void check_linear(const Linear& layer, const char* name, int64_t in, int64_t width) {
  TORCH_CHECK_VALUE(layer.in == in && width_of(layer) == width, name, ": wanted ", in, " to ", width, ", got ",
                    layer.in, " to ", width_of(layer));
}

const float* norm_of(const std::optional<at::Tensor>& weight, const char* name, int64_t width) {
  if (!weight) return nullptr;
  check_shape(*weight, name, {width});
  return data<float>(*weight, name);
}

template <typename Number>
void floating_row_of(const Linear& layer, int64_t row, float* to) {
  const Number* at = (const Number*)layer.panels + row / kDenseRows * layer.in * kDenseRows + row % kDenseRows;
  for (int64_t i = 0; i < layer.in; i++) to[i] = (float)at[i * kDenseRows];
}

// A row of the weight, as the layer's `rows` has it in Python.
void row_of(const Linear& layer, int64_t row, float* to) {
  if (layer.bits == 32) return floating_row_of<float>(layer, row, to);
  if (layer.bits == 16) return floating_row_of<c10::BFloat16>(layer, row, to);
  const uint8_t* panel = layer.panels + row / kPanelRows * layer.panel_bytes;
  const int64_t place = row % kPanelRows;
  const float scale = layer.row_scale[row];
  if (layer.bits == 8) {
    for (int64_t i = 0; i < layer.in; i++) {
      to[i] = (float)((int)panel[i / kQuad * kPanelRows * kQuad + place * kQuad + i % kQuad] - 128) * scale;
    }
    return;
  }
  const int64_t group_bytes = kPanelRows * 2 + (int64_t)layer.group * kPanelRows / 2;
  for (int64_t i = 0; i < layer.in; i++) {
    const uint8_t* group = panel + i / layer.group * group_bytes;
    const float share = ((const c10::Half*)group)[place];
    const int64_t within = i % layer.group, quad = within / kQuad;
    const uint8_t both = group[kPanelRows * 2 + (quad / 2 * kPanelRows + place) * kQuad + within % kQuad];
    to[i] = (float)((quad % 2 == 0 ? both & 15 : both >> 4) - 8) * (share * scale);
  }
}

class Decoder : public torch::CustomClassHolder {
 public:
  // norm: (width). words: (vocabulary, width), or null where the head's rows serve. cos, sin: (positions, 1,
  // head_dim / 2).
  Decoder(at::Tensor norm, double eps, std::optional<at::Tensor> words, Tensors head, Numbers shape, at::Tensor cos,
          at::Tensor sin)
      : norm_(norm), words_(words), cos_(cos), sin_(sin), held_{head}, eps_(eps), width_(norm.size(0)) {
    head_ = linear_of(head, shape, 0, "head");
    check_linear(head_, "head", width_, head_.out);
    norm_of(norm, "norm", width_);
    if (words) {
      check_shape(*words, "words", {head_.out, width_});
      data<float>(*words, "words");
    }
    TORCH_CHECK_VALUE(cos.dim() == 3 && cos.size(1) == 1, "cos: wanted (positions, 1, half a head), got ", cos.sizes());
    check_shape(sin, "sin", cos.sizes());
    angles_ = {data<float>(cos, "cos"), data<float>(sin, "sin"), cos.size(0), 2 * cos.size(2)};
  }

  // linears: panels, row_scale and bias of qkv, out, up, down; shapes: five numbers for each of them.
  // norms: attention, feed forward, queries, keys. sizes: heads, KV heads, window. reals: eps, scale, soft cap.
  void add_layer(Tensors linears, Numbers shapes, Tensors norms, Numbers sizes, std::vector<double> reals) {
    TORCH_CHECK_VALUE(linears.size() == 12 && shapes.size() == 20 && norms.size() == 4 && sizes.size() == 3 &&
                          reals.size() == 3,
                      "wanted four linear layers with their shapes, four norms, three sizes and three reals");
    const int64_t heads = sizes[0], kv_heads = sizes[1], head_dim = angles_.head_dim;
    TORCH_CHECK_VALUE(heads > 0 && kv_heads > 0, "got ", heads, " heads and ", kv_heads, " KV heads");
    const DecoderLayer layer = {linear_of(linears, shapes, 0, "qkv"), linear_of(linears, shapes, 1, "out"),
                                linear_of(linears, shapes, 2, "up"), linear_of(linears, shapes, 3, "down"),
                                norm_of(norms.get(0), "attention norm", width_),
                                norm_of(norms.get(1), "feed forward norm", width_),
                                norm_of(norms.get(2), "query norm", head_dim),
                                norm_of(norms.get(3), "key norm", head_dim), heads, kv_heads, sizes[2], reals[0],
                                reals[1], reals[2]};
    TORCH_CHECK_VALUE(layer.attention_norm != nullptr && layer.ffn_norm != nullptr, "a layer has two norms; got less");
    check_linear(layer.qkv, "qkv", width_, (heads + 2 * kv_heads) * head_dim);
    check_linear(layer.out, "out", heads * head_dim, width_);
    check_linear(layer.up, "up", width_, layer.down.in);
    check_linear(layer.down, "down", layer.down.in, width_);
    held_.insert(held_.end(), {linears, norms});
    layers_.push_back(layer);
  }

  // x: (tokens, width), replaced by what the layers make of it. keys, values: of each layer. owner, pairs, spans: the
  // adapters, as Adapters takes them.
  void layers(at::Tensor x, at::Tensor positions, at::Tensor slots, at::Tensor query_start, at::Tensor context,
              at::Tensor block_tables, std::vector<at::Tensor> keys, std::vector<at::Tensor> values,
              std::optional<at::Tensor> owner, Tensors pairs, Numbers spans) const {
    Stream stream = {x,         query_start, context, block_tables,
                     positions, slots,       {owner, pairs, spans, x.size(0), 4 * (int64_t)layers_.size()}};
    run(stream, keys, values, nullptr);
  }

  // ids: (tokens). Return the logits (wanted, vocabulary).
  at::Tensor forward(at::Tensor ids, at::Tensor positions, at::Tensor slots, at::Tensor query_start,
                     at::Tensor context, at::Tensor block_tables, at::Tensor wanted, std::vector<at::Tensor> keys,
                     std::vector<at::Tensor> values, std::optional<at::Tensor> owner, Tensors pairs,
                     Numbers spans) const {
    TORCH_CHECK_VALUE(!layers_.empty() && wanted.dim() == 1, "wanted some layers, and rows in one dimension");
    Stream stream = {embedded(ids), query_start, context, block_tables,
                     positions,     slots,       {owner, pairs, spans, ids.size(0), 4 * (int64_t)layers_.size()}};
    run(stream, keys, values, &wanted);
    const int64_t rows = wanted.size(0);
    at::Tensor logits = at::empty({rows, head_.out}, at::kFloat);
    if (rows == 0) return logits;
    float* x = stream.x.mutable_data_ptr<float>();
    const float* norm = norm_.const_data_ptr<float>();
    for (int64_t i = 0; i < rows; i++) normalize(x + i * width_, norm, width_, eps_, x + i * width_);
    multiply(head_, x, rows, logits.mutable_data_ptr<float>());
    return logits;
  }

 private:
  at::Tensor embedded(const at::Tensor& ids) const {
    TORCH_CHECK_VALUE(ids.dim() == 1, "ids: wanted one dimension, got ", ids.sizes());
    at::Tensor x = at::empty({ids.size(0), width_}, at::kFloat);
    const int64_t* id = data<int64_t>(ids, "ids");
    float* to = x.mutable_data_ptr<float>();
    const float* words = words_ ? words_->const_data_ptr<float>() : nullptr;
    for (int64_t i = 0; i < ids.size(0); i++, to += width_) {
      TORCH_CHECK_VALUE(id[i] >= 0 && id[i] < head_.out, "token ", id[i], " of ", head_.out);
      if (words != nullptr) {
        std::copy_n(words + id[i] * width_, width_, to);
      } else {
        row_of(head_, id[i], to);
      }
    }
    return x;
  }

  void run(Stream& stream, const std::vector<at::Tensor>& keys, const std::vector<at::Tensor>& values,
           const at::Tensor* wanted) const {
    const int64_t tokens = stream.x.size(0);
    TORCH_CHECK_VALUE(keys.size() == layers_.size() && values.size() == layers_.size(), "got the memory of ",
                      keys.size(), " and ", values.size(), " layers of ", layers_.size());
    check_shape(stream.x, "x", {tokens, width_});
    data<float>(stream.x, "x");
    check_shape(stream.positions, "positions", {tokens});
    check_shape(stream.slots, "slots", {tokens});
    check_positions(stream.positions, angles_);
    for (size_t number = 0; number < layers_.size(); number++) {
      const DecoderLayer& layer = layers_[number];
      const Memory memory = checked_memory(keys[number], values[number]);
      TORCH_CHECK_VALUE(memory.kv_heads == layer.kv_heads && memory.head_dim == angles_.head_dim, "got a memory of ",
                        memory.kv_heads, " KV heads of ", memory.head_dim);
      const bool is_last = number + 1 == layers_.size();
      pass(layer, number, stream, angles_, memory, is_last ? wanted : nullptr);
    }
  }

  at::Tensor norm_;
  std::optional<at::Tensor> words_;
  at::Tensor cos_, sin_;
  std::vector<Tensors> held_;
  double eps_;
  int64_t width_;
  Linear head_;
  Angles angles_;
  std::vector<DecoderLayer> layers_;
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(inferencecloud, m) {
  m.class_<Decoder>("Decoder")
      .def(torch::init<at::Tensor, double, std::optional<at::Tensor>, Tensors, Numbers, at::Tensor, at::Tensor>())
      .def("add_layer", &Decoder::add_layer)
      .def("layers", &Decoder::layers)
      .def("forward", &Decoder::forward);
}
