#pragma once

// API keys: sust_<id>_<secret>_<checksum>, shown once, kept as HMAC-SHA-256 under a server secret.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "core/file.h"
#include "core/result.h"
#include "core/secret.h"

namespace sust::tenancy {

using core::Result;

inline constexpr std::string_view k_scope_inference = "inference";
inline constexpr std::string_view k_scope_metrics = "metrics";

// What is kept of a key, and what a gateway needs to check one.
struct Key {
    std::string id;                   // "key-" + 26 characters
    std::string name;                 // for people
    std::string hmac;                 // hex, of the whole key text
    std::vector<std::string> models;  // empty: every model
    std::vector<std::string> scopes;  // inference, metrics
    core::WallTime created{};
    std::optional<core::WallTime> revoked{};

    bool allows_model(std::string_view model) const;
    bool has_scope(std::string_view scope) const;
};

void to_json(nlohmann::json& json, const Key& key);
Result<Key> key_from_json(const nlohmann::json& json);

struct FreshKey {
    Key key;
    core::Secret text;
};

FreshKey make_key(const core::Clock& clock, const core::Secret& server_secret, std::string name,
                  std::vector<std::string> models, std::vector<std::string> scopes);
// The id inside a key's text, if its form and checksum are right: a typo is told from a stranger
// without any secret.
std::optional<std::string> key_id(std::string_view text);
bool matches(const Key& key, const core::Secret& server_secret, std::string_view text);

// 32 random bytes in a 0600 file, made on first use.
Result<core::Secret> load_server_secret(const core::Path& file);

}  // namespace sust::tenancy
