#pragma once

// Secrets have a type that cannot be printed by accident.

#include <ostream>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sust::core {

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    // The one way to the text; each use is visible in a search.
    const std::string& reveal() const { return value_; }
    bool empty() const { return value_.empty(); }

  private:
    std::string value_;
};

inline std::ostream& operator<<(std::ostream& out, const Secret&) {
    return out << "********";
}
inline std::string_view format_as(const Secret&) {
    return "********";
}

// From the kernel's random source.
std::string random_bytes(std::size_t count);
// Takes time that depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace sust::core
