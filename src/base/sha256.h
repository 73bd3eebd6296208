// Owns SHA-256 (FIPS 180-4), by OpenSSL: what tells whether a file is the one that was meant.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct evp_md_ctx_st;

namespace tercet {

class Sha256 {
 public:
  Sha256();
  void add(std::span<const std::byte> bytes);
  // 64 hexadecimal digits, lower case. Call it once.
  std::string finish();
  // The 32 bytes instead.
  std::vector<std::byte> finish_bytes();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string sha256_hex(std::span<const std::byte> bytes);
std::vector<std::byte> sha256(std::span<const std::byte> bytes);

}  // namespace tercet
