#include "cluster/slurm/rest_text.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <simdjson.h>

#include "cluster/node_names.h"
#include "cluster/slurm/rest_version.h"
#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;
using simdjson::dom::element;
using simdjson::dom::object;

namespace {

constexpr std::size_t k_answer_bytes_max = 128 << 20;
constexpr std::uint64_t k_mib = 1 << 20;

// A text, or the first of a list of them, which is what later versions say.
std::string text_of(const object& from, std::string_view key) {
    const auto value = from[key];
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS && value.at(0).get(text) != simdjson::SUCCESS) {
        return {};
    }
    return std::string(text);
}

std::vector<std::string> texts_of(const object& from, std::string_view key) {
    std::vector<std::string> texts;
    simdjson::dom::array list;
    if (from[key].get(list) != simdjson::SUCCESS) {
        return texts;
    }
    for (const auto item : list) {
        std::string_view text;
        if (item.get(text) == simdjson::SUCCESS) {
            texts.emplace_back(text);
        }
    }
    return texts;
}

std::optional<std::int64_t> number_of(const object& from, std::string_view key) {
    std::int64_t number = 0;
    return from[key].get(number) == simdjson::SUCCESS ? std::optional(number) : std::nullopt;
}

// A number that says whether it is one: {"set": true, "infinite": false, "number": 5}.
std::optional<std::int64_t> set_number_of(const object& from, std::string_view key) {
    object said;
    bool set = false;
    if (from[key].get(said) != simdjson::SUCCESS || said["set"].get(set) != simdjson::SUCCESS ||
        !set) {
        return std::nullopt;
    }
    return number_of(said, "number");
}

int count_of(const object& from, std::string_view key) {
    constexpr std::int64_t k_most = 1'000'000'000;
    return static_cast<int>(std::clamp<std::int64_t>(number_of(from, key).value_or(0), 0, k_most));
}

std::uint64_t mib_of(const object& from, std::string_view key) {
    return static_cast<std::uint64_t>(count_of(from, key)) * k_mib;
}

// One answer; what is read of it lives as long.
class Answer {
  public:
    static Result<std::unique_ptr<Answer>> parse(std::string_view json) {
        auto answer = std::make_unique<Answer>();
        element root;
        if (answer->parser_.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS ||
            root.get(answer->root_) != simdjson::SUCCESS) {
            return fail(Fault::unavailable, "slurmrestd's answer is no JSON");
        }
        return answer;
    }
    const object& root() const { return root_; }
    // False where there is no such list, which is not an empty one.
    template <class Each>
    bool for_each(std::string_view key, Each each) const {
        simdjson::dom::array list;
        if (root_[key].get(list) != simdjson::SUCCESS) {
            return false;
        }
        for (const auto item : list) {
            object one;
            if (item.get(one) == simdjson::SUCCESS) {
                each(one);
            }
        }
        return true;
    }

  private:
    simdjson::dom::parser parser_{k_answer_bytes_max};
    object root_;
};

tl::unexpected<core::Error> no_list(std::string_view of) {
    return fail(Fault::unavailable, fmt::format("slurmrestd's answer has no list of {}", of));
}

}  // namespace

// --- The site --------------------------------------------------------------------------------

