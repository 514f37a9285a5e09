#include "cluster/kubernetes/client.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using core::http::Request;
using core::http::Response;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr int k_tries_max = 4;  // of a call that is told to come again
constexpr Duration k_pause = 500ms;
constexpr Duration k_pause_max = 10s;  // of what a server may ask for
constexpr std::size_t k_page = 500;
constexpr int k_pages_max = 10'000;
constexpr int k_relists_max = 5;
constexpr std::size_t k_event_bytes_max = 4 << 20;  // one object
// Bookmarks come about once a minute; a connection that is silent for longer is dead.
constexpr Duration k_watch_stall = 150s;

int version_status(const json& status) {
    const auto code = status.find("code");
    return code != status.end() && code->is_number_integer() ? code->get<int>() : 0;
}

std::string text_at(const json& map, const char* key) {
    const auto found = map.is_object() ? map.find(key) : map.end();
    return map.is_object() && found != map.end() && found->is_string() ? found->get<std::string>()
                                                                       : "";
}

// Statuses that ask to come again; what changes something may have happened unless it was refused.
bool may_try_again(int status, std::string_view method) {
    return status == 429 || (method == "GET" && (status == 500 || status == 503 || status == 504));
}

Duration pause_of(const Response& response, int tries) {
    const auto said = core::parse_integer(response.headers.get("Retry-After").value_or(""));
    const Duration pause =
        said ? Duration(std::chrono::seconds(std::clamp<std::int64_t>(*said, 0, 3600)))
             : k_pause * (1 << tries);
    return std::min(pause, k_pause_max);
}

std::optional<core::WallTime> parse_http_date(std::string_view text) {
    std::tm parts{};
    const std::string zero_ended(text);
    if (::strptime(zero_ended.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) {
        return std::nullopt;
    }
    return core::WallTime(std::chrono::seconds(::timegm(&parts)));
}

}  // namespace

std::string with_query(const std::string& path, const Query& query) {
    std::string target = path;
    char before = '?';
    for (const auto& [name, value] : query) {
        target += before + name + "=" + core::percent_encode(value);
        before = '&';
    }
    return target;
}

core::Error refusal_of(int status, std::string_view body, std::string_view what) {
    const auto said = json::parse(body, nullptr, false);
    const auto message = text_at(said, "message");
    const auto words = core::printable(message.empty() ? core::trim(body) : message, 400);
    core::Error error{.fault = core::fault_of_http_status(status),
                      .message = fmt::format("{}: {} {}", what, status, words)};
    if (status == 403 && message.find("exceeded quota") != std::string::npos) {
        error.fault = Fault::exhausted;
        error.hint = "wait, or ask for more: kubectl describe resourcequota";
    } else if (status == 401) {
        error.hint = "is the credential of the kubeconfig still valid?";
    } else if (status == 403) {
        error.hint = "docs/operate/kubernetes.md has the role that is needed";
    } else if (status == 422) {
        error.fault = Fault::invalid;
    }
    return error;
}

// --- One call --------------------------------------------------------------------------------

Result<Request> Client::request_of(const Call& call, web::Server& server) {
    const auto proof = TRY(credentials_.proof());
    Request request{.method = call.method, .target = call.target, .body = call.body};
    std::vector<core::http::Header> headers{{"Accept", "application/json, */*"},
                                            {"User-Agent", "sust"}};
    if (!call.type.empty()) {
        headers.push_back({"Content-Type", call.type});
    }
    if (!proof.token.empty()) {
        headers.push_back({"Authorization", "Bearer " + proof.token.reveal()});
    }
    if (!proof.certificate.empty()) {
        server.tls.certificate = proof.certificate;
        server.tls.key = proof.key;
    }
    const auto& whose = credentials_.access().impersonation;
    if (!whose.user.empty()) {
        headers.push_back({"Impersonate-User", whose.user});
    }
    for (const auto& group : whose.groups) {
        headers.push_back({"Impersonate-Group", group});
    }
    for (const auto& [key, value] : whose.extra) {
        headers.push_back({"Impersonate-Extra-" + core::percent_encode(key), value});
    }
    for (const auto& [name, value] : headers) {
        if (value.find_first_of("\r\n") != std::string::npos) {
            return fail(Fault::invalid, name + " would be more than one line",
                        {.where = credentials_.access().origin});
        }
    }
    request.headers = core::http::Headers(std::move(headers));
    return request;
}

