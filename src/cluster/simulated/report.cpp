#include "cluster/simulated/report.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sust::cluster::simulated {

using nlohmann::json;

namespace {

double seconds(Duration duration) {
    return static_cast<double>(duration.count()) / 1000;
}

json ended_json(const Summary& summary) {
    auto ended = json::object();
    for (std::size_t i = 0; i < summary.ended.size(); ++i) {
        if (summary.ended[i] > 0) {
            ended[std::string(to_string(static_cast<End>(i)))] = summary.ended[i];
        }
    }
    return ended;
}

}  // namespace

json report_json(const Engine& engine) {
    const auto& summary = engine.summary();
    const auto started = std::max<std::uint64_t>(summary.started, 1);
    const auto away = engine.away();
    return {{"name", engine.model().name},
            {"clock", to_string(engine.model().pace)},
            {"seed", engine.model().seed},
            {"time_seconds", seconds(engine.now())},
            {"away", away ? json(*away == Mishap::How::hangs ? "hangs" : "refuses") : json()},
            {"nodes", engine.model().nodes.size()},
            {"nodes_down", engine.counts().nodes_down},
            {"jobs",
             {{"submitted", summary.submitted},
              {"started", summary.started},
              {"waiting", engine.counts().waiting},
              {"running", engine.running()}}},
            {"ended", ended_json(summary)},
            {"wait_seconds",
             {{"mean", seconds(summary.waited) / static_cast<double>(started)},
              {"most", seconds(summary.waited_most)}}},
            // Of the cores that were there; null before any time has passed.
            {"used", summary.core_ms_there > 0 ? json(summary.core_ms_used / summary.core_ms_there)
                                               : json()},
            {"events", engine.log().count},
            {"digest", fmt::format("{:016x}", engine.log().digest)}};
}

json events_json(const Engine& engine, std::uint64_t after, std::size_t most) {
    auto events = json::array();
    const auto& entries = engine.log().entries;
    auto at = std::upper_bound(
        entries.begin(), entries.end(), after,
        [](std::uint64_t sequence, const Entry& entry) { return sequence < entry.sequence; });
    for (; at != entries.end() && events.size() < most; ++at) {
        json event = {{"sequence", at->sequence},
                      {"time_seconds", seconds(at->at)},
                      {"what", to_string(at->what)}};
        if (at->job != 0) {
            event["job"] = at->job;
        }
        if (at->node >= 0) {
            event["node"] = engine.model().nodes[static_cast<std::size_t>(at->node)];
        }
        if (at->what == Entry::What::ended) {
            event["end"] = to_string(static_cast<End>(at->detail));
        } else if (at->detail != 0) {
            event["count"] = at->detail;
        }
        events.push_back(std::move(event));
    }
    return {{"count", engine.log().count}, {"events", std::move(events)}};
}

std::string report_line(const Engine& engine) {
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(engine.now()).count();
    return fmt::format("{}d {:02}:{:02}:{:02}, {} running, {} waiting, {} of {} nodes down{}",
                       whole / 86400, whole / 3600 % 24, whole / 60 % 60, whole % 60,
                       engine.running(), engine.counts().waiting, engine.counts().nodes_down,
                       engine.model().nodes.size(), engine.away() ? ", controller away" : "");
}

}  // namespace sust::cluster::simulated
