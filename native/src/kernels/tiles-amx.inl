// Products of tiles by AMX. See attention-tiles.inl.

#include "tile-setup.inl"

// 2 by 2 tiles of result = (fresh ? 0 : result) + left * right over 32 * `terms` terms.
MFM_INLINE void product(Result result, Factor left, Factor right, int64_t terms, bool fresh) {
  float* c = result.values;
  const int64_t rowBytes = result.stride * 4;
  if (fresh) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, c, rowBytes);
    _tile_loadd(1, c + 16, rowBytes);
    _tile_loadd(2, c + 16 * result.stride, rowBytes);
    _tile_loadd(3, c + 16 * result.stride + 16, rowBytes);
  }
  for (int64_t i = 0; i < terms; ++i) {
    _tile_loadd(4, left.first + i * left.advance, left.rowBytes);
    _tile_loadd(6, right.first + i * right.advance, right.rowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, right.second + i * right.advance, right.rowBytes);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, left.second + i * left.advance, left.rowBytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, rowBytes);
  _tile_stored(1, c + 16, rowBytes);
  _tile_stored(2, c + 16 * result.stride, rowBytes);
  _tile_stored(3, c + 16 * result.stride + 16, rowBytes);
}
