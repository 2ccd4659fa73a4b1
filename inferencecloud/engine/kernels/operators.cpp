// The operators that Python calls: they check what would lead out of memory, choose the instruction path, and
// share the work among torch's threads.
#include "operators.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <array>
#include <atomic>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__x86_64__)
extern const AttentionKernels attention_avx512, attention_avx_vnni, attention_vnni256, attention_avx2;
extern const LinearKernels linear_amx, linear_avx512, linear_avx_vnni, linear_vnni256, linear_avx2;
extern const DenseKernels dense_avx512, dense_avx_vnni, dense_vnni256, dense_avx2;
#endif
extern const AttentionKernels attention_portable;
extern const LinearKernels linear_portable;
extern const DenseKernels dense_portable;

namespace {

#if defined(__x86_64__)
// gcc 12 does not know it by name: leaf 7, subleaf 1, EAX bit 4.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 4)) != 0;
}

// Leaf 7, EDX bits 24 and 25; and Linux gives the tiles' state to a process that asks for it only.
bool has_amx() {
#if defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (~d & (3u << 24)) != 0) return false;
  constexpr long kAsk = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kAsk, kTileData) == 0;
#else
  return false;
#endif
}
#endif

struct Path {
  const char* name;
  const AttentionKernels* attention;
  const LinearKernels* linear;
  const DenseKernels* dense;
  bool is_supported;
};

#define PATH(name, is_supported) {#name, &attention_##name, &linear_##name, &dense_##name, is_supported}

// From the fastest to the one that every machine has.
const std::vector<Path>& paths() {
#if defined(__x86_64__)
  static const std::vector<Path> all = [] {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512vnni");
    return std::vector<Path>{{"amx", &attention_avx512, &linear_amx, &dense_avx512, avx512 && has_amx()},
                             PATH(avx512, avx512), PATH(avx_vnni, avx2 && has_avx_vnni()),
                             PATH(vnni256, avx512), PATH(avx2, avx2), PATH(portable, true)};
  }();
#else
  static const std::vector<Path> all = {PATH(portable, true)};
#endif
  return all;
}

std::atomic<const Path*> chosen{nullptr};

const Path& path() {
  const Path* now = chosen.load();
  if (now != nullptr) return *now;
  for (const Path& each : paths()) {
    if (each.is_supported) {
      chosen.store(&each);
      return each;
    }
  }
  TORCH_CHECK(false, "no instruction path");
}

// Names of the paths that this machine has, from the fastest.
std::vector<std::string> supported_paths() {
  std::vector<std::string> names;
  for (const Path& each : paths()) {
    if (each.is_supported) names.push_back(each.name);
  }
  return names;
}

void use_path(const std::string& name) {
  for (const Path& each : paths()) {
    if (each.is_supported && name == each.name) {
      chosen.store(&each);
      return;
    }
  }
  TORCH_CHECK_VALUE(false, "wanted an instruction path of this machine, got ", name);
}

std::string current_path() { return path().name; }

// Nothing that a table or a length says may lead out of the tensors.
void check_batch(const Attention& a, int64_t tokens, int64_t sequences, int64_t blocks) {
  TORCH_CHECK_VALUE(a.query_start[0] == 0 && a.query_start[sequences] == tokens,
                    "query_start must run from 0 to the number of tokens");
  for (int64_t s = 0; s < sequences; s++) {
    const int64_t queries = (int64_t)a.query_start[s + 1] - a.query_start[s], context = a.context[s];
    TORCH_CHECK_VALUE(queries >= 0 && queries <= context, "sequence ", s, " has ", queries,
                      " new tokens in a context of ", context);
    const int64_t needed = (context + kBlockTokens - 1) / kBlockTokens;
    TORCH_CHECK_VALUE(needed <= a.max_blocks, "sequence ", s, " has ", context, " tokens but ",
                      a.max_blocks, " blocks");
    const int64_t first = a.window > 0 ? std::max<int64_t>(0, context - queries - a.window + 1) : 0;
    for (int64_t i = first / kBlockTokens; i < needed; i++) {
      const int32_t block = a.block_tables[s * a.max_blocks + i];
      TORCH_CHECK_VALUE(block >= 0 && block < blocks, "sequence ", s, " names block ", block, " of ", blocks);
    }
  }
}

}  // namespace

