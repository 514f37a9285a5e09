#pragma once

// What the handlers of the API work with. Everything here belongs to the control loop's thread.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "control/fleet_waiters.h"
#include "control/idempotency.h"
#include "control/job_followers.h"
#include "control/principal.h"
#include "control/run_followers.h"
#include "control/usage.h"
#include "core/event_loop.h"
#include "core/log.h"
#include "core/places.h"
#include "core/secret.h"
#include "fleet/fleet.h"
#include "store/store.h"
#include "tenancy/key_table.h"
#include "tune/runs.h"

namespace sust::control {

using core::Error;
using core::fail;
using core::Fault;
using core::Result;
using core::http::ExchangePtr;
using core::http::Response;

// The parts that control drives; all outlive it.
struct Parts {
    core::EventLoop& loop;
    const core::Clock& clock;
    core::Database& database;
    store::Store& store;
    tune::Runs& runs;
    Jobs& jobs;
    const cluster::Backends& backends;
    fleet::Fleet& fleet;
    tenancy::KeyTable& keys;
    core::Secret key_secret;
    core::Places places;
    uid_t owner = 0;
    std::string version;
    core::Log log;
};

struct Desk {
    explicit Desk(Parts parts_in);

    Parts parts;
    Answers answers;
    Usage usage;
    RunFollowers followers;
    JobFollowers job_followers;
    FleetWaiters waiters;
    core::WallTime started;
    // At the moment. Shared, because an upload may outlive the desk by the end of a commit.
    std::shared_ptr<int> uploads = std::make_shared<int>(0);
};

// One request on its way to its handler.
struct Ask {
    ExchangePtr exchange;
    std::map<std::string, std::string> names;  // from the pattern: {"name": "a/b"}
    std::map<std::string, std::string> query;
    Principal who;

    const std::string& name(const char* key) const { return names.at(key); }
    std::string parameter(const std::string& key) const;
    // A number in the query, `otherwise` if absent; invalid outside of its range.
    Result<std::int64_t> number(const std::string& key, std::int64_t otherwise, std::int64_t low,
                                std::int64_t high) const;
};

// Nothing: answered already, or later.
using Answer = std::optional<Response>;

Response json_answer(int status, const nlohmann::json& body);
// For answers that come later: the response, or the error in its form.
void finish(const ExchangePtr& exchange, Result<Response> response);
// {"items":[...],"next":...}: those of `items` after the parameter `after`, at most `limit`; each
// item's place in the order is its `key`, and the order is ascending.
Result<Response> page(const Ask& ask, const nlohmann::json& items, const char* key);
// {"text","next_offset","complete"}; cut so that no character is torn.
nlohmann::json log_json(const cluster::LogChunk& chunk, std::uint64_t offset);
Result<cluster::Stream> stream_of(const std::string& name);

}  // namespace sust::control