namespace {

// As sinfo says it in one word.
NodeState state_of_node(const object& node) {
    std::set<std::string> words;
    for (const auto* key : {"state", "state_flags"}) {
        auto said = texts_of(node, key);
        said.push_back(text_of(node, key));
        for (auto& word : said) {
            std::transform(word.begin(), word.end(), word.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            words.insert(std::move(word));
        }
    }
    const auto has = [&](const char* word) { return words.count(word) > 0; };
    const bool works = has("allocated") || has("mixed") || has("completing");
    if (has("down") || has("error") || has("not_responding") || has("fail")) {
        return NodeState::down;
    }
    if (has("drain") || has("drained") || has("draining")) {
        return works ? NodeState::draining : NodeState::drained;
    }
    if (has("maintenance")) {
        return NodeState::drained;
    }
    if (works || has("reserved")) {
        return NodeState::busy;
    }
    return has("idle") ? NodeState::idle : NodeState::unknown;
}

Node node_of(const object& said, std::string_view prefix) {
    Node node{.name = text_of(said, "name"),
              .state = state_of_node(said),
              .cores = count_of(said, "cpus"),
              .memory_bytes = mib_of(said, "real_memory"),
              .gpus = parse_gres(text_of(said, "gres")),
              .partitions = texts_of(said, "partitions")};
    const auto reason = core::printable(text_of(said, "reason"), 500);
    node.held = reason.starts_with(prefix);
    (node.held ? node.hold_reason : node.reason) =
        node.held ? reason.substr(prefix.size()) : reason;
    return node;
}

void limit(Partition& partition, std::optional<std::int64_t> minutes) {
    constexpr std::int64_t k_most = 1'000'000'000;
    if (minutes && *minutes >= 0) {
        partition.longest = std::chrono::minutes(std::min(*minutes, k_most));
    }
}

// Structured versions have its parts in objects, and no word of which one is the default.
Partition structured_partition_of(const object& said) {
    Partition partition{.name = text_of(said, "name")};
    object part;
    if (said["partition"].get(part) == simdjson::SUCCESS) {
        partition.up = text_of(part, "state") == "UP";
    }
    if (said["nodes"].get(part) == simdjson::SUCCESS) {
        partition.nodes = count_of(part, "total");
    }
    if (said["maximums"].get(part) == simdjson::SUCCESS) {
        limit(partition, set_number_of(part, "time"));
    }
    return partition;
}

bool is_structured(const object& partition) {
    object part;
    return partition["partition"].get(part) == simdjson::SUCCESS;
}

Partition partition_of(const object& said) {
    if (is_structured(said)) {
        return structured_partition_of(said);
    }
    const auto flags = texts_of(said, "flags");
    Partition partition{
        .name = text_of(said, "name"),
        .is_default = std::find(flags.begin(), flags.end(), "default") != flags.end(),
        .up = text_of(said, "state") == "UP",
        .nodes = count_of(said, "total_nodes")};
    limit(partition, number_of(said, "max_time_limit"));
    return partition;
}

}  // namespace
Result<Site> read_site_parts(std::string_view nodes, std::string_view partitions,
                             std::string_view prefix) {
    const auto node_answer = TRY(Answer::parse(nodes));
    const auto partition_answer = TRY(Answer::parse(partitions));
    Site site;
    const bool listed = partition_answer->for_each("partitions", [&](const object& said) {
        site.tells_default = site.tells_default && !is_structured(said);
        if (auto partition = partition_of(said); !partition.name.empty()) {
            site.partitions.push_back(std::move(partition));
        }
    });
    if (!site.tells_default && site.partitions.size() == 1) {
        site.partitions.front().is_default = true;
    }
    std::map<std::string, Partition*, std::less<>> by_name;
    for (auto& partition : site.partitions) {
        by_name.emplace(partition.name, &partition);
    }
    const bool both = node_answer->for_each("nodes", [&](const object& said) {
        auto node = node_of(said, prefix);
        for (const auto& name : node.partitions) {
            if (const auto found = by_name.find(name); found != by_name.end()) {
                auto& partition = *found->second;
                partition.cores = std::max(partition.cores, node.cores);
                partition.memory_bytes = std::max(partition.memory_bytes, node.memory_bytes);
                if (node.gpus.count > partition.gpus.count) {
                    partition.gpus = node.gpus;
                }
            }
        }
        if (!node.name.empty()) {
            site.nodes.push_back(std::move(node));
        }
    });
    return listed && both ? Result<Site>(std::move(site)) : no_list("nodes or partitions");
}

// With a number it was taken, whatever else is said ("not available now").
Result<std::string> read_submitted(std::string_view json) {
    const auto answer = TRY(Answer::parse(json));
    const auto id = number_of(answer->root(), "job_id");
    return id && *id > 0 ? Result<std::string>(std::to_string(*id))
                         : fail(Fault::unavailable, "slurmrestd said no number of the job");
}

Result<Pong> read_ping(std::string_view json) {
    const auto answer = TRY(Answer::parse(json));
    Pong pong;
    std::string_view release;
    for (const auto* product : {"Slurm", "slurm"}) {
        if (answer->root()["meta"][product]["release"].get(release) == simdjson::SUCCESS) {
            pong.release = core::printable(release, 40);
        }
    }
    (void)answer->for_each("pings", [&](const object& one) {
        for (const auto* key : {"ping", "pinged"}) {
            pong.up = pong.up || text_of(one, key) == "UP";
        }
    });
    return pong;
}

// --- What is complained of -------------------------------------------------------------------

namespace {

struct Complaint {
    std::int64_t code = 0;
    std::string text;
};

std::optional<Complaint> first_complaint(std::string_view json) {
    const auto answer = Answer::parse(json);
    std::optional<Complaint> found;
    if (!answer) {
        return found;
    }
    (void)(*answer)->for_each("errors", [&](const object& said) {
        const auto code = number_of(said, "error_number").value_or(0);
        Complaint complaint{.code = number_of(said, "error_code").value_or(code),
                            .text = text_of(said, "description")};
        const auto error = text_of(said, "error");
        if (complaint.text.empty() || complaint.text.find(error) != std::string::npos) {
            complaint.text = complaint.text.empty() ? error : complaint.text;
        } else if (!error.empty()) {
            complaint.text += ": " + error;
        }
        if (!found) {
            found = std::move(complaint);
        }
    });
    return found;
}

constexpr std::int64_t k_invalid_job_id = 2017;
constexpr std::int64_t k_already_ended = 2021;
constexpr std::int64_t k_not_as_asked = 2172;  // another user's
constexpr std::int64_t k_bad_token = 1007;
// slurm_errno.h: what slurmctld itself answers to a request.
constexpr std::int64_t k_refusals_first = 2000;
constexpr std::int64_t k_refusals_last = 2999;
// Of those, what passes: standby, disabled for the moment, shutting down.
constexpr std::array<std::int64_t, 4> k_passing = {2046, 2057, 2060, 2148};

}  // namespace

bool is_unknown_job(std::string_view json) {
    const auto complaint = first_complaint(json);
    return complaint && complaint->code == k_invalid_job_id;
}

bool is_unknown_place(int status, std::string_view json) {
    constexpr int k_not_found = 404;
    constexpr int k_not_allowed = 405;
    return (status == k_not_found || status == k_not_allowed) && !first_complaint(json);
}

Result<void> read_cancelled(std::string_view json) {
    const auto answer = TRY(Answer::parse(json));
    std::optional<core::Error> refusal;
    (void)answer->for_each("status", [&](const object& one) {
        object error;
        if (one["error"].get(error) != simdjson::SUCCESS) {
            return;
        }
        const auto code = number_of(error, "code").value_or(0);
        if (code != 0 && code != k_invalid_job_id && code != k_already_ended &&
            code != k_not_as_asked) {
            refusal = {.fault = Fault::unavailable,
                       .message = "slurmrestd: " + core::printable(text_of(error, "message"), 300)};
        }
    });
    return refusal ? Result<void>(tl::unexpected<core::Error>(*refusal)) : Result<void>();
}

core::Error complaint_of(int status, std::string_view json) {
    const auto complaint = first_complaint(json).value_or(
        Complaint{.text = std::string(core::trim(json.substr(0, json.find('\n'))))});
    const auto message =
        fmt::format("slurmrestd: {} (status {})", core::printable(complaint.text, 300), status);
    if (status == 401 || status == 403 || complaint.code == k_bad_token) {
        return {.fault = Fault::denied, .message = message};
    }
    if (is_unknown_place(status, json)) {
        return {.fault = Fault::unavailable,
                .message = message,
                .hint = fmt::format("slurmrestd must serve one of {} (its options -s and -d)",
                                    rest_version_names())};
    }
    const bool refused =
        complaint.code >= k_refusals_first && complaint.code <= k_refusals_last &&
        std::find(k_passing.begin(), k_passing.end(), complaint.code) == k_passing.end();
    if (refused || status == 400) {
        return {.fault = Fault::invalid, .message = message};
    }
    return {.fault = Fault::unavailable, .message = message};
}

}  // namespace sust::cluster::slurm