Memory checked_memory(const at::Tensor& k_cache, const at::Tensor& v_cache) {
  check_shape(v_cache, "v_cache", k_cache.sizes());
  if (k_cache.scalar_type() == at::kChar) {
    const int64_t page = k_cache.dim() == 3 ? k_cache.size(2) : 0;
    TORCH_CHECK_VALUE(page > page_bytes(0, true) && page % kBlockTokens == 0, "k_cache: wanted (blocks, kv_heads, ",
                      kBlockTokens, " * (head_dim + 4)), got ", k_cache.sizes());
    return {(uint8_t*)data<int8_t>(k_cache, "k_cache"), (uint8_t*)data<int8_t>(v_cache, "v_cache"), k_cache.size(0),
            (int)k_cache.size(1), (int)((page - page_bytes(0, true)) / kBlockTokens), true};
  }
  TORCH_CHECK_VALUE(k_cache.dim() == 4 && k_cache.size(2) == kBlockTokens, "k_cache: wanted (blocks, kv_heads, ",
                    kBlockTokens, ", head_dim), got ", k_cache.sizes());
  return {(uint8_t*)data<float>(k_cache, "k_cache"), (uint8_t*)data<float>(v_cache, "v_cache"), k_cache.size(0),
          (int)k_cache.size(1), (int)k_cache.size(3), false};
}

void put(const Memory& memory, uint8_t* pages, int64_t slot, int64_t kv_head, const float* row) {
  const int64_t number = slot / kBlockTokens * memory.kv_heads + kv_head, place = slot % kBlockTokens;
  const int64_t width = memory.head_dim;
  uint8_t* page = pages + number * page_bytes(memory.head_dim, memory.has_scales);
  if (memory.has_scales) {
    float* scales = (float*)(page + kBlockTokens * width);
    scales[place] = path().linear->quantize_row(row, memory.head_dim, (int8_t*)page + place * width);
  } else {
    std::copy_n(row, width, (float*)page + place * width);
  }
}

Attention checked_attention(const at::Tensor& q, const Memory& memory, const at::Tensor& query_start,
                            const at::Tensor& context, const at::Tensor& block_tables, double scale, int64_t window,
                            double soft_cap, at::Tensor& out) {
  TORCH_CHECK_VALUE(q.dim() == 3, "q: wanted (tokens, heads, head_dim), got ", q.sizes());
  check_shape(out, "out", q.sizes());
  const int64_t sequences = context.size(0), heads = q.size(1), kv_heads = memory.kv_heads;
  check_shape(query_start, "query_start", {sequences + 1});
  check_shape(context, "context", {sequences});
  TORCH_CHECK_VALUE(block_tables.dim() == 2, "block_tables: wanted two dimensions, got ", block_tables.sizes());
  check_shape(block_tables, "block_tables", {sequences, block_tables.size(1)});
  TORCH_CHECK_VALUE(kv_heads > 0 && heads % kv_heads == 0, "got ", heads, " heads for ", kv_heads, " KV heads");
  TORCH_CHECK_VALUE(q.size(2) == memory.head_dim && q.size(2) % 16 == 0,
                    "head_dim must be that of the KV memory and a multiple of 16, got ", q.size(2));
  const Attention a = {data<float>(q, "q"), memory.keys, memory.values,
                       const_cast<float*>(data<float>(out, "out")), data<int32_t>(query_start, "query_start"),
                       data<int32_t>(context, "context"), data<int32_t>(block_tables, "block_tables"),
                       block_tables.size(1), (int)heads, (int)kv_heads, (int)q.size(2), memory.has_scales,
                       (int)window, (float)scale, (float)soft_cap};
  check_batch(a, q.size(0), sequences, memory.blocks);
  return a;
}

