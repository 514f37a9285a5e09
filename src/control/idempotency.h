#pragma once

// Answers of requests that create, kept for those who ask again with the same Idempotency-Key.

#include <optional>
#include <string>

#include "core/clock.h"
#include "core/http.h"
#include "core/sql.h"

namespace sust::control {

class Answers {
  public:
    Answers(core::Database& database, const core::Clock& clock)
        : database_(&database), clock_(&clock) {}

    // `key` is the caller's, made unique by `scope` (who asks, method and path). conflict: the key
    // was used for another request.
    core::Result<std::optional<core::http::Response>> find(const std::string& scope,
                                                           const std::string& key,
                                                           const std::string& body);
    // Inside the transaction in which the thing is created.
    core::Result<void> keep(const std::string& scope, const std::string& key,
                            const std::string& body, const core::http::Response& answer);
    // Forgets those older than a day, and the oldest over 10,000.
    core::Result<void> prune();

  private:
    core::Database* database_;
    const core::Clock* clock_;
};

// What a caller may send: 1 to 128 printable characters.
core::Result<void> check_idempotency_key(std::string_view key);

}  // namespace sust::control
