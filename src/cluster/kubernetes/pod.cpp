#include "cluster/kubernetes/pod.h"

#include <algorithm>
#include <array>
#include <csignal>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/kubernetes/shape.h"
#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr int k_ranks_max = 100'000;
constexpr std::size_t k_message_bytes_max = 1024;  // of what is not the wrapper's word
constexpr int k_status_own = 125;                  // the wrapper's, before its command began
// A kubelet that lives ends a pod within its grace and confirms it; deleted_by has the grace in it.
constexpr auto k_confirm = 20s;

const json& at(const json& object, const char* key) {
    static const json none;
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() ? *found : none;
}

std::string text(const json& object, const char* key, std::size_t max = 256) {
    const auto& found = at(object, key);
    return found.is_string() ? found.get_ref<const std::string&>().substr(0, max) : "";
}

core::WallTime time(const json& object, const char* key) {
    return core::parse_rfc3339(text(object, key)).value_or(core::WallTime{});
}

Container read_state(const json& state) {
    Container container;
    if (const auto& waiting = at(state, "waiting"); waiting.is_object()) {
        container.state = Container::State::waiting;
        container.reason = text(waiting, "reason");
        container.message = text(waiting, "message", k_message_bytes_max);
    } else if (const auto& running = at(state, "running"); running.is_object()) {
        container.state = Container::State::running;
        container.started = time(running, "startedAt");
    } else if (const auto& ended = at(state, "terminated"); ended.is_object()) {
        container.state = Container::State::terminated;
        container.reason = text(ended, "reason");
        container.message = text(ended, "message", k_word_bytes_max);
        const auto& code = at(ended, "exitCode");
        container.exit_code = code.is_number_integer() ? code.get<int>() : -1;
        container.started = time(ended, "startedAt");
        container.finished = time(ended, "finishedAt");
    }
    return container;
}

// Some controllers' pods start again what has ended. The wrapper then has nothing to do: how it
// ended the first time is what counts.
Container read_container(const json& status) {
    auto before = read_state(at(status, "lastState"));
    return before.state == Container::State::terminated && before.exit_code != 0
               ? before
               : read_state(at(status, "state"));
}

Container read_main(const json& status) {
    auto before = read_state(at(status, "lastState"));
    return before.state == Container::State::terminated ? before : read_state(at(status, "state"));
}

const json& named(const json& statuses, std::string_view name) {
    static const json none;
    if (statuses.is_array()) {
        for (const auto& status : statuses) {
            if (text(status, "name") == name) {
                return status;
            }
        }
    }
    return none;
}

void read_conditions(const json& conditions, Pod& pod) {
    if (!conditions.is_array()) {
        return;
    }
    for (const auto& condition : conditions) {
        const auto type = text(condition, "type");
        const bool is = text(condition, "status") == "True";
        if (type == "PodScheduled" && !is) {
            pod.unschedulable = text(condition, "message", k_message_bytes_max);
        } else if (type == "DisruptionTarget" && is) {
            pod.disruption = text(condition, "reason");
        }
    }
}

constexpr std::string_view k_by_taint = "DeletionByTaintManager";

struct Meaning {
    std::string_view said;
    End end;
};
// Of a pod's phase and of DisruptionTarget.
constexpr std::array k_meanings = {
    Meaning{"Evicted", End::preempted},
    Meaning{"Preempting", End::preempted},
    Meaning{"Preempted", End::preempted},
    Meaning{"PreemptionByScheduler", End::preempted},
    Meaning{"PreemptionByKubeScheduler", End::preempted},
    Meaning{"EvictionByEvictionAPI", End::preempted},
    Meaning{"TerminationByKubelet", End::preempted},
    Meaning{"DeadlineExceeded", End::time_limit},
    Meaning{"NodeLost", End::node_lost},
    Meaning{"Shutdown", End::node_lost},
    Meaning{"NodeShutdown", End::node_lost},
    Meaning{"Terminated", End::node_lost},
    Meaning{k_by_taint, End::node_lost},
    Meaning{"DeletionByPodGC", End::node_lost},
};