void attend(const Attention& a, int64_t sequences) {
  const int tile_queries = std::max<int>(1, kTileRows / (a.heads / a.kv_heads));
  std::vector<AttentionTile> tiles;
  for (int s = 0; s < sequences; s++) {
    const int queries = a.query_start[s + 1] - a.query_start[s];
    for (int first = 0; first < queries; first += tile_queries) {
      for (int h = 0; h < a.kv_heads; h++) tiles.push_back({s, h, first, std::min(tile_queries, queries - first)});
    }
  }
  const AttentionKernels& kernels = *path().attention;
  const int64_t scratch_floats = kernels.scratch_floats(a);
  share_out(tiles.size(), [&](int64_t i) {
    kernels.attend(a, tiles[i], scratch<float>(scratch_floats));
  });
}

const int64_t* checked_slots(const at::Tensor& slots, const Memory& memory) {
  const int64_t* slot = data<int64_t>(slots, "slots");
  for (int64_t i = 0; i < slots.size(0); i++) {
    TORCH_CHECK_VALUE(slot[i] >= 0 && slot[i] < memory.blocks * kBlockTokens, "slot ", slot[i], " of ",
                      memory.blocks * kBlockTokens);
  }
  return slot;
}

namespace {

// The same of floating weights: panels (panels, in, kDenseRows) float32 or bfloat16.
Linear checked_floating(const at::Tensor& panels, const std::optional<at::Tensor>& bias, at::IntArrayRef shape) {
  const int64_t bits = shape[0], in = shape[2], rows = shape[3], count = (rows + kDenseRows - 1) / kDenseRows;
  TORCH_CHECK_VALUE(in > 0 && rows > 0, "wanted some inputs and outputs, got ", in, " and ", rows);
  TORCH_CHECK_VALUE(!shape[4] || rows % 2 == 0, "wanted an even number of outputs to gate, got ", rows);
  check_shape(panels, "panels", {count, in, kDenseRows});
  if (bias) check_shape(*bias, "bias", {count * kDenseRows});
  const void* weights =
      bits == 32 ? (const void*)data<float>(panels, "panels") : (const void*)data<c10::BFloat16>(panels, "panels");
  return {(const uint8_t*)weights, nullptr, bias ? data<float>(*bias, "bias") : nullptr, in * kDenseRows * bits / 8,
          (int)bits, (int)in, (int)in, (int)rows, (int)in, shape[4] != 0};
}

}  // namespace

Linear checked_linear(const at::Tensor& panels, const std::optional<at::Tensor>& row_scale,
                      const std::optional<at::Tensor>& bias, at::IntArrayRef shape) {
  TORCH_CHECK_VALUE(shape.size() == 5, "shape: wanted (bits, group, in, out, gated)");
  const int64_t bits = shape[0], in = shape[2], rows = shape[3];
  if (bits == 32 || bits == 16) return checked_floating(panels, bias, shape);
  TORCH_CHECK_VALUE(row_scale, "wanted the scale of every row");
  TORCH_CHECK_VALUE(bits == 8 || (bits == 4 && (shape[1] == 32 || shape[1] == 64)), "got ", bits,
                    " bits in groups of ", shape[1]);
  TORCH_CHECK_VALUE(in > 0 && in <= 131072 && rows > 0, "wanted 1 to 131072 inputs and some outputs, got ", in,
                    " and ", rows);
  const int64_t unit = bits == 8 ? kQuad : shape[1];
  const int64_t padded_in = (in + unit - 1) / unit * unit, group = bits == 8 ? padded_in : unit;
  const int64_t count = (rows + kPanelRows - 1) / kPanelRows;
  const int64_t panel_bytes =
      bits == 8 ? padded_in * kPanelRows : padded_in / group * (kPanelRows * 2 + group * kPanelRows / 2);
  check_shape(panels, "panels", {count, panel_bytes});
  check_shape(*row_scale, "row_scale", {count * kPanelRows});
  if (bias) check_shape(*bias, "bias", {count * kPanelRows});
  return {data<uint8_t>(panels, "panels"), data<float>(*row_scale, "row_scale"),
          bias ? data<float>(*bias, "bias") : nullptr, panel_bytes, (int)bits, (int)in, (int)padded_in, (int)rows,
          (int)group, shape[4] != 0};
}

