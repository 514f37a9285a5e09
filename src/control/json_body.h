#pragma once

// A request's JSON object read against what is known: every key asked for is checked for its
// type, every key nobody asked for is an error with the nearest known one.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/result.h"

namespace sust::control {

// Malformed JSON is invalid, with the position; nesting deeper than 64 is refused.
core::Result<nlohmann::json> parse_json(std::string_view text);

class JsonBody {
  public:
    // An empty body is an empty object.
    static core::Result<JsonBody> parse(std::string_view text);
    static core::Result<JsonBody> of(const nlohmann::json& json, std::string where);

    core::Result<std::string> required_text(const std::string& key);
    // null counts as absent.
    core::Result<std::optional<std::string>> text(const std::string& key);
    core::Result<std::optional<std::int64_t>> integer(const std::string& key);
    core::Result<std::optional<bool>> boolean(const std::string& key);
    core::Result<std::vector<std::string>> texts(const std::string& key);
    // null if absent; lives as long as this.
    const nlohmann::json* raw(const std::string& key);

    core::Result<void> no_other_keys() const;

  private:
    explicit JsonBody(std::shared_ptr<const nlohmann::json> json, std::string where);
    tl::unexpected<core::Error> wrong(const std::string& key, std::string_view wanted) const;

    std::shared_ptr<const nlohmann::json> json_;
    std::string where_;
    std::set<std::string> asked_;
};

}  // namespace sust::control