void Client::hear_clock(const Response& response) {
    if (const auto there = parse_http_date(response.headers.get("Date").value_or(""))) {
        clock_offset_ = *there - clock_.wall();
    }
}

Result<Response> Client::send_once(const Call& call, const core::Deadline& deadline) {
    auto server = credentials_.access().server;
    const auto request = TRY(request_of(call, server));
    auto response =
        TRY(http_.send(server, request, {.within = deadline.left(), .max_bytes = call.max_bytes}));
    hear_clock(response);
    return response;
}

Result<Response> Client::send(const Call& call) {
    const core::Deadline deadline(clock_, patience_);
    for (int tries = 0;; ++tries) {
        auto response = TRY(send_once(call, deadline));
        if (response.status == 401 && tries == 0) {
            credentials_.reject();  // it may have been replaced since
            continue;
        }
        if (response.status >= 400) {
            const auto pause = pause_of(response, tries);
            if (may_try_again(response.status, call.method) && tries < k_tries_max &&
                pause < deadline.left() && http_.pause(pause)) {
                continue;
            }
            const auto path = call.target.substr(0, call.target.find('?'));
            return tl::unexpected<core::Error>(
                refusal_of(response.status, response.body, call.method + " " + path));
        }
        return response;
    }
}

Result<json> Client::ask(const Call& call) {
    const auto response = TRY(send(call));
    auto object = json::parse(response.body, nullptr, false);
    if (!object.is_object()) {
        return fail(Fault::unavailable, call.target + ": the answer is no JSON object",
                    {.where = credentials_.access().server.base,
                     .hint = "is this a Kubernetes API server?"});
    }
    return object;
}

// --- Verbs -----------------------------------------------------------------------------------

Result<json> Client::get(const std::string& path, const Query& query) {
    return ask({.target = with_query(path, query)});
}

Result<json> Client::create(const std::string& path, const json& object) {
    return ask({.method = "POST",
                .target = with_query(path, {{"fieldManager", "sust"}}),
                .body = object.dump(-1, ' ', false, json::error_handler_t::replace),
                .type = "application/json"});
}

Result<json> Client::apply(const std::string& path, const json& object) {
    return ask({.method = "PATCH",
                .target = with_query(path, {{"fieldManager", "sust"}}),
                .body = object.dump(-1, ' ', false, json::error_handler_t::replace),
                .type = "application/apply-patch+yaml"});
}

Result<json> Client::merge(const std::string& path, const json& patch) {
    return ask({.method = "PATCH",
                .target = with_query(path, {{"fieldManager", "sust"}}),
                .body = patch.dump(-1, ' ', false, json::error_handler_t::replace),
                .type = "application/merge-patch+json"});
}

Result<void> Client::remove(const std::string& path, std::string_view uid, Duration grace,
                            Propagation propagation) {
    json options = {
        {"apiVersion", "v1"},
        {"kind", "DeleteOptions"},
        {"gracePeriodSeconds", std::chrono::duration_cast<std::chrono::seconds>(grace).count()}};
    if (!uid.empty()) {
        options["preconditions"] = {{"uid", uid}};
    }
    if (propagation == Propagation::foreground) {
        options["propagationPolicy"] = "Foreground";
    }
    const auto done = send(
        {.method = "DELETE", .target = path, .body = options.dump(), .type = "application/json"});
    if (!done && done.error().fault != Fault::not_found) {
        return tl::unexpected<core::Error>(done.error());
    }
    return {};
}

Eviction Client::evict(const std::string& path, const json& eviction) {
    const auto response = send_once({.method = "POST",
                                     .target = path + "/eviction",
                                     .body = eviction.dump(),
                                     .type = "application/json"},
                                    core::Deadline(clock_, patience_));
    if (!response) {
        return {.why = core::to_string(response.error())};
    }
    if (response->status == 401) {
        credentials_.reject();
    }
    // 409: another pod has the name by now, or a budget changed; both are seen in what is there.
    if (response->status < 400 || response->status == 404 || response->status == 409) {
        return {.taken = true};
    }
    auto refusal = refusal_of(response->status, response->body, "evict");
    const auto said = json::parse(response->body, nullptr, false);
    const auto causes = said.is_object() ? said.value("/details/causes"_json_pointer, json::array())
                                         : json::array();
    for (const auto& cause : causes) {
        refusal.message += " " + core::printable(text_at(cause, "message"), 200);
    }
    return {.why = core::to_string(refusal),
            .again = response->headers.get("Retry-After") ? pause_of(*response, 0) : Duration{}};
}

