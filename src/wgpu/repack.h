// Owns how a block format lies on the device: the order of its bits in planes (kernels/FORMAT.wgsl reads them).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "quant/format.h"

namespace tercet::wgpu {

// An entry of each plane: its bytes, and the columns that it covers. Rows follow each other without a gap.
struct PlaneBytes {
  int n_plane = 1;
  std::array<int, 4> bytes = {};
  std::array<int, 4> columns = {};
};
PlaneBytes plane_bytes(quant::Type type);

// Rearranges `n_column` columns (whole blocks) at `from`; planes[i] is where their entries of plane i go.
void repack(quant::Type type, const std::byte* from, int64_t n_column, std::array<std::byte*, 4> planes);

}  // namespace tercet::wgpu
