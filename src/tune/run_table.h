#pragma once

// The runs in the database. On the control loop's thread.

#include <string_view>
#include <vector>

#include "core/sql.h"
#include "tune/run.h"

namespace sust::tune {

class RunTable {
  public:
    // Runs the migrations.
    static core::Result<RunTable> open(core::Database& database);

    core::Result<void> insert(const Run& run);
    // What changes in a run's life; inputs and parameters never do.
    core::Result<void> update(const Run& run);
    // An absent one is fine.
    core::Result<void> remove(std::string_view id);
    core::Result<std::optional<Run>> by_id(std::string_view id);
    // Newest first, those before `after` (an id; empty: from the newest).
    core::Result<std::vector<Run>> list(std::string_view after, std::size_t limit);
    core::Result<std::vector<Run>> active();

  private:
    explicit RunTable(core::Database& database) : database_(&database) {}
    core::Database* database_;
};

}  // namespace sust::tune
