#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sust::store {

// "sha256:<64 lower-case hex digits>", checked once, here.
class Digest {
  public:
    static core::Result<Digest> parse(std::string_view text);
    static Digest of(std::string_view bytes);
    static Digest from_hex_unchecked(std::string hex) { return Digest(std::move(hex)); }

    const std::string& hex() const { return hex_; }
    std::string str() const { return "sha256:" + hex_; }
    auto operator<=>(const Digest&) const = default;

  private:
    explicit Digest(std::string hex) : hex_(std::move(hex)) {}
    std::string hex_;
};

}  // namespace sust::store
