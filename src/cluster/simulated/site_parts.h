#pragma once

// The parts of SITE.toml, each from its own table. Internal to site_file.cpp.

#include "cluster/simulated/site_file.h"

namespace sust::cluster::simulated {

Result<std::int64_t> integer_in(const core::TomlTable& table, std::string_view key,
                                std::int64_t low, std::int64_t high, std::int64_t usual);
// A share between 0 and 1.
Result<double> share_in(const core::TomlTable& table, std::string_view key);
// A duration that is neither negative nor beyond ten years.
Result<Duration> duration_in(const core::TomlTable& table, std::string_view key, Duration usual);
// "5m" (always that), or { least = "1m", mean = "5m", most = "1h" }.
Result<Spread> spread_in(const core::TomlTable& table, std::string_view key, Spread usual);
// not_found where [KEY] is absent.
Result<core::TomlTable> required_table(const core::TomlTable& table, std::string_view key);
Result<void> check_account(const core::TomlTable& table, std::string_view key,
                           const std::string& name, const Model& model);
// Numbers of the nodes that "n[1-3]" names, in order.
Result<std::vector<int>> nodes_in(const core::TomlTable& table, std::string_view key,
                                  const Model& model);

Result<void> read_clock(const core::TomlTable& site, Model& model);
Result<void> read_jobs(const core::TomlTable& site, Model& model);
Result<void> read_rates(const core::TomlTable& site, Model& model);
Result<Load> read_load(const core::TomlTable& part, const Model& model);
Result<Maintenance> read_maintenance(const core::TomlTable& part, const Model& model);
Result<Mishap> read_drained(const core::TomlTable& part, const Model& model);

}  // namespace sust::cluster::simulated
