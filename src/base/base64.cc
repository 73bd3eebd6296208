#include "base/base64.h"

#include <openssl/evp.h>

#include <algorithm>

namespace tercet {

std::string base64(std::span<const std::byte> bytes) {
  // A length is an int there, so that it takes a piece at a time; a multiple of three needs no padding.
  constexpr size_t kPiece = 3 * (size_t{1} << 20);
  std::string out;
  std::string piece;
  while (!bytes.empty()) {
    const auto now = bytes.first(std::min(kPiece, bytes.size()));
    bytes = bytes.subspan(now.size());
    piece.resize((now.size() + 2) / 3 * 4 + 1);  // and the zero at its end
    const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(piece.data()),
                                  reinterpret_cast<const unsigned char*>(now.data()), static_cast<int>(now.size()));
    out.append(piece, 0, static_cast<size_t>(n));
  }
  return out;
}

}  // namespace tercet
