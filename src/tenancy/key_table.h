#pragma once

#include <vector>

#include "core/sql.h"
#include "tenancy/keys.h"

namespace sust::tenancy {

// The keys in the database. Owned by sustd, on its loop.
class KeyTable {
  public:
    // Runs the migrations.
    static Result<KeyTable> open(core::Database& database);
    Result<void> insert(const Key& key);
    // conflict if a live key has the name already is checked by the caller through by_name().
    Result<std::optional<Key>> by_id(std::string_view id);
    Result<std::optional<Key>> by_name(std::string_view name);  // not revoked
    Result<void> revoke(std::string_view id, core::WallTime when);
    Result<std::vector<Key>> list();

  private:
    explicit KeyTable(core::Database& database) : database_(&database) {}
    core::Database* database_;
};

}  // namespace sust::tenancy
