// Linear layers with floating weights: float32, or bfloat16 that is widened on its way, which changes no value.
//
// Every output is the sum of the sums of kPiece inputs each, in their order, whatever other tokens there are.
#include "kernels.h"
#include "vectors.h"

namespace {

constexpr int kVectors = kDenseRows / kLanes;
constexpr int kPiece = 256;  // inputs whose weights stay in the first cache while all tokens meet them
constexpr int kPrefetchInputs = 64;  // how far ahead of its use a weight is asked for
#if defined(__AVX512F__) && !defined(NARROW)
constexpr int kTile = 12;  // tokens whose sums fill the registers
#elif defined(__AVX2__)
constexpr int kTile = 6;
#else
constexpr int kTile = 2;
#endif

typedef uint16_t Halves __attribute__((vector_size(kLanes * 2)));

inline Floats widened(const float* from) { return load(from); }

inline Floats widened(const uint16_t* from) {
  Halves values;
  __builtin_memcpy(&values, from, sizeof values);
  return (Floats)(__builtin_convertvector(values, Ints) << 16);
}

// sums[T][kDenseRows] += x[T] . weights, for `count` inputs; the rows of x are `stride` numbers apart.
template <int T, typename Weight>
inline __attribute__((always_inline)) void dot(const Weight* weights, const float* x, int64_t stride, int count,
                                               float* sums) {
  Floats own[T][kVectors] = {};  // indexed by constants alone, once the loops are unrolled: it stays in registers
  for (int k = 0; k < count; k++) {
    const Weight* at = weights + (int64_t)k * kDenseRows;
    __builtin_prefetch(at + kPrefetchInputs * kDenseRows);
    Floats w[kVectors];
    for (int v = 0; v < kVectors; v++) w[v] = widened(at + v * kLanes);
#pragma GCC unroll 12
    for (int t = 0; t < T; t++) {
      const Floats value = splat(x[t * stride + k]);
      for (int v = 0; v < kVectors; v++) own[t][v] += value * w[v];
    }
  }
#pragma GCC unroll 12
  for (int t = 0; t < T; t++) {
    for (int v = 0; v < kVectors; v++) {
      float* sum = sums + t * kDenseRows + v * kLanes;
      store(sum, load(sum) + own[t][v]);
    }
  }
}

template <int T, typename Weight>
void dot_some(int tokens, const Weight* weights, const float* x, int64_t stride, int count, float* sums) {
  if (tokens == T) return dot<T>(weights, x, stride, count, sums);
  if constexpr (T > 1) dot_some<T - 1>(tokens, weights, x, stride, count, sums);
}

template <typename Weight>
void sum_up(const Dense& layer, const Weight* panels, const float* x, int tokens, int panel, float* sums) {
  const Weight* weights = panels + (int64_t)panel * layer.in * kDenseRows;
  const int tiles = (tokens + kTile - 1) / kTile;
  for (int k = 0; k < layer.in; k += kPiece) {
    const int count = layer.in - k < kPiece ? layer.in - k : kPiece;
    for (int i = 0; i < tiles; i++) {
      const int first = (int64_t)tokens * i / tiles, end = (int64_t)tokens * (i + 1) / tiles;
      dot_some<kTile>(end - first, weights + (int64_t)k * kDenseRows, x + (int64_t)first * layer.in + k, layer.in,
                      count, sums + (int64_t)first * kDenseRows);
    }
  }
}

// The outputs of one panel for all tokens. `sums` has tokens * kDenseRows numbers.
void multiply(const Dense& layer, const float* x, int tokens, int panel, float* sums, float* out) {
  __builtin_memset(sums, 0, sizeof(float) * tokens * kDenseRows);
  if (layer.narrow != nullptr) {
    sum_up(layer, layer.narrow, x, tokens, panel, sums);
  } else {
    sum_up(layer, layer.wide, x, tokens, panel, sums);
  }
  const int column = panel * kDenseRows;
  const int width = layer.out - column < kDenseRows ? layer.out - column : kDenseRows;
  for (int t = 0; t < tokens; t++) {
    for (int i = 0; i < width; i++) {
      const float bias = layer.bias == nullptr ? 0 : layer.bias[column + i];
      out[(int64_t)t * layer.out + column + i] = sums[t * kDenseRows + i] + bias;
    }
  }
}

void gate(const float* both, int width, float* out) {
  for (int i = 0; i < width; i += kLanes) {
    const int count = width - i;
    store_some(out + i, silu_times(load_some(both + i, count), load_some(both + width + i, count)), count);
  }
}

}  // namespace

extern const DenseKernels KERNELS = {multiply, gate};
