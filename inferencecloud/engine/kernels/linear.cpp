// Linear layers with weights of 8 or 4 bits and activations of 8.
//
// The activations of a token share one scale. The weights of an output share one (8 bits), or those of a group
// of inputs do (4 bits). Sums are exact integers, and no product is fused with an addition: what a token gets
// is the same to the bit on every instruction path and whatever other tokens there are.
#include "dot.h"
#if defined(__AMX_INT8__)
#include "tiles.h"
#endif

namespace {

constexpr int kPanelQuadBytes = kPanelRows * kQuad;
constexpr int kScaleBytes = kPanelRows * 2;  // of a group of a panel, in float16
#if defined(__AVX512F__) && !defined(NARROW)
constexpr int kTileTokens = 12;  // their sums fill the registers
#elif defined(__AVX512VL__)
constexpr int kTileTokens = 6;
#else
constexpr int kTileTokens = 3;
#endif
// With 4 bits there are floating sums besides, where there is more than one tile.
constexpr int kTileTokens4 = kCarries ? 2 : kTileTokens < 8 ? kTileTokens : 8;
constexpr int kTilesOfNibbles = kCarries ? 1 : 2;  // for more tiles a panel is unpacked once

// Write numbers as bytes and return their scale. Values that are no numbers make a scale that is none.
float quantize_row(const float* x, int width, int8_t* values) {
  int32_t bits = 0;  // of the greatest size: the bits of positive floats are ordered as the floats are
  for (int i = 0; i < width; i++) {
    int32_t own;
    __builtin_memcpy(&own, x + i, sizeof own);
    own &= 0x7fffffff;
    bits = own > bits ? own : bits;
  }
  float greatest;
  __builtin_memcpy(&greatest, &bits, sizeof greatest);
  const bool is_finite = bits < 0x7f800000, is_nothing = !is_finite || greatest < 1e-30f;
  const int end = is_nothing ? 0 : width;
  const float inverse = 127 / greatest, shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds, ties to even
  for (int i = 0; i < end; i++) values[i] = (int8_t)(int32_t)((x[i] * inverse + shift) - shift);
  for (int i = end; i < width; i++) values[i] = 0;
  return !is_finite ? __builtin_nanf("") : is_nothing ? 0 : greatest / 127;
}

void quantize(const Linear& layer, const float* x, const Tokens& tokens, int token) {
  int8_t* values = tokens.values + (int64_t)token * layer.padded_in;
  tokens.scale[token] = quantize_row(x, layer.in, values);
  for (int i = layer.in; i < layer.padded_in; i++) values[i] = 0;
  const int groups = layer.padded_in / layer.group;
  for (int g = 0; g < groups; g++) {
    int32_t sum = 0;
    for (int i = 0; i < layer.group; i++) sum += values[g * layer.group + i];
    tokens.sums[(int64_t)token * groups + g] = sum;
  }
}

// Add what an adapter makes of the token; half a panel are gates, the other half what they gate.
inline void add(const Linear& layer, const float* values, int panel, Floats* sums) {
  const int halves = layer.is_gated ? 2 : 1, vectors = kPanelVectors / halves, width = layer.out / halves;
  for (int v = 0; v < kPanelVectors; v++) {
    const int column = (panel * vectors + v % vectors) * kLanes;
    if (column < width) sums[v] += load_some(values + v / vectors * width + column, width - column);
  }
}

// Scale the sums of a token and write them: kPanelRows outputs, or half as many where one half gates the other.
inline void finish(const Linear& layer, const Tokens& tokens, int token, int panel, Floats* sums, float* out) {
  const float scale = tokens.scale[token];
  for (int v = 0; v < kPanelVectors; v++) {
    const int row = panel * kPanelRows + v * kLanes;
    sums[v] = sums[v] * load(layer.row_scale + row) * scale;
    if (layer.bias != nullptr) sums[v] += load(layer.bias + row);
  }
  if (tokens.added.values != nullptr && tokens.added.owner[token] >= 0) {
    add(layer, tokens.added.values + (int64_t)token * layer.out, panel, sums);
  }
  const int vectors = layer.is_gated ? kPanelVectors / 2 : kPanelVectors;
  const int width = layer.is_gated ? layer.out / 2 : layer.out;
  for (int v = 0; v < vectors; v++) {
    const int column = (panel * vectors + v) * kLanes;
    const Floats values = layer.is_gated ? silu_times(sums[v], sums[v + vectors]) : sums[v];
    if (column < width) store_some(out + (int64_t)token * width + column, values, width - column);
  }
}

// sums[T] += quads of weights . quads of activations
template <int T>
inline __attribute__((always_inline)) void dot_bytes(const uint8_t* weights, int quads, const int8_t* const* values,
                                                     Sums* sums) {
  Sums own[T];  // indexed by constants alone, once the loops are unrolled: so it stays in registers
#pragma GCC unroll 12
  for (int t = 0; t < T; t++) own[t] = sums[t];
  for (int k = 0; k < quads; k++) {
    const uint8_t* at = weights + (int64_t)k * kPanelQuadBytes;
    __builtin_prefetch(at + kPrefetchBytes);
    __builtin_prefetch(at + kPrefetchBytes + 64);
    Ints w[kPanelVectors];
    for (int v = 0; v < kPanelVectors; v++) w[v] = load_ints(at + v * sizeof(Ints));
#pragma GCC unroll 12
    for (int t = 0; t < T; t++) {
      const Ints quad = quad_at(values[t] + k * kQuad);
      for (int v = 0; v < kPanelVectors; v++) dot8(own[t].of[v], w[v], quad);
    }
  }
#pragma GCC unroll 12
  for (int t = 0; t < T; t++) sums[t] = own[t];
}

template <int T>
void multiply8(const Linear& layer, const Tokens& tokens, int first, int panel, float* out) {
  const int8_t* values[T];
  Sums sums[T];
  for (int t = 0; t < T; t++) {
    values[t] = tokens.values + (int64_t)(first + t) * layer.padded_in;
    const Ints start = splat_int(kTakesOffset ? -128 * tokens.sums[first + t] : 0);
    for (int v = 0; v < kPanelVectors; v++) sums[t].of[v] = start;
  }
  dot_bytes<T>(layer.panels + panel * layer.panel_bytes, layer.padded_in / kQuad, values, sums);
  for (int t = 0; t < T; t++) {
    Floats scaled[kPanelVectors];
    for (int v = 0; v < kPanelVectors; v++) scaled[v] = __builtin_convertvector(sums[t].of[v], Floats);
    finish(layer, tokens, first + t, panel, scaled, out);
  }
}

// sums[T] += quads of weights . quads of activations; each byte holds a weight of a quad and one of the next.
template <int T>
inline __attribute__((always_inline)) void dot_nibbles(const uint8_t* weights, int quads, const int8_t* const* values,
                                                       Sums* sums) {
  for (int k = 0; k < quads; k += 2) {
    const uint8_t* at = weights + (int64_t)k / 2 * kPanelQuadBytes;
    __builtin_prefetch(at + kPrefetchBytes);
    __builtin_prefetch(at + kPrefetchBytes + 64);
    Ints low[kPanelVectors], high[kPanelVectors];
    for (int v = 0; v < kPanelVectors; v++) {
      const Ints both = load_ints(at + v * sizeof(Ints));
      low[v] = both & 0x0f0f0f0f;
      high[v] = (both >> 4) & 0x0f0f0f0f;
    }
    for (int t = 0; t < T; t++) {
      const Ints quad = quad_at(values[t] + k * kQuad), next = quad_at(values[t] + (k + 1) * kQuad);
      for (int v = 0; v < kPanelVectors; v++) dot4(sums[t].of[v], low[v], quad);
      for (int v = 0; v < kPanelVectors; v++) dot4(sums[t].of[v], high[v], next);
    }
  }
}

// The same with one weight in a byte, as unpack() leaves them.
template <int T>
inline __attribute__((always_inline)) void dot_unpacked(const uint8_t* weights, int quads,
                                                        const int8_t* const* values, Sums* sums) {
  for (int k = 0; k < quads; k++) {
    Ints w[kPanelVectors];
    for (int v = 0; v < kPanelVectors; v++) {
      w[v] = load_ints(weights + (int64_t)k * kPanelQuadBytes + v * sizeof(Ints));
    }
    for (int t = 0; t < T; t++) {
      const Ints quad = quad_at(values[t] + k * kQuad);
      for (int v = 0; v < kPanelVectors; v++) dot4(sums[t].of[v], w[v], quad);
    }
  }
}

// The same for a group of weights in either form.
template <int T, bool is_unpacked>
inline __attribute__((always_inline)) void dot_group(const uint8_t* weights, int quads, const int8_t* const* values,
                                                     Sums* sums) {
  constexpr int quad_bytes = is_unpacked ? kPanelQuadBytes : kPanelQuadBytes / 2;
  for (int begin = 0; begin < quads; begin += kMostQuads) {
    const int count = quads - begin < kMostQuads ? quads - begin : kMostQuads;
    Sums own[T] = {};
    const int8_t* at[T];
#pragma GCC unroll 12
    for (int t = 0; t < T; t++) {
      at[t] = values[t] + begin * kQuad;
      if (!kCarries) own[t] = sums[t];
    }
    if constexpr (is_unpacked) {
      dot_unpacked<T>(weights + begin * quad_bytes, count, at, own);
    } else {
      dot_nibbles<T>(weights + begin * quad_bytes, count, at, own);
    }
#pragma GCC unroll 12
    for (int t = 0; t < T; t++) {
      for (int v = 0; v < kPanelVectors; v++) {
        sums[t].of[v] = kCarries ? sums[t].of[v] + carried(own[t].of[v]) : own[t].of[v];
      }
    }
  }
}

// Where `unpacked` is null the nibbles are used as they are.
template <int T>
void multiply4(const Linear& layer, const Tokens& tokens, int first, int panel, const uint8_t* unpacked, float* out) {
  const int groups = layer.padded_in / layer.group, quads = layer.group / kQuad;
  const uint8_t* at = layer.panels + panel * layer.panel_bytes;
  const int64_t group_bytes = kScaleBytes + quads / 2 * kPanelQuadBytes;
  const bool asks = unpacked != nullptr && first == 0;  // for the next panel, while this one is computed
  Floats scaled[T][kPanelVectors] = {};
  for (int g = 0; g < groups; g++) {
    for (int64_t i = 0; asks && i < group_bytes; i += 64) __builtin_prefetch(at + layer.panel_bytes + i);
    const int8_t* values[T];
    Sums sums[T];
    for (int t = 0; t < T; t++) {
      values[t] = tokens.values + (int64_t)(first + t) * layer.padded_in + g * layer.group;
      const Ints start = splat_int(-8 * tokens.sums[(int64_t)(first + t) * groups + g]);
      for (int v = 0; v < kPanelVectors; v++) sums[t].of[v] = start;
    }
    if (unpacked == nullptr) {
      dot_group<T, false>(at + kScaleBytes, quads, values, sums);
    } else {
      dot_group<T, true>(unpacked + (int64_t)g * quads * kPanelQuadBytes, quads, values, sums);
    }
    for (int v = 0; v < kPanelVectors; v++) {
      const Floats scale = load_half(at, v);
      for (int t = 0; t < T; t++) scaled[t][v] += __builtin_convertvector(sums[t].of[v], Floats) * scale;
    }
    at += group_bytes;
  }
  for (int t = 0; t < T; t++) finish(layer, tokens, first + t, panel, scaled[t], out);
}

// Four bytes in each lane, less 8: the bit that is given stays below the byte's sign, where it borrows nothing.
inline Ints without_offset(Ints nibbles) { return ((nibbles | (int32_t)0x80808080) - 0x08080808) ^ (int32_t)0x80808080; }

// Write the nibbles of a panel as bytes, without the scales; signed: without their offset of 8, too.
template <bool is_signed>
void unpack(const Linear& layer, int panel, uint8_t* to) {
  const uint8_t* from = layer.panels + panel * layer.panel_bytes;
  for (int i = 0; i < layer.padded_in; i += layer.group) {
    from += kScaleBytes;
    for (int k = 0; k < layer.group; k += 2 * kQuad) {
      for (int v = 0; v < kPanelVectors; v++) {
        const Ints both = load_ints(from + v * sizeof(Ints));
        Ints low = both & 0x0f0f0f0f, high = (both >> 4) & 0x0f0f0f0f;
        if constexpr (is_signed) low = without_offset(low), high = without_offset(high);
        __builtin_memcpy(to + v * sizeof(Ints), &low, sizeof low);
        __builtin_memcpy(to + kPanelQuadBytes + v * sizeof(Ints), &high, sizeof high);
      }
      from += kPanelQuadBytes;
      to += 2 * kPanelQuadBytes;
    }
  }
}

template <int T>
void multiply_tile(const Linear& layer, const Tokens& tokens, int first, int count, int panel,
                   const uint8_t* unpacked, float* out) {
  if (count < T) {
    if constexpr (T > 1) multiply_tile<T - 1>(layer, tokens, first, count, panel, unpacked, out);
  } else if (layer.bits == 8) {
    multiply8<T>(layer, tokens, first, panel, out);
  } else {
    multiply4<T>(layer, tokens, first, panel, unpacked, out);
  }
}

#if defined(__AMX_INT8__)
constexpr int kTilesFrom8 = 13, kTilesFrom4 = 24;  // tokens from which tiles are faster, measured

// At most kBlock tokens; the inputs behind the last whole tile are added one quad after another.
void multiply8_by_tiles(const Linear& layer, const Tokens& tokens, int first, int count, int panel, float* out) {
  alignas(64) int32_t tiled[kBlock * kPanelRows];
  const uint8_t* weights = layer.panels + panel * layer.panel_bytes;
  const int steps = layer.padded_in / kTileBytes, done = steps * kTileBytes;
  const int8_t* values = tokens.values + (int64_t)first * layer.padded_in;
  shape_tiles(count, kTileBytes);
  multiply_tiles<false>(weights, kTileBytes, steps, values, layer.padded_in, count > kTileSide, tiled);
  for (int t = 0; t < count; t++) {
    Sums sums;
    for (int v = 0; v < kPanelVectors; v++) {
      sums.of[v] = load_ints(tiled + t * kPanelRows + v * kLanes) - 128 * tokens.sums[first + t];
    }
    const int8_t* rest = values + (int64_t)t * layer.padded_in + done;
    dot_bytes<1>(weights + (int64_t)done * kPanelRows, (layer.padded_in - done) / kQuad, &rest, &sums);
    Floats scaled[kPanelVectors];
    for (int v = 0; v < kPanelVectors; v++) scaled[v] = __builtin_convertvector(sums.of[v], Floats);
    finish(layer, tokens, first + t, panel, scaled, out);
  }
}

// The same of 4 bits, whose groups are summed apart.
void multiply4_by_tiles(const Linear& layer, const Tokens& tokens, int first, int count, int panel,
                        const uint8_t* unpacked, float* out) {
  alignas(64) int32_t tiled[kBlock * kPanelRows];
  Floats scaled[kBlock][kPanelVectors] = {};
  const int groups = layer.padded_in / layer.group, bytes = layer.group < kTileBytes ? layer.group : kTileBytes;
  const int64_t scale_bytes = layer.panel_bytes / groups;  // from one group's scales to the next
  const int8_t* values = tokens.values + (int64_t)first * layer.padded_in;
  shape_tiles(count, bytes);
  for (int g = 0; g < groups; g++) {
    multiply_tiles<true>(unpacked + (int64_t)g * layer.group * kPanelRows, bytes, layer.group / bytes,
                   values + g * layer.group, layer.padded_in, count > kTileSide, tiled);
    const uint8_t* at = layer.panels + panel * layer.panel_bytes + g * scale_bytes;
    for (int v = 0; v < kPanelVectors; v++) {
      const Floats scale = load_half(at, v);
      for (int t = 0; t < count; t++) {
        scaled[t][v] += __builtin_convertvector(load_ints(tiled + t * kPanelRows + v * kLanes), Floats) * scale;
      }
    }
  }
  for (int t = 0; t < count; t++) finish(layer, tokens, first + t, panel, scaled[t], out);
}

// The outputs of one panel for all tokens, where that is faster; says whether it was done.
bool multiply_by_tiles(const Linear& layer, const Tokens& tokens, int panel, uint8_t* scratch, float* out) {
  const bool is_narrow = layer.bits == 4;
  if (tokens.count < (is_narrow ? kTilesFrom4 : kTilesFrom8)) return false;
  if (is_narrow && layer.group > kTileBytes && layer.group % kTileBytes != 0) return false;
  if (is_narrow) unpack<true>(layer, panel, scratch);
  asm volatile("" ::: "memory");  // the compiler does not see that tiles are loaded from memory
  const int blocks = (tokens.count + kBlock - 1) / kBlock;
  for (int i = 0; i < blocks; i++) {
    const int first = (int64_t)tokens.count * i / blocks, end = (int64_t)tokens.count * (i + 1) / blocks;
    if (is_narrow) {
      multiply4_by_tiles(layer, tokens, first, end - first, panel, scratch, out);
    } else {
      multiply8_by_tiles(layer, tokens, first, end - first, panel, out);
    }
  }
  _tile_release();
  return true;
}
#endif

// The outputs of one panel for all tokens, in tiles of about the same size.
// `scratch` has kPanelRows * padded_in bytes.
void multiply(const Linear& layer, const Tokens& tokens, int panel, uint8_t* scratch, float* out) {
#if defined(__AMX_INT8__)
  if (multiply_by_tiles(layer, tokens, panel, scratch, out)) return;
#endif
  const int most = layer.bits == 8 || tokens.count <= kTileTokens ? kTileTokens : kTileTokens4;
  const int tiles = (tokens.count + most - 1) / most;
  const bool is_unpacked = layer.bits == 4 && tiles > kTilesOfNibbles;
  if (is_unpacked) unpack<false>(layer, panel, scratch);
  for (int i = 0; i < tiles; i++) {
    const int first = (int64_t)tokens.count * i / tiles, end = (int64_t)tokens.count * (i + 1) / tiles;
    multiply_tile<kTileTokens>(layer, tokens, first, end - first, panel, is_unpacked ? scratch : nullptr, out);
  }
}

// kNarrow outputs of a token from weights (in, kNarrow): four sums, each of every fourth input, so that no
// addition waits for the one before it. Their order is the same on every path.
void narrow(const float* x, int64_t in, const float* weight, float* out) {
  constexpr int vectors = kNarrow / kLanes, chains = 4;
  Floats sums[chains][vectors] = {};
  int64_t i = 0;
  for (; i + chains <= in; i += chains) {
    for (int j = 0; j < chains; j++) {
      for (int v = 0; v < vectors; v++) sums[j][v] += x[i + j] * load(weight + (i + j) * kNarrow + v * kLanes);
    }
  }
  for (int j = 0; j < chains - 1; j++) {  // the rest; constant indices keep the sums in registers
    if (i + j >= in) break;
    for (int v = 0; v < vectors; v++) sums[j][v] += x[i + j] * load(weight + (i + j) * kNarrow + v * kLanes);
  }
  for (int v = 0; v < vectors; v++) store(out + v * kLanes, (sums[0][v] + sums[1][v]) + (sums[2][v] + sums[3][v]));
}

}  // namespace

extern const LinearKernels KERNELS = {quantize_row, quantize, multiply, narrow};
