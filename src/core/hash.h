#pragma once

// SHA-256 and its HMAC (FIPS 180-4, RFC 2104), through OpenSSL's libcrypto.

#include <memory>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/result.h"
#include "core/secret.h"

namespace sust::core {

class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;

    void update(std::string_view bytes);
    // 64 lower-case hex digits; the object is spent afterwards.
    std::string hex();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

std::string sha256_hex(std::string_view bytes);
Result<std::string> sha256_hex_of_file(const Path& path);
std::string hmac_sha256_hex(const Secret& key, std::string_view message);
std::string base64(std::string_view bytes);

}  // namespace sust::core
