// Attention over paged keys and values, in float32 or as bytes with scales, with the softmax kept online.
//
// Milakov and Gimelshein 2018, arXiv:1805.02867 (online softmax); Dao et al. 2022, arXiv:2205.14135
// (tiles); Kwon et al. 2023, arXiv:2309.06180 (pages). Keys are read in chunks that start at multiples of
// kChunkTokens of the sequence, and a row's arithmetic does not depend on the other rows: what a token gets is
// the same to the bit alone, in a batch, in a long prompt or in pieces of it.
#include "kernels.h"
#include "vectors.h"

namespace {

constexpr int kChunkTokens = 64;
constexpr int kChunkBlocks = kChunkTokens / kBlockTokens;
constexpr int kCacheLine = 64;  // bytes
constexpr int kFewRows = 4;     // so few read the memory's bytes themselves; for more they are widened once

// Sums side by side for each of `rows` rows: enough that no addition waits for the one before it, and no more
// than the registers hold.
constexpr int wide(int rows) {
  if (kLanes == 16) return rows == 1 ? 8 : 4;
  return rows == 1 ? 8 : rows == 4 ? 2 : 4;
}

// Views into the scratch memory of a thread.
struct Rows {
  float* queries;       // (rows, head_dim), scaled
  float* outputs;       // (rows, head_dim), not yet divided by `total`
  float* scores;        // (rows, kChunkTokens)
  float* keys;          // (kChunkTokens, head_dim), where the memory holds bytes
  float* key_scales;    // (kChunkTokens), where the memory has scales
  float* value_scales;  // (kChunkTokens)
  float* greatest;      // (rows): the greatest score so far
  float* total;         // (rows): sum of e^(score - greatest)
};

// A piece of a sequence's keys and values; Number is what the memory holds: float, or int8_t beside scales.
template <typename Number>
struct Chunk {
  static constexpr bool kHasScales = sizeof(Number) == 1;
  int begin, end;  // tokens of the sequence
  const Number* keys[kChunkBlocks];
  const Number* values[kChunkBlocks];
};

// What one row may see: tokens begin .. end.
struct Sight {
  int begin, end;
};

int queries_of(const Attention& a, int sequence) {
  return a.query_start[sequence + 1] - a.query_start[sequence];
}

Sight sight_of(const Attention& a, const AttentionTile& tile, int row) {
  const int query = tile.first + row / (a.heads / a.kv_heads);
  const int end = a.context[tile.sequence] - queries_of(a, tile.sequence) + query + 1;
  const int begin = a.window > 0 && end > a.window ? end - a.window : 0;
  return {begin, end};
}

int64_t rows_of(const Attention& a) {
  const int group = a.heads / a.kv_heads;
  return group > kTileRows ? group : kTileRows;
}

int64_t attention_scratch_floats(const Attention& a) {
  return rows_of(a) * (2 * a.head_dim + kChunkTokens + 2) + kChunkTokens * (a.head_dim + 2);
}

Rows carve(const Attention& a, float* scratch) {
  const int64_t rows = rows_of(a);
  Rows r;
  r.queries = scratch;
  r.outputs = r.queries + rows * a.head_dim;
  r.scores = r.outputs + rows * a.head_dim;
  r.keys = r.scores + rows * kChunkTokens;
  r.key_scales = r.keys + kChunkTokens * a.head_dim;
  r.value_scales = r.key_scales + kChunkTokens;
  r.greatest = r.value_scales + kChunkTokens;
  r.total = r.greatest + rows;
  return r;
}

// Where row `row` of the tile stands in `q` and `out`.
int64_t place_of(const Attention& a, const AttentionTile& tile, int row) {
  const int group = a.heads / a.kv_heads;
  const int64_t token = a.query_start[tile.sequence] + tile.first + row / group;
  return (token * a.heads + tile.kv_head * group + row % group) * a.head_dim;
}

void start_rows(const Attention& a, const AttentionTile& tile, int rows, const Rows& r) {
  for (int row = 0; row < rows; row++) {
    const float* q = a.q + place_of(a, tile, row);
    for (int i = 0; i < a.head_dim; i += kLanes) {
      store(r.queries + (int64_t)row * a.head_dim + i, load(q + i) * a.scale);
      store(r.outputs + (int64_t)row * a.head_dim + i, Floats{});
    }
    r.greatest[row] = -__builtin_inff();
    r.total[row] = 0;
  }
}

template <typename Number>
Chunk<Number> chunk_at(const Attention& a, const AttentionTile& tile, int begin, Sight seen) {
  Chunk<Number> chunk;
  const int64_t page = page_bytes(a.head_dim, Chunk<Number>::kHasScales);
  chunk.begin = begin;
  chunk.end = begin + kChunkTokens < seen.end ? begin + kChunkTokens : seen.end;
  for (int i = 0; i < kChunkBlocks; i++) {
    const int token = begin + i * kBlockTokens;
    // A block wholly outside what is seen may be given away already: it is not looked up.
    const bool is_needed = token < seen.end && token + kBlockTokens > seen.begin;
    const int64_t block =
        is_needed ? a.block_tables[tile.sequence * a.max_blocks + token / kBlockTokens] : 0;
    const int64_t offset = (block * a.kv_heads + tile.kv_head) * page;
    chunk.keys[i] = is_needed ? (const Number*)(a.k_cache + offset) : nullptr;
    chunk.values[i] = is_needed ? (const Number*)(a.v_cache + offset) : nullptr;
  }
  return chunk;
}

// Ask for what is read next: pages lie anywhere, so the machine does not foresee them. A few at a time, between the
// arithmetic: of many at once the machine lets some go.
inline void prefetch(const void* from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch((const uint8_t*)from + at);
}

// The keys of a chunk as float32, block by block, for many rows.
void widen_keys(const Attention& a, const Chunk<int8_t>& chunk, float* space, const float** keys) {
  for (int i = 0; i < kChunkBlocks; i++) {
    const int numbers = kBlockTokens * a.head_dim;
    float* to = space + (int64_t)i * numbers;
    keys[i] = chunk.keys[i] == nullptr ? nullptr : to;
    for (int j = 0; keys[i] != nullptr && j < numbers; j += kLanes) store(to + j, load(chunk.keys[i] + j));
  }
}

// The scales of a page stand behind its numbers.
void fetch_scales(const Attention& a, const Chunk<int8_t>& chunk, const Rows& r) {
  for (int i = 0; i < kChunkBlocks; i++) {
    if (chunk.keys[i] == nullptr) continue;
    const int64_t numbers = (int64_t)kBlockTokens * a.head_dim;
    __builtin_memcpy(r.key_scales + i * kBlockTokens, chunk.keys[i] + numbers, kBlockTokens * sizeof(float));
    __builtin_memcpy(r.value_scales + i * kBlockTokens, chunk.values[i] + numbers, kBlockTokens * sizeof(float));
  }
}

// sums[R][N] = queries[R] . keys of N tokens, lane by lane.
template <int R, int N, typename Key>
inline __attribute__((always_inline)) void score_some(const float* queries, const Key* keys, int head_dim,
                                                      Floats* sums, int stride) {
  Floats own[R][N] = {};
  for (int i = 0; i < head_dim; i += kLanes) {
    Floats query[R];
    for (int r = 0; r < R; r++) query[r] = load(queries + r * head_dim + i);
    for (int n = 0; n < N; n++) {
      const Floats key = load(keys + n * head_dim + i);
      for (int r = 0; r < R; r++) own[r][n] += key * query[r];
    }
  }
  for (int r = 0; r < R; r++) {
    for (int n = 0; n < N; n++) sums[r * stride + n] = own[r][n];
  }
}

// scores[R][kChunkTokens] = queries[R] . keys, for the first `tokens`. Blocks of `next`, where there is one, are
// asked for meanwhile.
template <int R, typename Key, typename Number>
void score(const float* queries, const Key* const* keys, int head_dim, int tokens, float* scores,
           const Chunk<Number>* next) {
  constexpr int some = wide(R) < kLanes ? wide(R) : kLanes;
  for (int at = 0; at < tokens; at += kLanes) {
    const int number = at / kBlockTokens;
    if (keys[number] == nullptr) continue;
    const Key* block = keys[number] + at % kBlockTokens * head_dim;
    const Number* ahead = next == nullptr ? nullptr : next->keys[number];
    Floats sums[R][kLanes];
    for (int n = 0; n < kLanes; n += some) {
      if (ahead != nullptr) prefetch(ahead + (at % kBlockTokens + n) * head_dim, some * head_dim * sizeof(Number));
      score_some<R, some>(queries, block + n * head_dim, head_dim, sums[0] + n, kLanes);
    }
    for (int r = 0; r < R; r++) store(scores + r * kChunkTokens + at, sums_of_lanes(sums[r]));
  }
}

Floats soft_capped(Floats scores, float cap) {  // cap * tanh(scores / cap)
  const Floats positive = maximum(scores, -scores);
  const Floats small = exponential(positive * (-2.0f / cap));
  const Floats bent = cap * (1.0f - small) / (1.0f + small);
  return scores < 0.0f ? -bent : bent;
}

// Turn a row's scores into e^(score - greatest), times the scales of the values where there are some, and what it
// has gathered so far to the same scale.
template <typename Number>
void soften(const Attention& a, const Chunk<Number>& chunk, Sight sight, int row, const Rows& r) {
  float* scores = r.scores + (int64_t)row * kChunkTokens;
  Floats greatest = splat(r.greatest[row]);
  for (int i = 0; i < kChunkTokens; i += kLanes) {
    Floats values = load(scores + i);
    if constexpr (Chunk<Number>::kHasScales) values *= load(r.key_scales + i);
    if (a.soft_cap > 0) values = soft_capped(values, a.soft_cap);
    const Ints token = kLaneNumbers + (chunk.begin + i);
    values = (token >= sight.begin) & (token < sight.end) ? values : splat(-__builtin_inff());
    store(scores + i, values);
    greatest = maximum(values, greatest);
  }
  greatest = maximum_of_lanes(greatest);
  Floats total = {};
  for (int i = 0; i < kChunkTokens; i += kLanes) {
    const Floats values = exponential(load(scores + i) - greatest);
    total += values;
    if constexpr (Chunk<Number>::kHasScales) {  // what is not seen counts nothing, even where its scale is no number
      const Ints token = kLaneNumbers + (chunk.begin + i);
      const Floats scaled = values * load(r.value_scales + i);
      store(scores + i, (token >= sight.begin) & (token < sight.end) ? scaled : Floats{});
    } else {
      store(scores + i, values);
    }
  }
  const Floats shrink = exponential(splat(r.greatest[row]) - greatest);
  r.total[row] = r.total[row] * shrink[0] + sum_of_lanes(total)[0];
  if (shrink[0] == 1.0f) return;
  r.greatest[row] = greatest[0];
  float* output = r.outputs + (int64_t)row * a.head_dim;
  for (int i = 0; i < a.head_dim; i += kLanes) store(output + i, load(output + i) * shrink);
}

// outputs[R][V vectors from `at`] += scores[R] . values
template <int R, int V, typename Number>
void gather(const Chunk<Number>& chunk, const float* scores, int head_dim, int at, float* outputs,
            const Chunk<Number>* next) {
  Floats sums[R][V];
  for (int r = 0; r < R; r++) {
    for (int v = 0; v < V; v++) sums[r][v] = load(outputs + r * head_dim + at + v * kLanes);
  }
  for (int block = 0; block < kChunkBlocks; block++) {
    if (chunk.values[block] == nullptr) continue;
    const int left = chunk.end - chunk.begin - block * kBlockTokens;
    const int tokens = left < kBlockTokens ? left : kBlockTokens;
    const Number* ahead = next == nullptr ? nullptr : next->values[block];
    for (int t = 0; t < tokens; t++) {
      if (ahead != nullptr) prefetch(ahead + t * head_dim + at, V * kLanes * sizeof(Number));
      const Number* value = chunk.values[block] + t * head_dim + at;
      for (int v = 0; v < V; v++) {
        const Floats values = load(value + v * kLanes);
        for (int r = 0; r < R; r++) {
          sums[r][v] += values * scores[r * kChunkTokens + block * kBlockTokens + t];
        }
      }
    }
  }
  for (int r = 0; r < R; r++) {
    for (int v = 0; v < V; v++) store(outputs + r * head_dim + at + v * kLanes, sums[r][v]);
  }
}

template <int R, typename Key, typename Number>
void attend_rows(const Attention& a, const AttentionTile& tile, const Chunk<Number>& chunk, const Key* const* keys,
                 int row, const Rows& r, const Chunk<Number>* next) {
  constexpr int vectors = wide(R);
  const float* queries = r.queries + (int64_t)row * a.head_dim;
  float* outputs = r.outputs + (int64_t)row * a.head_dim;
  float* scores = r.scores + (int64_t)row * kChunkTokens;
  score<R>(queries, keys, a.head_dim, chunk.end - chunk.begin, scores, next);
  for (int i = 0; i < R; i++) soften(a, chunk, sight_of(a, tile, row + i), row + i, r);
  int at = 0;
  for (; at + vectors * kLanes <= a.head_dim; at += vectors * kLanes) {
    gather<R, vectors>(chunk, scores, a.head_dim, at, outputs, next);
  }
  for (; at < a.head_dim; at += kLanes) gather<R, 1>(chunk, scores, a.head_dim, at, outputs, next);
}

// Rows `row` .. `to` of the tile; the first of them ask for the next chunk.
template <typename Key, typename Number>
void attend_chunk(const Attention& a, const AttentionTile& tile, const Chunk<Number>& chunk, const Key* const* keys,
                  int row, int to, const Rows& r, const Chunk<Number>* next) {
  for (; row + 4 <= to; row += 4, next = nullptr) attend_rows<4>(a, tile, chunk, keys, row, r, next);
  if (to - row == 3) attend_rows<3>(a, tile, chunk, keys, row, r, next);
  if (to - row == 2) attend_rows<2>(a, tile, chunk, keys, row, r, next);
  if (to - row == 1) attend_rows<1>(a, tile, chunk, keys, row, r, next);
}

void finish_rows(const Attention& a, const AttentionTile& tile, int rows, const Rows& r) {
  for (int row = 0; row < rows; row++) {
    float* out = a.out + place_of(a, tile, row);
    const Floats total = splat(r.total[row]);
    for (int i = 0; i < a.head_dim; i += kLanes) {
      store(out + i, load(r.outputs + (int64_t)row * a.head_dim + i) / total);
    }
  }
}

template <typename Number>
void attend_tile(const Attention& a, const AttentionTile& tile, float* scratch) {
  const int rows = tile.count * (a.heads / a.kv_heads);
  const Rows r = carve(a, scratch);
  start_rows(a, tile, rows, r);
  const Sight seen = {sight_of(a, tile, 0).begin, sight_of(a, tile, rows - 1).end};
  Chunk<Number> next = chunk_at<Number>(a, tile, seen.begin - seen.begin % kChunkTokens, seen);
  while (next.begin < seen.end) {
    const Chunk<Number> chunk = next;
    next = chunk_at<Number>(a, tile, chunk.begin + kChunkTokens, seen);
    // Rows are ordered by position: those that see nothing of the chunk stand at the ends.
    int from = 0, to = rows;
    while (from < to && sight_of(a, tile, from).end <= chunk.begin) from++;
    while (from < to && sight_of(a, tile, to - 1).begin >= chunk.end) to--;
    if constexpr (Chunk<Number>::kHasScales) {
      fetch_scales(a, chunk, r);
      if (to - from > kFewRows) {
        const float* keys[kChunkBlocks];
        widen_keys(a, chunk, r.keys, keys);
        attend_chunk(a, tile, chunk, keys, from, to, r, &next);
        continue;
      }
    }
    attend_chunk(a, tile, chunk, chunk.keys, from, to, r, &next);
  }
  finish_rows(a, tile, rows, r);
}

void attend(const Attention& a, const AttentionTile& tile, float* scratch) {
  a.has_scales ? attend_tile<int8_t>(a, tile, scratch) : attend_tile<float>(a, tile, scratch);
}

}  // namespace

extern const AttentionKernels KERNELS = {attention_scratch_floats, attend};
