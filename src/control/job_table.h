#pragma once

// The jobs in the database. On the control loop's thread.

#include <string_view>
#include <vector>

#include "control/job.h"
#include "core/sql.h"

namespace sust::control {

class JobTable {
  public:
    explicit JobTable(core::Database& database) : database_(&database) {}

    Result<void> insert(const Job& job);
    // What changes in a job's life; what was asked for never does.
    Result<void> update(const Job& job);
    Result<void> remove(std::string_view id);
    // not_found if there is none.
    Result<Job> by_id(std::string_view id);
    // Newest first, those before `after` (an id; empty: from the newest).
    Result<std::vector<Job>> list(std::string_view after, std::size_t limit);
    // Those that have not ended.
    Result<std::vector<Job>> active();

  private:
    core::Database* database_;
};

}  // namespace sust::control
