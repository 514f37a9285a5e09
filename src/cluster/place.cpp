#include "cluster/place.h"

#include <fmt/format.h>

#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr int k_nodes_max = 100'000;
constexpr std::size_t k_host_bytes_max = 253;

// Who says it, and under which names, the better one first.
struct Names {
    std::string_view rank, nodes, more_nodes, hosts, more_hosts;
};
constexpr Names k_ours = {"SUST_NODE_RANK", "SUST_NODES", "", "SUST_HEAD_NODE", ""};
constexpr Names k_slurm = {"SLURM_NODEID", "SLURM_STEP_NUM_NODES", "SLURM_NNODES",
                           "SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"};

std::string said(const core::Environment& environment, std::string_view name,
                 std::string_view or_name = {}) {
    const auto found = environment.find(std::string(name));
    if (found != environment.end() && !found->second.empty()) {
        return found->second;
    }
    return or_name.empty() ? "" : said(environment, or_name);
}

Result<int> number(std::string_view name, const std::string& text, int low, int high, int usual) {
    if (text.empty()) {
        return usual;
    }
    const auto value = core::parse_integer(text);
    if (!value || *value < low || *value > high) {
        return fail(Fault::invalid,
                    fmt::format("'{}' is not a number between {} and {}", core::printable(text, 40),
                                low, high),
                    {.where = std::string(name)});
    }
    return static_cast<int>(*value);
}

Result<Place> read_place(const core::Environment& environment, const Names& names,
                         const std::string& host) {
    Place place{.head_node = host};
    place.nodes = TRY(
        number(names.nodes, said(environment, names.nodes, names.more_nodes), 1, k_nodes_max, 1));
    place.node_rank = TRY(number(names.rank, said(environment, names.rank), 0, place.nodes - 1, 0));
    if (const auto hosts = said(environment, names.hosts, names.more_hosts); !hosts.empty()) {
        place.head_node = first_host(hosts);
    }
    return place;
}

}  // namespace

Result<Place> place_of(const core::Environment& environment, const std::string& host) {
    for (const auto& name : {k_ours.rank, k_ours.nodes, k_ours.hosts}) {
        if (environment.contains(std::string(name))) {
            return read_place(environment, k_ours, host);
        }
    }
    return environment.contains("SLURM_NODEID") ? read_place(environment, k_slurm, host)
                                                : Place{.head_node = host};
}

void tell_node(core::Environment& environment, const Place& place) {
    environment["SUST_NODE_RANK"] = std::to_string(place.node_rank);
    environment["SUST_NODES"] = std::to_string(place.nodes);
    environment["SUST_HEAD_NODE"] = place.head_node;
}

void tell_place(core::Environment& environment, const Place& place, int local_rank,
                int local_size) {
    tell_node(environment, place);
    const auto size = static_cast<std::int64_t>(local_size);
    environment["SUST_LOCAL_RANK"] = std::to_string(local_rank);
    environment["SUST_LOCAL_SIZE"] = std::to_string(local_size);
    environment["SUST_RANK"] = std::to_string(place.node_rank * size + local_rank);
    environment["SUST_WORLD_SIZE"] = std::to_string(place.nodes * size);
}

// Of every bracket the first number, up to the first comma outside of brackets.
std::string first_host(std::string_view list) {
    std::string host;
    bool inside = false;
    bool taken = false;
    for (const char c : list) {
        if (c == '[') {
            inside = true;
            taken = false;
        } else if (c == ']') {
            inside = false;
        } else if (c == ',' && !inside) {
            break;
        } else if (inside && (c == '-' || c == ',')) {
            taken = true;
        } else if (!inside || !taken) {
            host += c;
        }
        if (host.size() > k_host_bytes_max) {
            return {};
        }
    }
    return inside ? std::string() : host;
}

}  // namespace sust::cluster
