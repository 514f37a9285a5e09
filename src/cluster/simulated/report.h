#pragma once

// How a simulated site stands, for people and programs.

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/simulated/engine.h"

namespace sust::cluster::simulated {

// {"name", "clock", "time_seconds", "jobs", "nodes", "ended", "wait_seconds", "used", "events",
// "digest"}: docs/protocol/simulate.md.
nlohmann::json report_json(const Engine& engine);
// Events after the one with this sequence number, at most `most`.
nlohmann::json events_json(const Engine& engine, std::uint64_t after, std::size_t most);
// "1d 02:03:04, 17 running, 3 waiting, 2 nodes away"
std::string report_line(const Engine& engine);

}  // namespace sust::cluster::simulated
