// Vectors of float32 as wide as the instruction path has them, in the compiler's own vector extension.
#pragma once

#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && !defined(NARROW)
constexpr int kLanes = 16;
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7}
#else
constexpr int kLanes = 4;
#define LANE_NUMBERS {0, 1, 2, 3}
#endif

namespace {  // each instruction path has its own

typedef float Floats __attribute__((vector_size(kLanes * 4)));
typedef int32_t Ints __attribute__((vector_size(kLanes * 4)));

constexpr Ints kLaneNumbers = LANE_NUMBERS;

inline Floats load(const float* from) {
  Floats values;
  __builtin_memcpy(&values, from, sizeof values);
  return values;
}

// kLanes whole numbers, as floats.
inline Floats load(const int8_t* from) {
#if defined(__AVX512F__) && !defined(NARROW)
  return (Floats)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)from)));
#elif defined(__AVX2__)
  return (Floats)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)from)));
#else
  Floats values;
  for (int i = 0; i < kLanes; i++) values[i] = from[i];
  return values;
#endif
}

inline void store(float* to, Floats values) { __builtin_memcpy(to, &values, sizeof values); }

inline void store_some(float* to, Floats values, int count) {
  if (count >= kLanes) return store(to, values);
  for (int i = 0; i < count; i++) to[i] = values[i];
}

inline Floats load_some(const float* from, int count) {
  if (count >= kLanes) return load(from);
  Floats values = {};
  for (int i = 0; i < count; i++) values[i] = from[i];
  return values;
}

inline Floats splat(float value) { return value - Floats{}; }

inline Floats maximum(Floats a, Floats b) { return a > b ? a : b; }

// All lanes get the result; the order of the additions is fixed.
inline Floats sum_of_lanes(Floats values) {
  for (int step = kLanes / 2; step > 0; step /= 2) {
    values += __builtin_shuffle(values, kLaneNumbers ^ step);
  }
  return values;
}

inline Floats maximum_of_lanes(Floats values) {
  for (int step = kLanes / 2; step > 0; step /= 2) {
    values = maximum(values, __builtin_shuffle(values, kLaneNumbers ^ step));
  }
  return values;
}

// e^x within 2 ulp for x <= 88; 0 below -87, so also for -inf; NaN stays NaN.
inline Floats exponential(Floats x) {
  const Floats low = splat(-87.0f), shift = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to integers
  const Ints too_small = x < low;
  x = too_small ? low : x;
  const Floats shifted = x * 1.44269504f + shift;  // log2(e)
  const Floats whole = shifted - shift;
  const Floats rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;  // ln 2 in two parts
  Floats series = splat(1.9875691500e-4f);  // Cephes' expf
  series = series * rest + 1.3981999507e-3f;
  series = series * rest + 8.3334519073e-3f;
  series = series * rest + 4.1665795894e-2f;
  series = series * rest + 1.6666665459e-1f;
  series = series * rest + 5.0000001201e-1f;
  series = series * (rest * rest) + rest + 1.0f;
  const Ints power = ((Ints)shifted - (Ints)shift) << 23;
  const Floats result = (Floats)((Ints)series + power);
  return too_small ? Floats{} : result;
}

inline Floats silu_times(Floats gate, Floats up) { return gate / (1.0f + exponential(-gate)) * up; }

// Lane i of the result is the sum of the lanes of values[i]; the order of the additions is fixed.
template <int step = kLanes / 2>
inline Floats sums_of_lanes(Floats* values) {
  if constexpr (step == 0) {
    return values[0];
  } else {
    constexpr Ints is_upper = (kLaneNumbers & step) != 0;
    constexpr Ints other = (kLaneNumbers ^ step) | (is_upper & kLanes);  // lanes of the second are numbered on
#pragma GCC unroll 8
    for (int i = 0; i < step; i++) {
      const Floats own = is_upper ? values[i + step] : values[i];
      values[i] = own + __builtin_shuffle(values[i], values[i + step], other);
    }
    return sums_of_lanes<step / 2>(values);
  }
}

}  // namespace
