// Sums of four products of bytes, for one instruction path: the innermost part of a linear layer.
//
// Weights stand as unsigned bytes (kQuad inputs of one output beside each other), activations are signed; so
// every sum is too high by offset x (sum of the activations), which it starts from. All is exact in 32 bits.
#pragma once

#include "kernels.h"
#include "vectors.h"

namespace {

constexpr int kPanelVectors = kPanelRows / kLanes;
constexpr int kPrefetchBytes = 12288;  // how far ahead of its use a weight is asked for

// For the outputs of a panel.
struct Sums {
  Ints of[kPanelVectors];
};

inline Ints load_ints(const void* from) {
  Ints values;
  __builtin_memcpy(&values, from, sizeof values);
  return values;
}

inline Ints splat_int(int32_t value) { return value - Ints{}; }

inline Ints quad_at(const int8_t* from) {
  int32_t value;
  __builtin_memcpy(&value, from, sizeof value);
  return splat_int(value);
}

// kTakesOffset: whether dot8 takes weights with their offset of 128, or takes it off itself.
// kCarries: whether sums of dot4 are of 16 bits, in pairs, until carried() joins them; kMostQuads: for so many quads.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr bool kTakesOffset = true, kCarries = false;

// The intrinsic makes gcc 12 move accumulators to and from memory; "+v" keeps them where they are.
inline void dot4(Ints& sum, Ints weights, Ints quad) {
#if defined(__AVX512VNNI__)
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(quad));
#else
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(weights), "x"(quad));
#endif
}

inline void dot8(Ints& sum, Ints weights, Ints quad) { dot4(sum, weights, quad); }

#elif defined(__AVX2__)
constexpr bool kTakesOffset = false, kCarries = true;

inline void dot4(Ints& sum, Ints weights, Ints quad) {
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)weights, (__m256i)quad);
  sum = (Ints)_mm256_add_epi16((__m256i)sum, pairs);
}

inline Ints carried(Ints sum) { return (Ints)_mm256_madd_epi16((__m256i)sum, _mm256_set1_epi16(1)); }

// 2 x 127 x 127 is just below: |w| and the sign of w given to the activation.
inline void dot8(Ints& sum, Ints weights, Ints quad) {
  const __m256i w = _mm256_xor_si256((__m256i)weights, _mm256_set1_epi8((char)0x80));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8((__m256i)quad, w));
  sum += (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

#else
constexpr bool kTakesOffset = true, kCarries = false;

inline void dot4(Ints& sum, Ints weights, Ints quad) {
  uint8_t w[sizeof weights];
  int8_t a[sizeof quad];
  __builtin_memcpy(w, &weights, sizeof w);
  __builtin_memcpy(a, &quad, sizeof a);
  for (int i = 0; i < kLanes; i++) {
    for (int j = 0; j < kQuad; j++) sum[i] += w[i * kQuad + j] * a[i * kQuad + j];
  }
}

inline void dot8(Ints& sum, Ints weights, Ints quad) { dot4(sum, weights, quad); }
#endif

#if defined(__AVX2__) && !defined(__AVX512VNNI__) && !defined(__AVXVNNI__)
constexpr int kMostQuads = 8;  // 8 x 2 x 15 x 127 is below 2^15
#else
constexpr int kMostQuads = 1 << 30;
inline Ints carried(Ints sum) { return sum; }
#endif

// Bits of two float16 beside each other, to float32: kPanelRows of them at `from`.
inline Floats load_half(const uint8_t* from, int vector) {
  from += vector * kLanes * 2;
#if defined(__AVX512F__) && !defined(NARROW)
  return (Floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)from));
#elif defined(__AVX2__)
  return (Floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)from));
#else
  Floats values;
  for (int i = 0; i < kLanes; i++) {
    _Float16 half;
    __builtin_memcpy(&half, from + 2 * i, sizeof half);
    values[i] = (float)half;
  }
  return values;
#endif
}

}  // namespace
