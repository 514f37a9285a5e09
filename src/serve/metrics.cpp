#include "serve/metrics.h"

#include <algorithm>

#include <fmt/format.h>

namespace sust::serve {

namespace {

// Label values: quotes, backslashes and line ends are escaped (text format 0.0.4).
std::string escape(std::string_view value) {
    std::string out;
    for (char c : value) {
        if (c == '\\' || c == '"') {
            out += '\\';
        }
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out;
}

std::string label(std::string_view name, std::string_view value) {
    return fmt::format("{}=\"{}\"", name, escape(value));
}

void head(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void gauge(std::string& out, std::string_view name, std::string_view help, std::int64_t value) {
    head(out, name, "gauge", help);
    out += fmt::format("{} {}\n", name, value);
}

void histogram(std::string& out, const Metrics& metrics, std::string_view name,
               std::string_view help, Histogram ModelMetrics::*member) {
    head(out, name, "histogram", help);
    for (const auto& [model, figures] : metrics.models) {
        (figures.*member).print(name, label("model_name", model), out);
    }
}

void counter(std::string& out, const Metrics& metrics, std::string_view name, std::string_view help,
             std::uint64_t ModelMetrics::*member) {
    head(out, name, "counter", help);
    for (const auto& [model, figures] : metrics.models) {
        out += fmt::format("{}{{{}}} {}\n", name, label("model_name", model), figures.*member);
    }
}

void replicas(std::string& out, const View& view) {
    head(out, "sust_replica_state", "gauge", "1 for the state that the replica is in.");
    for (const auto& replica : view.map().replicas) {
        for (auto state : k_replica_states) {
            out += fmt::format("sust_replica_state{{{},{},{}}} {}\n", label("replica", replica.id),
                               label("service", replica.service), label("state", to_string(state)),
                               replica.state == state ? 1 : 0);
        }
    }
    head(out, "sust_replica_requests_running", "gauge",
         "Requests that this gateway has at work on the replica.");
    for (const auto& replica : view.map().replicas) {
        out +=
            fmt::format("sust_replica_requests_running{{{},{}}} {}\n", label("replica", replica.id),
                        label("service", replica.service), view.load(replica.id)->in_flight.load());
    }
}

}  // namespace

void Histogram::add(core::MonoTime::duration interval) {
    const double seconds = std::chrono::duration<double>(interval).count();
    const auto bucket = std::lower_bound(k_bounds.begin(), k_bounds.end(), seconds);
    ++counts_[static_cast<std::size_t>(bucket - k_bounds.begin())];
    sum_ += seconds;
}

void Histogram::merge(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        counts_[i] += other.counts_[i];
    }
    sum_ += other.sum_;
}

void Histogram::print(std::string_view name, std::string_view labels, std::string& out) const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < k_bounds.size(); ++i) {
        total += counts_[i];
        out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, k_bounds[i], total);
    }
    total += counts_.back();
    out += fmt::format("{}_bucket{{{},le=\"+Inf\"}} {}\n{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", name,
                       labels, total, name, labels, sum_, name, labels, total);
}

ModelMetrics& Metrics::model(std::string_view name) {
    const auto found = models.find(name);
    return found != models.end() ? found->second : models[std::string(name)];
}

void Metrics::count(std::string_view model, int status) {
    ++requests[{std::string(model), status}];
}

void Metrics::merge(const Metrics& other) {
    for (const auto& [key, value] : other.requests) {
        requests[key] += value;
    }
    for (const auto& [name, theirs] : other.models) {
        auto& ours = models[name];
        ours.first_token.merge(theirs.first_token);
        ours.between_tokens.merge(theirs.between_tokens);
        ours.duration.merge(theirs.duration);
        ours.prompt_tokens += theirs.prompt_tokens;
        ours.completion_tokens += theirs.completion_tokens;
        ours.aborted += theirs.aborted;
    }
    retries += other.retries;
    running += other.running;
    waiting += other.waiting;
    connections += other.connections;
}

std::string print(const Metrics& metrics, const View& view, bool follows_controller) {
    std::string out;
    head(out, "sust_requests_total", "counter",
         "Requests by model (empty: none was chosen) and HTTP status; 499: the client left.");
    for (const auto& [key, value] : metrics.requests) {
        out += fmt::format("sust_requests_total{{{},{}}} {}\n", label("model_name", key.first),
                           label("status", std::to_string(key.second)), value);
    }
    histogram(out, metrics, "sust_time_to_first_token_seconds",
              "From the request's head to the first text passed on.", &ModelMetrics::first_token);
    histogram(out, metrics, "sust_inter_token_latency_seconds",
              "Between two pieces of text of one stream.", &ModelMetrics::between_tokens);
    histogram(out, metrics, "sust_e2e_request_latency_seconds",
              "From the request's head to the end of the answer.", &ModelMetrics::duration);
    counter(out, metrics, "sust_prompt_tokens_total", "Prompt tokens, as in the ledger.",
            &ModelMetrics::prompt_tokens);
    counter(out, metrics, "sust_generation_tokens_total", "Generated tokens, as in the ledger.",
            &ModelMetrics::completion_tokens);
    counter(out, metrics, "sust_requests_aborted_total",
            "Requests that ended before their answer was complete.", &ModelMetrics::aborted);
    head(out, "sust_retries_total", "counter", "Tries on another replica before the first byte.");
    out += fmt::format("sust_retries_total {}\n", metrics.retries);
    gauge(out, "sust_num_requests_running", "Requests at work on a replica.", metrics.running);
    gauge(out, "sust_num_requests_waiting", "Requests that wait for a slot.", metrics.waiting);
    gauge(out, "sust_connections", "Connections of clients.", metrics.connections);
    gauge(out, "sust_fleet_version", "Version of the fleet map in use.",
          static_cast<std::int64_t>(view.map().version));
    gauge(out, "sust_controller_connected", "1 while the fleet map is followed.",
          follows_controller ? 1 : 0);
    replicas(out, view);
    return out;
}

}  // namespace sust::serve