std::optional<End> meaning_of(const Pod& pod) {
    for (const auto& said : {pod.reason, pod.disruption}) {
        const auto* found = std::find_if(k_meanings.begin(), k_meanings.end(),
                                         [&](const Meaning& one) { return one.said == said; });
        if (found != k_meanings.end()) {
            return found->end;
        }
    }
    return std::nullopt;
}

std::string kubernetes_says(const Pod& pod) {
    const auto& reason = pod.reason.empty() ? pod.disruption : pod.reason;
    return fmt::format("Kubernetes: {}{}{}", reason, pod.message.empty() ? "" : ": ",
                       core::printable(pod.message, 300));
}

bool was_killed(const ExitWord& word) {
    return word.signal == SIGKILL || word.status == 128 + SIGKILL;
}

PodEnd end_with_word(const Pod& pod, ExitWord word) {
    PodEnd end{.finished = word.finished};
    if (pod.main.reason == "OOMKilled" && was_killed(word)) {
        end.end = End::out_of_memory;
        end.reason = fmt::format("killed for its memory (exit status {})", word.status);
        return end;
    }
    if (word.reason == ExitReason::stopped) {
        if (const auto meant = meaning_of(pod)) {
            // A node that still asks its pods to end is not lost, whatever taint it has.
            const bool tainted = pod.reason.empty() && pod.disruption == k_by_taint;
            end.end = tainted ? End::preempted : *meant;
            end.reason = kubernetes_says(pod);
            return end;
        }
        end.was_deleted = pod.deleted_by.has_value();
        end.end = End::cancelled;
        end.reason = "its pod was deleted by somebody";
    }
    if (!end.was_deleted) {
        end.word = std::move(word);
    }
    return end;
}

PodEnd end_without_word(const Pod& pod) {
    PodEnd end{.finished = pod.main.finished};
    const auto said = core::printable(core::trim(pod.main.message), 300);
    if (const auto meant = meaning_of(pod)) {
        end.end = *meant;
        end.reason = kubernetes_says(pod);
    } else if (pod.main.reason == "OOMKilled") {
        end.end = End::out_of_memory;
        end.reason = "killed for its memory, the wrapper too";
    } else if (pod.main.exit_code == k_status_own || pod.main.reason == "StartError" ||
               pod.main.reason == "ContainerCannotRun") {
        end.end = End::start_failed;
        end.reason = said.empty() ? "its container could not be started: " + pod.main.reason : said;
    } else if (pod.deleted_by) {
        end.was_deleted = true;
        end.end = End::cancelled;
        end.reason = "its pod was deleted by somebody";
    } else {
        end.reason = fmt::format("its wrapper ended without a word (exit status {}, {})",
                                 pod.main.exit_code, pod.main.reason);
    }
    return end;
}

// No container of it has a state that says more.
std::optional<PodEnd> end_of_phase(const Pod& pod, core::WallTime now) {
    const bool began = pod.main.state == Container::State::running;
    PodEnd end{.finished = now};
    if (pod.phase == "Failed" || pod.phase == "Succeeded") {
        const auto meant = meaning_of(pod);
        if (!meant && pod.deleted_by) {
            end.was_deleted = true;
            end.end = End::cancelled;
            end.reason = "its pod was deleted by somebody while it started";
            return end;
        }
        end.end = meant ? *meant : End::start_failed;
        if (end.end == End::time_limit && !began) {
            end.end = End::start_failed;
        }
        end.reason = kubernetes_says(pod);
        return end;
    }
    const bool silent = pod.deleted_by && now > *pod.deleted_by + k_confirm;
    if (silent || (pod.confirmed && began)) {  // a kubelet would have said how it ended
        end.was_deleted = !silent;
        end.end = End::node_lost;
        end.reason = fmt::format("node {} does not answer", pod.node);
        return end;
    }
    if (pod.confirmed) {
        end.was_deleted = true;
        end.end = End::cancelled;
        end.reason = "its pod was deleted by somebody before it began";
        return end;
    }
    return std::nullopt;
}

}  // namespace

