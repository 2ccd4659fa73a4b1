// Matrix tiles (AMX): the same sums as in dot.h, of a panel's outputs for up to kBlock tokens at once.
//
// One instruction multiplies the activations of 16 tokens, 64 inputs of each, by the weights of 16 outputs. A panel's
// quads are laid out as it wants its second factor. Intel's Software Developer's Manual, volume 1, chapter 18.
#pragma once

#include "dot.h"

namespace {

constexpr int kTileSide = 16;          // tokens, or outputs, of a tile
constexpr int kTileBytes = 64;         // inputs of a tile, at most
constexpr int kBlock = 2 * kTileSide;  // tokens that read a panel's weights together
static_assert(kPanelRows == 2 * kTileSide);

// Tiles 0 to 3 hold sums, (upper or lower tokens) x (first or last outputs of the panel); 4 and 5 the activations
// of the tokens; 6 and 7 the weights of the outputs.
inline void shape_tiles(int tokens, int bytes) {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } shapes;
  const auto shape = [&](int tile, int rows, int row_bytes) {
    shapes.rows[tile] = rows;
    shapes.row_bytes[tile] = rows == 0 ? 0 : row_bytes;
  };
  const int upper = tokens < kTileSide ? tokens : kTileSide, lower = tokens - upper;
  for (int half = 0; half < 2; half++) {
    shape(half, upper, kTileSide * sizeof(int32_t));
    shape(2 + half, lower, kTileSide * sizeof(int32_t));
    shape(6 + half, bytes / kQuad, kTileSide * kQuad);
  }
  shape(4, upper, bytes);
  shape(5, lower, bytes);
  _tile_loadconfig(&shapes);
}

// to (tokens, kPanelRows) = weights . activations, of `steps` times as many inputs as the tiles are shaped for.
// The weights' bytes are signed, or have an offset of 128.
template <bool is_signed>
inline __attribute__((always_inline)) void multiply_tiles(const uint8_t* weights, int bytes, int steps,
                                                          const int8_t* values, int64_t width, bool has_lower,
                                                          int32_t* to) {
  constexpr int kRowBytes = kPanelRows * kQuad;
  _tile_zero(0);
  _tile_zero(1);
  if (has_lower) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int i = 0; i < steps; i++) {
    _tile_loadd(6, weights, kRowBytes);
    _tile_loadd(7, weights + kRowBytes / 2, kRowBytes);
    _tile_loadd(4, values, width);
    if constexpr (is_signed) {
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
    } else {
      _tile_dpbsud(0, 4, 6);
      _tile_dpbsud(1, 4, 7);
    }
    if (has_lower) {
      _tile_loadd(5, values + kTileSide * width, width);
      if constexpr (is_signed) {
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
      } else {
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
      }
    }
    weights += bytes * kPanelRows;
    values += bytes;
  }
  _tile_stored(0, to, kRowBytes);
  _tile_stored(1, to + kTileSide, kRowBytes);
  if (has_lower) {
    _tile_stored(2, to + kTileSide * kPanelRows, kRowBytes);
    _tile_stored(3, to + kTileSide * kPanelRows + kTileSide, kRowBytes);
  }
}

}  // namespace