Result<std::string> Client::text(const std::string& path, const Query& query,
                                 std::size_t max_bytes) {
    auto response = TRY(send({.target = with_query(path, query), .max_bytes = max_bytes}));
    return std::move(response.body);
}

// --- Collections -----------------------------------------------------------------------------

Result<std::string> Client::list(const std::string& path, const Query& query,
                                 const std::function<void()>& on_begin,
                                 const std::function<void(const json&)>& on_item) {
    std::string next;
    int relists = 0;
    on_begin();
    for (int pages = 0; pages < k_pages_max; ++pages) {
        auto words = query;
        words.emplace_back("limit", std::to_string(k_page));
        if (!next.empty()) {
            words.emplace_back("continue", next);
        }
        auto page = get(path, words);
        if (!page && page.error().message.find(": 410 ") != std::string::npos && !next.empty() &&
            ++relists <= k_relists_max) {
            next.clear();
            on_begin();
            continue;
        }
        const auto object = TRY(std::move(page));
        if (const auto items = object.find("items"); items != object.end()) {
            for (const auto& item : *items) {
                on_item(item);
            }
        }
        const auto metadata = object.value("metadata", json::object());
        next = text_at(metadata, "continue");
        if (next.empty()) {
            return text_at(metadata, "resourceVersion");
        }
    }
    return fail(Fault::too_large, path + ": the list has no end");
}

Result<WatchEnd> Client::watch(const std::string& path, Query query, std::string& version,
                               Duration within,
                               const std::function<void(std::string_view, const json&)>& on_event) {
    query.insert(
        query.end(),
        {{"watch", "1"},
         {"allowWatchBookmarks", "true"},
         {"resourceVersion", version},
         {"timeoutSeconds",
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(within).count())}});
    auto server = credentials_.access().server;
    const auto request = TRY(request_of({.target = with_query(path, query)}, server));
    std::string rest;
    std::optional<core::Error> trouble;
    bool gone = false;
    const auto take_line = [&](std::string_view line) {
        const auto event = json::parse(line, nullptr, false);
        const auto type = text_at(event, "type");
        const auto object = event.is_object() ? event.find("object") : event.end();
        if (type.empty() || object == event.end() || !object->is_object()) {
            trouble = fail(Fault::unavailable, path + ": a watch sent what is no event").value();
            return;
        }
        if (type == "ERROR") {
            gone = version_status(*object) == 410;
            trouble = refusal_of(version_status(*object), object->dump(), "WATCH " + path);
            return;
        }
        if (const auto metadata = object->find("metadata"); metadata != object->end()) {
            version = text_at(*metadata, "resourceVersion");
        }
        on_event(type, *object);
    };
    const auto take = [&](std::string_view piece) {
        rest.append(piece);
        std::size_t begin = 0;
        for (auto end = rest.find('\n'); end != std::string::npos && !trouble;
             end = rest.find('\n', begin)) {
            take_line(std::string_view(rest).substr(begin, end - begin));
            begin = end + 1;
        }
        rest.erase(0, begin);
        if (rest.size() > k_event_bytes_max) {
            trouble = fail(Fault::too_large, path + ": an event of a watch has no end").value();
        }
        return !trouble;
    };
    const auto response = TRY(http_.stream(
        server, request,
        {.within = within + 30s, .stall = k_watch_stall, .max_bytes = std::size_t{1} << 40}, take));
    if (response.status == 401) {
        credentials_.reject();
    }
    if (gone || response.status == 410) {
        return WatchEnd::gone;
    }
    if (response.status >= 400) {
        return tl::unexpected<core::Error>(
            refusal_of(response.status, response.body, "WATCH " + path));
    }
    if (trouble) {
        return tl::unexpected<core::Error>(std::move(*trouble));
    }
    return WatchEnd::ended;
}

}  // namespace sust::cluster::kubernetes
