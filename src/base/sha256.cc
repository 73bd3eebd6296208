#include "base/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "base/check.h"

namespace tercet {

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

// It fails only without memory, or where SHA-256 was taken out of OpenSSL.
Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::add(std::span<const std::byte> bytes) {
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::vector<std::byte> Sha256::finish_bytes() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned n_byte = 0;
  CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &n_byte) == 1);
  const auto bytes = std::as_bytes(std::span(digest)).first(n_byte);
  return {bytes.begin(), bytes.end()};
}

std::string Sha256::finish() {
  std::string out;
  for (const std::byte byte : finish_bytes()) out += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return out;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.finish();
}

std::vector<std::byte> sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.finish_bytes();
}

}  // namespace tercet