int64_t width_of(const Linear& layer) { return layer.is_gated ? layer.out / 2 : layer.out; }

const LinearKernels& linear_kernels() { return *path().linear; }

namespace {

// Panels that stand beside each other: one stream of memory for one thread.
struct alignas(64) Stretch {
  std::atomic<int64_t> next{0};
  int64_t end = 0;
};

// Calls work(panel) for panels 0 .. count. Each thread has a stretch of them, and at its end helps with another's.
template <typename Work>
void each_panel(int64_t count, const Work& work) {
  constexpr int64_t most = 64;
  const int64_t parts = std::min<int64_t>({count, at::get_num_threads(), most});
  std::array<Stretch, most> stretches;
  for (int64_t i = 0; i < parts; i++) {
    stretches[i].next = count * i / parts;
    stretches[i].end = count * (i + 1) / parts;
  }
  share_out(parts, [&](int64_t own) {
    for (int64_t i = own; i < own + parts; i++) {
      Stretch& stretch = stretches[i % parts];
      for (int64_t panel = stretch.next++; panel < stretch.end; panel = stretch.next++) work(panel);
    }
  });
}

void multiply(const Dense& layer, const float* x, int64_t tokens, float* out) {
  const DenseKernels& kernels = *path().dense;
  each_panel((layer.out + kDenseRows - 1) / kDenseRows, [&](int64_t panel) {
    kernels.multiply(layer, x, tokens, panel, scratch<float>(tokens * kDenseRows), out);
  });
}

void multiply_floating(const Linear& layer, const float* x, int64_t tokens, float* out, const Addition& added) {
  const bool is_wide = layer.bits == 32;
  const Dense dense = {is_wide ? (const float*)layer.panels : nullptr,
                       is_wide ? nullptr : (const uint16_t*)layer.panels, layer.bias, layer.in, layer.out};
  at::Tensor both;  // what gates and what is gated
  if (layer.is_gated) both = at::empty({tokens, layer.out}, at::kFloat);
  float* made = layer.is_gated ? both.mutable_data_ptr<float>() : out;
  multiply(dense, x, tokens, made);
  if (added.values == nullptr && !layer.is_gated) return;
  const int64_t rows = layer.out, width = width_of(layer);
  each_token(tokens, [&](int64_t i) {
    float* own = made + i * rows;
    const bool is_adapted = added.values != nullptr && added.owner[i] >= 0;
    for (int64_t j = 0; is_adapted && j < rows; j++) own[j] += added.values[i * rows + j];
    if (layer.is_gated) path().dense->gate(own, width, out + i * width);
  });
}

}  // namespace

void multiply(const Linear& layer, const float* x, int64_t tokens, float* out, const Addition& added) {
  if (layer.bits > 8) return multiply_floating(layer, x, tokens, out, added);
  const Tokens quantized = {(int)tokens, scratch<int8_t>(tokens * layer.padded_in), scratch<float>(tokens),
                            scratch<int32_t>(tokens * (layer.padded_in / layer.group)), added};
  const LinearKernels& kernels = *path().linear;
  each_token(tokens, [&](int64_t i) { kernels.quantize(layer, x + i * layer.in, quantized, i); });
  each_panel((layer.out + kPanelRows - 1) / kPanelRows, [&](int64_t panel) {
    uint8_t* unpacked = layer.bits == 4 ? scratch<uint8_t>((int64_t)layer.padded_in * kPanelRows) : nullptr;
    kernels.multiply(layer, quantized, panel, unpacked, out);
  });
}

namespace {

void paged_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                     const at::Tensor& query_start, const at::Tensor& context, const at::Tensor& block_tables,
                     double scale, int64_t window, double soft_cap, at::Tensor& out) {
  const Memory memory = checked_memory(k_cache, v_cache);
  attend(checked_attention(q, memory, query_start, context, block_tables, scale, window, soft_cap, out),
         context.size(0));
}