Result<Pod> read_pod(const json& object) {
    const auto& metadata = at(object, "metadata");
    const auto& labels = at(metadata, "labels");
    const auto& status = at(object, "status");
    Pod pod;
    pod.token.value = text(labels, k_job);
    TRY(core::check_name("job token", pod.token.value));
    pod.epoch = TRY(core::parse_integer(text(labels, k_epoch)));
    pod.shape = text(labels, k_shape);
    const auto rank = TRY(core::parse_integer(
        pod.shape.empty()
            ? text(labels, k_rank)
            : text_at_path(object, text(at(metadata, "annotations"), k_rank_path, 512))));
    pod.name = text(metadata, "name");
    pod.uid = text(metadata, "uid");
    pod.created = time(metadata, "creationTimestamp");
    if (pod.epoch < 1 || rank < 0 || rank > k_ranks_max || pod.name.empty() || pod.uid.empty()) {
        return fail(Fault::invalid,
                    "a pod with our labels is none of ours: " + core::printable(pod.name));
    }
    pod.rank = static_cast<int>(rank);
    pod.node = text(at(object, "spec"), "nodeName");
    pod.restarts = text(at(object, "spec"), "restartPolicy") == "Always";
    pod.address = text(status, "podIP");
    pod.phase = text(status, "phase");
    pod.reason = text(status, "reason");
    pod.message = text(status, "message", k_message_bytes_max);
    read_conditions(at(status, "conditions"), pod);
    if (at(metadata, "deletionTimestamp").is_string()) {
        pod.deleted_by = time(metadata, "deletionTimestamp");
        // The kubelet's own, last request for it has no grace left.
        const auto& grace = at(metadata, "deletionGracePeriodSeconds");
        pod.confirmed = grace.is_number_integer() && grace.get<std::int64_t>() == 0;
    }
    pod.agent = read_container(named(at(status, "initContainerStatuses"), "agent"));
    pod.main = read_main(named(at(status, "containerStatuses"), "main"));
    return pod;
}

std::optional<PodEnd> end_of(const Pod& pod, core::WallTime now) {
    if (pod.main.state == Container::State::terminated) {
        auto word = parse_exit(pod.main.message, pod.token, pod.epoch);
        return word ? end_with_word(pod, std::move(*word)) : end_without_word(pod);
    }
    if (pod.agent.state == Container::State::terminated && pod.agent.exit_code != 0 &&
        !pod.deleted_by) {
        return PodEnd{.end = End::start_failed,
                      .reason = fmt::format("the agent's image could not bring the wrapper: {} {}",
                                            pod.agent.reason,
                                            core::printable(core::trim(pod.agent.message), 300)),
                      .finished = pod.agent.finished};
    }
    return end_of_phase(pod, now);
}

Over over_of(const std::map<int, Pod>& pods, core::WallTime now) {
    Over over;
    for (const auto& [rank, pod] : pods) {
        auto end = end_of(pod, now);
        if (!end) {
            continue;
        }
        ++over.count;
        // Of those that were told to end with the others, the first is the one that was not told.
        const bool good =
            end->word && end->word->reason == ExitReason::exited && end->word->status == 0;
        if (!good && (!over.first_bad || end->finished < over.first_bad->finished)) {
            over.first_bad = end;
            over.bad_rank = rank;
        }
        if (!over.last || end->finished > over.last->finished) {
            over.last = std::move(end);
        }
    }
    return over;
}

std::optional<std::string> start_trouble(const Pod& pod) {
    constexpr std::array<std::string_view, 9> k_troubles = {
        "ImagePullBackOff",  "ErrImagePull",         "InvalidImageName",
        "ErrImageNeverPull", "CreateContainerError", "CreateContainerConfigError",
        "ImageInspectError", "RegistryUnavailable",  "RunContainerError"};
    for (const auto* container : {&pod.agent, &pod.main}) {
        if (container->state == Container::State::waiting &&
            std::find(k_troubles.begin(), k_troubles.end(), container->reason) !=
                k_troubles.end()) {
            return fmt::format("{}: {}", container->reason,
                               core::printable(container->message, 300));
        }
    }
    return std::nullopt;
}

}  // namespace sust::cluster::kubernetes
