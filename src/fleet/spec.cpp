#include "fleet/spec.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "core/toml.h"

namespace sust::fleet {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::size_t k_text_bytes_max = 256 << 10;
// The engine holds every adapter in memory; far more than a service of ours needs.
constexpr std::size_t k_adapters_max = 64;

struct Range {
    std::string_view key;
    std::int64_t least;
    std::int64_t most;
    std::int64_t usual;
    std::string_view reason;
};
constexpr Range k_replicas{"replicas", 0, 32, 2, "two survive the loss of one; 0 keeps none"};
constexpr Range k_context{"context", 128, 1 << 20, 2048,
                          "tokens of one request, prompt and answer together"};
constexpr Range k_slots{"slots", 1, 64, 4, "requests that one replica works on at once"};
constexpr Range k_threads{"threads", 1, 256, 1, "CPU threads of one replica"};
constexpr Range k_gpus{"gpus.count", 1, 64, 1, "GPUs of one replica, all on one node"};
constexpr Duration k_drain_least = std::chrono::seconds(1);
constexpr Duration k_drain_most = std::chrono::hours(1);
constexpr Duration k_drain_usual = std::chrono::seconds(60);

std::string place_of(const SaidService& said, const std::string& key) {
    const auto found = said.places.find(key);
    if (found != said.places.end()) {
        return found->second;
    }
    const auto whole = said.places.find("");
    return whole == said.places.end() ? key : whole->second;
}

Result<int> in_range(std::int64_t value, const Range& range, const std::string& where) {
    if (value < range.least || value > range.most) {
        return fail(Fault::invalid,
                    std::string(range.key) + " must be between " + std::to_string(range.least) +
                        " and " + std::to_string(range.most) + ", not " + std::to_string(value),
                    {.where = where, .hint = std::string(range.reason)});
    }
    return static_cast<int>(value);
}

Result<int> field(const SaidService& said, const std::optional<std::int64_t>& value,
                  const Range& range) {
    return in_range(value.value_or(range.usual), range, place_of(said, std::string(range.key)));
}

Result<Duration> drain_timeout(const SaidService& said) {
    const auto value = said.drain_timeout.value_or(k_drain_usual);
    if (value < k_drain_least || value > k_drain_most) {
        return fail(Fault::invalid,
                    "drain_timeout must be between " + core::format_duration(k_drain_least) +
                        " and " + core::format_duration(k_drain_most) + ", not " +
                        core::format_duration(value),
                    {.where = place_of(said, "drain_timeout"),
                     .hint = "how long requests in flight may go on when a replica is replaced"});
    }
    return value;
}

Result<void> check_model(const SaidService& said, const std::string& key, const std::string& name) {
    auto checked = core::check_model_name(name);
    if (!checked) {
        checked.error().where = place_of(said, key);
    }
    return checked;
}

Result<void> check_names(const SaidService& said) {
    if (said.name.empty() || said.base.empty()) {
        const std::string key = said.name.empty() ? "name" : "base";
        return fail(Fault::invalid, "'" + key + "' is required",
                    {.where = place_of(said, ""),
                     .hint = key == "name" ? "name = \"demo\""
                                           : "base = \"tiny\"; sust model ls shows what exists"});
    }
    if (auto checked = core::check_name("service name", said.name); !checked) {
        checked.error().where = place_of(said, "name");
        return checked;
    }
    TRY(check_model(said, "base", said.base));
    if (said.adapters.size() > k_adapters_max) {
        return fail(Fault::invalid,
                    "at most " + std::to_string(k_adapters_max) + " adapters, not " +
                        std::to_string(said.adapters.size()),
                    {.where = place_of(said, "adapters"),
                     .hint = "every replica holds all of them in memory; use a second service"});
    }
    std::set<std::string> seen{said.base};
    for (const auto& adapter : said.adapters) {
        TRY(check_model(said, "adapters", adapter));
        if (!seen.insert(adapter).second) {
            return fail(Fault::invalid, "'" + adapter + "' is named twice",
                        {.where = place_of(said, "adapters"),
                         .hint = "a service answers each model name once"});
        }
    }
    return {};
}

Result<SaidService> read_service(const core::TomlTable& table) {
    SaidService said{.places = {{"", table.where()}}};
    said.name = TRY(table.text("name")).value_or("");
    said.base = TRY(table.text("base")).value_or("");
    said.adapters = TRY(table.texts("adapters"));
    said.engine = TRY(table.text("engine"));
    said.replicas = TRY(table.integer("replicas"));
    said.context = TRY(table.integer("context"));
    said.slots = TRY(table.integer("slots"));
    said.threads = TRY(table.integer("threads"));
    said.drain_timeout = TRY(table.duration("drain_timeout"));
    said.memory = TRY(table.size("memory"));
    if (const auto gpus = TRY(table.table("gpus"))) {
        const auto count = TRY(gpus->integer("count")).value_or(1);
        said.gpus.count = TRY(in_range(count, k_gpus, gpus->where("count")));
        said.gpus.type = TRY(gpus->text("type")).value_or("");
        TRY(gpus->no_other_keys());
    }
    said.placement = TRY(cluster::read_placements(table));
    TRY(table.no_other_keys());
    for (const auto& key : table.keys()) {
        said.places[key] = table.where(key);
    }
    said.document = table.json();
    return said;
}

}  // namespace

