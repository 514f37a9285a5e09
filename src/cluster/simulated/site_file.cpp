#include "cluster/simulated/site_file.h"

#include <algorithm>

#include <fmt/format.h>

#include "cluster/node_names.h"
#include "cluster/simulated/site_parts.h"
#include "core/text.h"

namespace sust::cluster::simulated {

using core::fail;
using core::Fault;
using core::TomlTable;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t k_nodes_max = 100'000;
constexpr std::size_t k_parts_max = 64;  // groups, partitions, loads; a bit of each group
constexpr std::size_t k_script_max = 10'000;
constexpr std::size_t k_windows_max = 256;

Result<void> check_count(const TomlTable& table, std::string_view key, std::size_t count,
                         std::size_t most) {
    return count <= most ? Result<void>()
                         : fail(Fault::too_large, fmt::format("more than {} of '{}'", most, key),
                                {.where = table.where(key)});
}

// --- Nodes -----------------------------------------------------------------------------------

// names = "nid[001-100]", or names = "nid" and count = 100.
Result<std::vector<std::string>> names_of(const TomlTable& part) {
    const auto said = TRY(part.required_text("names"));
    const auto most = static_cast<std::int64_t>(k_nodes_max);
    const auto count = TRY(integer_in(part, "count", 1, most, 0));
    auto names = count == 0 ? expand_nodes(said, k_nodes_max) : std::vector<std::string>();
    const auto digits = std::to_string(count).size();
    for (std::int64_t i = 1; i <= count; ++i) {
        names.push_back(fmt::format("{}{:0{}}", said, i, digits));
    }
    if (names.empty()) {
        return fail(Fault::invalid, "'names' says no nodes",
                    {.where = part.where("names"),
                     .hint = "names = \"n[1-100]\", or names = \"n\" and count = 100"});
    }
    return names;
}

Result<void> read_group(const TomlTable& part, const std::string& name, Model& model) {
    constexpr int k_gpus_max = 64;
    auto names = TRY(names_of(part));
    Group group{.name = name,
                .first = static_cast<int>(model.nodes.size()),
                .count = static_cast<int>(names.size())};
    group.cores = static_cast<int>(TRY(integer_in(part, "cores", 1, 10'000, 1)));
    group.memory_bytes = TRY(part.size("memory")).value_or(std::uint64_t{1} << 40);
    if (group.memory_bytes > std::uint64_t{1} << 50) {
        return fail(Fault::invalid, "a node has at most 1024TiB", {.where = part.where("memory")});
    }
    if (const auto gpus = TRY(part.table("gpus"))) {
        group.gpus.count = static_cast<int>(TRY(integer_in(*gpus, "count", 1, k_gpus_max, 1)));
        group.gpus.type = TRY(gpus->text("type")).value_or("");
        TRY(gpus->no_other_keys());
    }
    TRY(check_count(part, "names", model.nodes.size() + names.size(), k_nodes_max));
    for (auto& node : names) {
        TRY(core::within(part.where("names"), core::check_name("node", node)));
        if (!model.numbers.emplace(node, static_cast<int>(model.nodes.size())).second) {
            return fail(Fault::invalid, fmt::format("two nodes are called '{}'", node),
                        {.where = part.where("names")});
        }
        model.nodes.push_back(std::move(node));
    }
    model.groups.push_back(std::move(group));
    return {};
}

Result<void> read_groups(const TomlTable& site, Model& model) {
    const auto all = TRY(site.table("nodes"));
    const auto names = all ? all->keys() : std::vector<std::string>();
    if (names.empty()) {
        return fail(Fault::invalid, "a site has nodes",
                    {.where = site.where(), .hint = "[nodes.gpu]\nnames = \"n[1-8]\"\ncores = 64"});
    }
    TRY(check_count(site, "nodes", names.size(), k_parts_max));
    for (const auto& name : names) {
        const auto part = TRY(required_table(*all, name));
        TRY(read_group(part, name, model));
        TRY(part.no_other_keys());
    }
    return {};
}

// --- Partitions and accounts -----------------------------------------------------------------

Result<std::uint64_t> groups_of(const TomlTable& part, const Model& model) {
    std::uint64_t groups = 0;
    const auto names = TRY(part.texts("nodes"));
    for (const auto& name : names) {
        const auto found = std::find_if(model.groups.begin(), model.groups.end(),
                                        [&](const Group& group) { return group.name == name; });
        if (found == model.groups.end()) {
            return fail(Fault::invalid, fmt::format("no [nodes.{}]", core::printable(name, 60)),
                        {.where = part.where("nodes")});
        }
        groups |= std::uint64_t{1} << (found - model.groups.begin());
    }
    return names.empty() ? ~std::uint64_t{0} >> (64 - model.groups.size()) : groups;
}

Result<Queue> read_queue(const TomlTable& part, const std::string& name, const Model& model) {
    Queue queue{.name = name};
    queue.groups = TRY(groups_of(part, model));
    queue.is_default = TRY(part.boolean("default")).value_or(false);
    queue.longest = TRY(part.duration("longest"));
    queue.priority = static_cast<int>(TRY(integer_in(part, "priority", 0, 1'000, 0)));
    queue.preemptible = TRY(part.boolean("preemptible")).value_or(false);
    queue.accounts = TRY(part.texts("accounts"));
    queue.wait = TRY(spread_in(part, "wait", {}));
    queue.start = TRY(spread_in(part, "start", {}));
    for (const auto& account : queue.accounts) {
        TRY(check_account(part, "accounts", account, model));
    }
    return queue;
}

Result<void> read_queues(const TomlTable& site, Model& model) {
    const auto all = TRY(site.table("partition"));
    const auto names = all ? all->keys() : std::vector<std::string>();
    TRY(check_count(site, "partition", names.size(), k_parts_max));
    for (const auto& name : names) {
        const auto part = TRY(required_table(*all, name));
        TRY(core::within(all->where(name), core::check_name("partition", name)));
        model.queues.push_back(TRY(read_queue(part, name, model)));
        TRY(part.no_other_keys());
    }
    if (model.queues.empty()) {
        model.queues.push_back(
            {.name = "all", .groups = ~std::uint64_t{0} >> (64 - model.groups.size())});
    }
    const auto defaults = std::count_if(model.queues.begin(), model.queues.end(),
                                        [](const Queue& queue) { return queue.is_default; });
    if (defaults > 1) {
        return fail(Fault::invalid, "two partitions are the default",
                    {.where = site.where("partition")});
    }
    if (model.queues.size() == 1) {
        model.queues.front().is_default = true;
    }
    return {};
}

Result<void> read_accounts(const TomlTable& site, Model& model) {
    const auto all = TRY(site.table("account"));
    for (const auto& name : all ? all->keys() : std::vector<std::string>()) {
        const auto part = TRY(required_table(*all, name));
        TRY(core::within(all->where(name), core::check_name("account", name)));
        model.accounts[name] =
            static_cast<int>(TRY(integer_in(part, "priority", -1'000, 1'000, 0)));
        TRY(part.no_other_keys());
    }
    return {};
}

// --- The rest --------------------------------------------------------------------------------

Result<void> read_lists(const TomlTable& site, Model& model) {
    for (const auto& part : TRY(site.tables("load"))) {
        model.loads.push_back(TRY(read_load(part, model)));
        TRY(part.no_other_keys());
    }
    for (const auto& part : TRY(site.tables("script"))) {
        model.script.push_back(TRY(read_mishap(part, model)));
        TRY(part.no_other_keys());
    }
    for (const auto& part : TRY(site.tables("maintenance"))) {
        model.maintenance.push_back(TRY(read_maintenance(part, model)));
        TRY(part.no_other_keys());
    }
    for (const auto& part : TRY(site.tables("drained"))) {
        auto mishap = TRY(read_drained(part, model));
        TRY(part.no_other_keys());
        model.drained.push_back(std::move(mishap));
    }
    TRY(check_count(site, "load", model.loads.size(), k_parts_max));
    TRY(check_count(site, "script", model.script.size(), k_script_max));
    TRY(check_count(site, "drained", model.drained.size(), k_script_max));
    return check_count(site, "maintenance", model.maintenance.size(), k_windows_max);
}

}  // namespace

Result<Model> read_model(std::string_view text, const std::string& origin) {
    const auto site = TRY(TomlTable::parse(text, origin));
    Model model;
    model.name = TRY(site.text("name")).value_or("simulated");
    model.seed = static_cast<std::uint64_t>(TRY(integer_in(site, "seed", 0, INT64_MAX, 1)));
    TRY(read_clock(site, model));
    TRY(read_jobs(site, model));
    TRY(read_groups(site, model));
    TRY(read_accounts(site, model));
    TRY(read_queues(site, model));
    TRY(read_rates(site, model));
    TRY(read_lists(site, model));
    TRY(site.no_other_keys());
    return model;
}

}  // namespace sust::cluster::simulated
