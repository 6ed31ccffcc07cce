// All eight tiles at their full size: 16 rows of 64 bytes.

struct alignas(64) TileSetup {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t tileRows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

static void configure() {
  static const TileSetup setup; // static, since gcc assumes that only 8 bytes of it are read
  _tile_loadconfig(&setup);
}
static void release() { _tile_release(); }