Result<SaidService> service_from_toml(std::string_view text, const std::string& origin) {
    if (text.size() > k_text_bytes_max) {
        return fail(Fault::too_large, "a service file has at most 256 KiB", {.where = origin});
    }
    auto said = TRY(read_service(TRY(core::TomlTable::parse(text, origin))));
    said.places[""] = origin;
    return said;
}

Result<SaidService> service_from_json(const json& document) {
    return read_service(TRY(core::TomlTable::from_json(document.dump(), "")));
}

Result<ServiceSpec> check_service(const SaidService& said, const Engines& engines) {
    TRY(check_names(said));
    const std::string engine = said.engine.value_or("llama-cpp");
    if (auto found = find_engine(engines, engine); !found) {
        return fail(Fault::invalid, found.error().message,
                    {.where = place_of(said, "engine"), .hint = found.error().hint});
    }
    ServiceSpec spec;
    spec.name = said.name;
    spec.base = said.base;
    spec.adapters = said.adapters;
    spec.engine = engine;
    spec.replicas = TRY(field(said, said.replicas, k_replicas));
    spec.context = TRY(field(said, said.context, k_context));
    spec.slots = TRY(field(said, said.slots, k_slots));
    spec.threads = TRY(field(said, said.threads, k_threads));
    spec.drain_timeout = TRY(drain_timeout(said));
    spec.memory_bytes = said.memory.value_or(0);
    spec.gpus = said.gpus;
    spec.placement = said.placement.empty() ? std::vector<cluster::Placement>{{}} : said.placement;
    return spec;
}

Result<int> check_replicas(std::int64_t replicas, const std::string& where) {
    return in_range(replicas, k_replicas, where);
}

// What says nothing is left out: a service of before means what it meant.
void to_json(json& out, const ServiceSpec& spec) {
    out = json{{"name", spec.name},
               {"base", spec.base},
               {"adapters", spec.adapters},
               {"engine", spec.engine},
               {"replicas", spec.replicas},
               {"context", spec.context},
               {"slots", spec.slots},
               {"threads", spec.threads},
               {"drain_timeout", core::format_duration(spec.drain_timeout)}};
    if (spec.memory_bytes > 0) {
        out["memory"] = std::to_string(spec.memory_bytes);
    }
    if (spec.gpus.count > 0) {
        out["gpus"] = {{"count", spec.gpus.count}};
        if (!spec.gpus.type.empty()) {
            out["gpus"]["type"] = spec.gpus.type;
        }
    }
    if (spec.placement != std::vector<cluster::Placement>{{}}) {
        out["placement"] = spec.placement;
    }
}

}  // namespace sust::fleet
