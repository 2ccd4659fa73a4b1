// The operators that Python calls: they check what would lead out of memory, choose the instruction path, and
// share the work among torch's threads.
#include "operators.h"

#include <torch/library.h>

#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif


#if defined(__x86_64__)
extern const AttentionKernels attention_avx512, attention_avx_vnni, attention_vnni256, attention_avx2;
extern const LinearKernels linear_avx512, linear_avx_vnni, linear_vnni256, linear_avx2;
#endif
extern const AttentionKernels attention_portable;
extern const LinearKernels linear_portable;

namespace {

#if defined(__x86_64__)
// gcc 12 does not know it by name: leaf 7, subleaf 1, EAX bit 4.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 4)) != 0;
}
#endif

struct Path {
  const char* name;
  const AttentionKernels* attention;
  const LinearKernels* linear;
  bool is_supported;
};

#define PATH(name, is_supported) {#name, &attention_##name, &linear_##name, is_supported}

// From the fastest to the one that every machine has.
const std::vector<Path>& paths() {
#if defined(__x86_64__)
  static const std::vector<Path> all = [] {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512vnni");
    return std::vector<Path>{PATH(avx512, avx512), PATH(avx_vnni, avx2 && has_avx_vnni()),
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

Attention checked_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& query_start, const at::Tensor& context,
                            const at::Tensor& block_tables, double scale, int64_t window, double soft_cap,
                            at::Tensor& out) {
  TORCH_CHECK_VALUE(q.dim() == 3, "q: wanted (tokens, heads, head_dim), got ", q.sizes());
  check_cache(k_cache, "k_cache");
  check_shape(v_cache, "v_cache", k_cache.sizes());
  check_shape(out, "out", q.sizes());
  const int64_t sequences = context.size(0), heads = q.size(1), kv_heads = k_cache.size(1);
  check_shape(query_start, "query_start", {sequences + 1});
  check_shape(context, "context", {sequences});
  TORCH_CHECK_VALUE(block_tables.dim() == 2, "block_tables: wanted two dimensions, got ", block_tables.sizes());
  check_shape(block_tables, "block_tables", {sequences, block_tables.size(1)});
  TORCH_CHECK_VALUE(kv_heads > 0 && heads % kv_heads == 0, "got ", heads, " heads for ", kv_heads, " KV heads");
  TORCH_CHECK_VALUE(q.size(2) == k_cache.size(3) && q.size(2) % 16 == 0,
                    "head_dim must be that of the KV memory and a multiple of 16, got ", q.size(2));
  const Attention a = {data<float>(q, "q"), data<float>(k_cache, "k_cache"), data<float>(v_cache, "v_cache"),
                       const_cast<float*>(data<float>(out, "out")), data<int32_t>(query_start, "query_start"),
                       data<int32_t>(context, "context"), data<int32_t>(block_tables, "block_tables"),
                       block_tables.size(1), (int)heads, (int)kv_heads, (int)q.size(2), (int)window,
                       (float)scale, (float)soft_cap};
  check_batch(a, q.size(0), sequences, k_cache.size(0));
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

const int64_t* checked_slots(const at::Tensor& slots, const at::Tensor& k_cache) {
  const int64_t* slot = data<int64_t>(slots, "slots");
  for (int64_t i = 0; i < slots.size(0); i++) {
    TORCH_CHECK_VALUE(slot[i] >= 0 && slot[i] < k_cache.size(0) * kBlockTokens, "slot ", slot[i], " of ",
                      k_cache.size(0) * kBlockTokens);
  }
  return slot;
}

Linear checked_linear(const at::Tensor& panels, const at::Tensor& row_scale, const std::optional<at::Tensor>& bias,
                      at::IntArrayRef shape) {
  TORCH_CHECK_VALUE(shape.size() == 5, "shape: wanted (bits, group, in, out, gated)");
  const int64_t bits = shape[0], in = shape[2], rows = shape[3];
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
  check_shape(row_scale, "row_scale", {count * kPanelRows});
  if (bias) check_shape(*bias, "bias", {count * kPanelRows});
  return {data<uint8_t>(panels, "panels"), data<float>(row_scale, "row_scale"),
          bias ? data<float>(*bias, "bias") : nullptr, panel_bytes, (int)bits, (int)in, (int)padded_in, (int)rows,
          (int)group, shape[4] != 0};
}

int64_t width_of(const Linear& layer) { return layer.is_gated ? layer.out / 2 : layer.out; }

void multiply(const Linear& layer, const float* x, int64_t tokens, float* out) {
  const Tokens quantized = {(int)tokens, scratch<int8_t>(tokens * layer.padded_in), scratch<float>(tokens),
                            scratch<int32_t>(tokens * (layer.padded_in / layer.group))};
  const LinearKernels& kernels = *path().linear;
  at::parallel_for(0, tokens, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) kernels.quantize(layer, x + i * layer.in, quantized, i);
  });
  // Panels that stand beside each other are one stream of memory: each thread takes some at once.
  const int64_t count = (layer.out + kPanelRows - 1) / kPanelRows;
  const int64_t piece = std::max<int64_t>(1, count / (4 * at::get_num_threads()));
  share_out((count + piece - 1) / piece, [&](int64_t i) {
    uint8_t* unpacked = layer.bits == 4 ? scratch<uint8_t>((int64_t)layer.padded_in * kPanelRows) : nullptr;
    for (int64_t panel = i * piece; panel < std::min(count, (i + 1) * piece); panel++) {
      kernels.multiply(layer, quantized, panel, unpacked, out);
    }
  });
}

namespace {

void paged_attention(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                     const at::Tensor& query_start, const at::Tensor& context, const at::Tensor& block_tables,
                     double scale, int64_t window, double soft_cap, at::Tensor& out) {
  attend(checked_attention(q, k_cache, v_cache, query_start, context, block_tables, scale, window, soft_cap, out),
         context.size(0));
}

void write_kv(const at::Tensor& k, const at::Tensor& v, at::Tensor& k_cache, at::Tensor& v_cache,
              const at::Tensor& slots) {
  check_cache(k_cache, "k_cache");
  check_shape(v_cache, "v_cache", k_cache.sizes());
  const int64_t tokens = slots.size(0), kv_heads = k_cache.size(1), head_dim = k_cache.size(3);
  check_shape(slots, "slots", {tokens});
  check_shape(k, "k", {tokens, kv_heads, head_dim});
  check_shape(v, "v", {tokens, kv_heads, head_dim});
  const int64_t* slot = checked_slots(slots, k_cache);
  const float *keys = data<float>(k, "k"), *values = data<float>(v, "v");
  float* key_memory = const_cast<float*>(data<float>(k_cache, "k_cache"));
  float* value_memory = const_cast<float*>(data<float>(v_cache, "v_cache"));
  for (int64_t i = 0; i < tokens; i++) {
    const int64_t block = slot[i] / kBlockTokens, offset = slot[i] % kBlockTokens;
    for (int64_t h = 0; h < kv_heads; h++) {
      const int64_t from = (i * kv_heads + h) * head_dim;
      const int64_t to = ((block * kv_heads + h) * kBlockTokens + offset) * head_dim;
      std::copy_n(keys + from, head_dim, key_memory + to);
      std::copy_n(values + from, head_dim, value_memory + to);
    }
  }
}

void linear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& row_scale,
            const std::optional<at::Tensor>& bias, at::IntArrayRef shape, at::Tensor& out) {
  const Linear layer = checked_linear(panels, row_scale, bias, shape);
  TORCH_CHECK_VALUE(x.dim() == 2 && x.size(1) == layer.in, "x: wanted (tokens, ", layer.in, "), got ", x.sizes());
  check_shape(out, "out", {x.size(0), width_of(layer)});
  multiply(layer, data<float>(x, "x"), x.size(0), const_cast<float*>(data<float>(out, "out")));
}

}  // namespace

TORCH_LIBRARY(inferencecloud, m) {
  m.def("supported_paths() -> str[]", &supported_paths);
  m.def("use_path(str name) -> ()", &use_path);
  m.def("current_path() -> str", &current_path);
  m.def("paged_attention(Tensor q, Tensor k_cache, Tensor v_cache, Tensor query_start, Tensor context, "
        "Tensor block_tables, float scale, int window, float soft_cap, Tensor(a!) out) -> ()");
  m.def("linear(Tensor x, Tensor panels, Tensor row_scale, Tensor? bias, int[] shape, Tensor(a!) out) -> ()");
  m.def("write_kv(Tensor k, Tensor v, Tensor(a!) k_cache, Tensor(b!) v_cache, Tensor slots) -> ()");
}

TORCH_LIBRARY_IMPL(inferencecloud, CPU, m) {
  m.impl("paged_attention", &paged_attention);
  m.impl("linear", &linear);
  m.impl("write_kv", &write_kv);
}
