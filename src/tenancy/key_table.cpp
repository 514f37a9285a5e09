#include "tenancy/key_table.h"

#include <array>

#include <nlohmann/json.hpp>

namespace sust::tenancy {

namespace {

constexpr std::array<core::Migration, 1> k_migrations{{
    {R"(CREATE TABLE tenancy_keys (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            hmac TEXT NOT NULL,
            models TEXT NOT NULL,
            scopes TEXT NOT NULL,
            created TEXT NOT NULL,
            revoked TEXT
        ) STRICT;
        CREATE UNIQUE INDEX tenancy_keys_live_name ON tenancy_keys (name) WHERE revoked IS NULL;)"},
}};

constexpr std::string_view k_columns = "id, name, hmac, models, scopes, created, revoked";

std::string select(std::string_view where) {
    return "SELECT " + std::string(k_columns) + " FROM tenancy_keys " + std::string(where);
}

std::string list_text(const std::vector<std::string>& list) {
    return nlohmann::json(list).dump();
}

Result<std::vector<std::string>> parse_list(const std::string& text) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    std::vector<std::string> list;
    for (const auto& item : json) {
        if (!item.is_string()) {
            return core::fail(core::Fault::internal, "a list of names in the key table is damaged");
        }
        list.push_back(item.get<std::string>());
    }
    return list;
}

Result<Key> read_row(const core::SqlRow& row) {
    Key key{
        .id = row.text(0), .name = row.text(1), .hmac = row.text(2), .models = {}, .scopes = {}};
    key.models = TRY(parse_list(row.text(3)));
    key.scopes = TRY(parse_list(row.text(4)));
    key.created = TRY(core::parse_rfc3339(row.text(5)));
    if (auto revoked = row.optional_text(6)) {
        key.revoked = TRY(core::parse_rfc3339(*revoked));
    }
    return key;
}

Result<std::optional<Key>> first(Result<std::vector<core::SqlRow>> rows) {
    auto found = TRY(std::move(rows));
    if (found.empty()) {
        return std::optional<Key>();
    }
    return std::optional<Key>(TRY(read_row(found.front())));
}

}  // namespace

Result<KeyTable> KeyTable::open(core::Database& database) {
    TRY(database.migrate("tenancy", k_migrations));
    return KeyTable(database);
}

Result<void> KeyTable::insert(const Key& key) {
    TRY(
        database_->execute("INSERT INTO tenancy_keys (id, name, hmac, models, scopes, created) "
                           "VALUES (?, ?, ?, ?, ?, ?)",
                           {key.id, key.name, key.hmac, list_text(key.models),
                            list_text(key.scopes), core::rfc3339(key.created)}));
    return {};
}

Result<std::optional<Key>> KeyTable::by_id(std::string_view id) {
    return first(database_->query(select("WHERE id = ?"), {std::string(id)}));
}

Result<std::optional<Key>> KeyTable::by_name(std::string_view name) {
    return first(
        database_->query(select("WHERE name = ? AND revoked IS NULL"), {std::string(name)}));
}

Result<void> KeyTable::revoke(std::string_view id, core::WallTime when) {
    const auto changed = TRY(
        database_->execute("UPDATE tenancy_keys SET revoked = coalesce(revoked, ?) WHERE id = ?",
                           {core::rfc3339(when), std::string(id)}));
    if (changed == 0) {
        return core::fail(core::Fault::not_found, "no key '" + std::string(id) + "'",
                          {.hint = "`sust key ls` shows what exists"});
    }
    return {};
}

Result<std::vector<Key>> KeyTable::list() {
    std::vector<Key> keys;
    for (const auto& row : TRY(database_->query(select("ORDER BY id")))) {
        keys.push_back(TRY(read_row(row)));
    }
    return keys;
}

}  // namespace sust::tenancy