void write_kv(const at::Tensor& k, const at::Tensor& v, at::Tensor& k_cache, at::Tensor& v_cache,
              const at::Tensor& slots) {
  const Memory memory = checked_memory(k_cache, v_cache);
  const int64_t tokens = slots.size(0), kv_heads = memory.kv_heads, head_dim = memory.head_dim;
  check_shape(slots, "slots", {tokens});
  check_shape(k, "k", {tokens, kv_heads, head_dim});
  check_shape(v, "v", {tokens, kv_heads, head_dim});
  const int64_t* slot = checked_slots(slots, memory);
  const float *keys = data<float>(k, "k"), *values = data<float>(v, "v");
  for (int64_t i = 0; i < tokens; i++) {
    for (int64_t h = 0; h < kv_heads; h++) {
      put(memory, memory.keys, slot[i], h, keys + (i * kv_heads + h) * head_dim);
      put(memory, memory.values, slot[i], h, values + (i * kv_heads + h) * head_dim);
    }
  }
}

void linear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& row_scale,
            const std::optional<at::Tensor>& bias, at::IntArrayRef shape, const std::optional<at::Tensor>& added,
            const std::optional<at::Tensor>& owner, at::Tensor& out) {
  const Linear layer = checked_linear(panels, row_scale, bias, shape);
  TORCH_CHECK_VALUE(x.dim() == 2 && x.size(1) == layer.in, "x: wanted (tokens, ", layer.in, "), got ", x.sizes());
  check_shape(out, "out", {x.size(0), width_of(layer)});
  Addition more;
  if (added && owner) {
    check_shape(*added, "added", {x.size(0), layer.out});
    check_shape(*owner, "owner", {x.size(0)});
    more = {data<float>(*added, "added"), data<int32_t>(*owner, "owner")};
  }
  multiply(layer, data<float>(x, "x"), x.size(0), const_cast<float*>(data<float>(out, "out")), more);
}

// panels: (panels, in, kDenseRows) float32 or bfloat16, for `outputs` outputs in all.
void dense(const at::Tensor& x, const at::Tensor& panels, const std::optional<at::Tensor>& bias, int64_t outputs,
           at::Tensor& out) {
  TORCH_CHECK_VALUE(x.dim() == 2, "x: wanted (tokens, inputs), got ", x.sizes());
  const int64_t bits = panels.scalar_type() == at::kBFloat16 ? 16 : 32;
  const Linear layer = checked_floating(panels, bias, {bits, 0, x.size(1), outputs, 0});
  check_shape(out, "out", {x.size(0), outputs});
  multiply_floating(layer, data<float>(x, "x"), x.size(0), const_cast<float*>(data<float>(out, "out")), {});
}

}  // namespace

TORCH_LIBRARY(inferencecloud, m) {
  m.def("supported_paths() -> str[]", &supported_paths);
  m.def("use_path(str name) -> ()", &use_path);
  m.def("current_path() -> str", &current_path);
  m.def("paged_attention(Tensor q, Tensor k_cache, Tensor v_cache, Tensor query_start, Tensor context, "
        "Tensor block_tables, float scale, int window, float soft_cap, Tensor(a!) out) -> ()");
  m.def("linear(Tensor x, Tensor panels, Tensor row_scale, Tensor? bias, int[] shape, Tensor? added, "
        "Tensor? owner, Tensor(a!) out) -> ()");
  m.def("dense(Tensor x, Tensor panels, Tensor? bias, int outputs, Tensor(a!) out) -> ()");
  m.def("write_kv(Tensor k, Tensor v, Tensor(a!) k_cache, Tensor(b!) v_cache, Tensor slots) -> ()");
}

TORCH_LIBRARY_IMPL(inferencecloud, CPU, m) {
  m.impl("paged_attention", &paged_attention);
  m.impl("linear", &linear);
  m.impl("dense", &dense);
  m.impl("write_kv", &write_kv);
}
