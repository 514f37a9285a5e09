#pragma once

// What the gateway reads of a request body and the three things that it changes in it: `model`,
// the selection of an adapter, `stream_options.include_usage`. Every other byte stays as it came.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "serve/fleet_map.h"
#include "serve/json_scan.h"

namespace sust::serve {

// Which usage a client asked for in a stream; the gateway always asks the engine for it.
enum class UsageWish { drop, pass };

struct RequestFacts {
    std::string model;
    bool stream = false;
    UsageWish usage = UsageWish::drop;
    std::vector<JsonMember> members;
};

// invalid: not JSON (where: the position), no `model`, or a field of another type than it may
// have (where: the field).
core::Result<RequestFacts> inspect_request(std::string_view body);

// The first field of the request that is the engine's own.
std::optional<std::string> private_field(std::string_view body, const RequestFacts& facts,
                                         const std::vector<std::string>& private_fields);

// The request as the engine gets it. `model.select_json` is an object or empty.
std::string edit_request(std::string_view body, const RequestFacts& facts,
                         const ServedModel& model);

}  // namespace sust::serve
