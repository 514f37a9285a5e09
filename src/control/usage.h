#pragma once

// What was used with each key, added up from the gateway's ledger files. Each line is counted
// once: how far a file is read is kept in the same transaction as the sums.

#include <cstdint>
#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/file.h"
#include "core/sql.h"

namespace sust::control {

struct KeyUsage {
    std::int64_t requests = 0;
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    std::string last;  // end of the last request, RFC 3339; empty: never used
};

void to_json(nlohmann::json& json, const KeyUsage& usage);

class Usage {
  public:
    Usage(core::Database& database, core::Path ledger)
        : database_(&database), ledger_(std::move(ledger)) {}

    // Reads what was added, `max_bytes` and at most one piece (256 KiB) more. True: there may be
    // more.
    core::Result<bool> refresh(std::size_t max_bytes);
    core::Result<std::map<std::string, KeyUsage>> by_key();

  private:
    core::Result<std::size_t> read_more(const std::string& name);

    core::Database* database_;
    core::Path ledger_;
};

}  // namespace sust::control
