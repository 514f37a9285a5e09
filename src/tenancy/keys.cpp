#include "tenancy/keys.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/hash.h"
#include "core/id.h"

namespace sust::tenancy {

using core::fail;
using core::Fault;

namespace {

constexpr std::string_view k_prefix = "sust_";
constexpr std::string_view k_id_prefix = "key-";
constexpr std::size_t k_id_length = 26;
constexpr std::size_t k_secret_length = 52;  // 32 bytes are 256 bits, 5 to a character
constexpr std::size_t k_checksum_length = 8;
constexpr std::string_view k_alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t k_secret_bytes = 32;

std::string base32(std::string_view bytes) {
    std::string text;
    unsigned held = 0;
    int bits = 0;
    for (char c : bytes) {
        held = (held << 8 | static_cast<unsigned char>(c)) & 0xfffU;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            text += k_alphabet[held >> bits & 31U];
        }
    }
    if (bits > 0) {
        text += k_alphabet[held << (5 - bits) & 31U];
    }
    return text;
}

std::string checksum(std::string_view body) {
    return core::sha256_hex(body).substr(0, k_checksum_length);
}

bool in_alphabet(std::string_view text) {
    return text.find_first_not_of(k_alphabet) == std::string_view::npos;
}

bool contains(const std::vector<std::string>& list, std::string_view wanted) {
    return std::find(list.begin(), list.end(), wanted) != list.end();
}

}  // namespace

bool Key::allows_model(std::string_view model) const {
    return models.empty() || contains(models, model);
}

bool Key::has_scope(std::string_view scope) const {
    return contains(scopes, scope);
}

void to_json(nlohmann::json& json, const Key& key) {
    json = {{"id", key.id},         {"name", key.name},
            {"hmac", key.hmac},     {"models", key.models},
            {"scopes", key.scopes}, {"created", core::rfc3339(key.created)}};
    if (key.revoked) {
        json["revoked"] = core::rfc3339(*key.revoked);
    }
}

Result<Key> key_from_json(const nlohmann::json& json) {
    Key key;
    try {
        json.at("id").get_to(key.id);
        json.at("name").get_to(key.name);
        json.at("hmac").get_to(key.hmac);
        json.at("models").get_to(key.models);
        json.at("scopes").get_to(key.scopes);
        key.created = TRY(core::parse_rfc3339(json.at("created").get<std::string>()));
        if (json.contains("revoked")) {
            key.revoked = TRY(core::parse_rfc3339(json.at("revoked").get<std::string>()));
        }
    } catch (const nlohmann::json::exception& error) {
        return fail(Fault::invalid, std::string("not a key: ") + error.what());
    }
    return key;
}

FreshKey make_key(const core::Clock& clock, const core::Secret& server_secret, std::string name,
                  std::vector<std::string> models, std::vector<std::string> scopes) {
    FreshKey fresh;
    fresh.key = {.id = core::make_id(clock, k_id_prefix),
                 .name = std::move(name),
                 .hmac = {},
                 .models = std::move(models),
                 .scopes = std::move(scopes),
                 .created = clock.wall()};
    std::string text(k_prefix);
    text += fresh.key.id.substr(k_id_prefix.size());
    text += '_';
    text += base32(core::random_bytes(k_secret_bytes));
    text += '_' + checksum(text);
    fresh.key.hmac = core::hmac_sha256_hex(server_secret, text);
    fresh.text = core::Secret(std::move(text));
    return fresh;
}

std::optional<std::string> key_id(std::string_view text) {
    constexpr std::size_t id_at = k_prefix.size();
    constexpr std::size_t secret_at = id_at + k_id_length + 1;
    constexpr std::size_t checksum_at = secret_at + k_secret_length + 1;
    if (text.size() != checksum_at + k_checksum_length || !text.starts_with(k_prefix) ||
        text[secret_at - 1] != '_' || text[checksum_at - 1] != '_') {
        return std::nullopt;
    }
    const auto id = text.substr(id_at, k_id_length);
    if (!in_alphabet(id) || !in_alphabet(text.substr(secret_at, k_secret_length)) ||
        text.substr(checksum_at) != checksum(text.substr(0, checksum_at - 1))) {
        return std::nullopt;
    }
    return std::string(k_id_prefix) + std::string(id);
}

bool matches(const Key& key, const core::Secret& server_secret, std::string_view text) {
    return core::equal_constant_time(key.hmac, core::hmac_sha256_hex(server_secret, text));
}

Result<core::Secret> load_server_secret(const core::Path& file) {
    if (!core::path_exists(file)) {
        // Two programs may start at once: the lock lets one make the file, the other read it.
        const core::SystemClock clock;
        auto lock = TRY(core::FileLock::acquire(file.string() + ".lock",
                                                core::Deadline(clock, std::chrono::seconds(10))));
        if (!core::path_exists(file)) {
            TRY(core::write_file(file, core::random_bytes(k_secret_bytes), 0600));
        }
    }
    auto bytes = TRY(core::read_file(file, 2 * k_secret_bytes));
    if (bytes.size() != k_secret_bytes) {
        return fail(Fault::invalid, "the server secret is not 32 bytes long",
                    {.where = file.string(),
                     .hint = "restore the file; without it no key that was made can be checked"});
    }
    return core::Secret(std::move(bytes));
}

}  // namespace sust::tenancy
