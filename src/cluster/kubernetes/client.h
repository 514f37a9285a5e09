#pragma once

// The API server's verbs as JSON, with its refusals as errors that say what it said. One client
// belongs to one thread, except stop(); all may share their credentials.

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cluster/kubernetes/credentials.h"

namespace sust::cluster::kubernetes {

using Query = std::vector<std::pair<std::string, std::string>>;

struct Eviction {
    bool taken = false;
    std::string why{};  // not; a disruption budget is named
    Duration again{};   // after which the server wants to be asked again
};

// Whether what was made by what is removed goes too.
enum class Propagation { usual, foreground };

enum class WatchEnd {
    ended,  // as every watch does: begin again where it was
    gone,   // 410: what it was is forgotten; list again
};

class Client {
  public:
    // `patience` bounds a call with all its tries.
    Client(Credentials& credentials, const core::Clock& clock, Duration patience)
        : credentials_(credentials), clock_(clock), http_(clock), patience_(patience) {}

    // exhausted: a quota refused it; conflict: it exists, or is another one by now.
    Result<nlohmann::json> get(const std::string& path, const Query& query = {});
    Result<nlohmann::json> create(const std::string& path, const nlohmann::json& object);
    // Server-side apply under the field manager `sust`. conflict: another manager owns a field.
    Result<nlohmann::json> apply(const std::string& path, const nlohmann::json& object);
    Result<nlohmann::json> merge(const std::string& path, const nlohmann::json& patch);
    // Only the object with that uid (any, if empty); an absent one is fine.
    Result<void> remove(const std::string& path, std::string_view uid, Duration grace,
                        Propagation propagation = Propagation::usual);
    // Asks once to evict the pod at `path`, if it has that uid. Gone is as good as taken.
    Eviction evict(const std::string& path, const nlohmann::json& eviction);
    // Text, as a pod's log.
    Result<std::string> text(const std::string& path, const Query& query, std::size_t max_bytes);

    // Every object of a collection, page by page; the resourceVersion of the whole. A continuation
    // that was forgotten (410) begins again: `on_begin` is called at each beginning.
    Result<std::string> list(const std::string& path, const Query& query,
                             const std::function<void()>& on_begin,
                             const std::function<void(const nlohmann::json&)>& on_item);
    // Changes after `version`, which follows them and bookmarks; `within` bounds it.
    Result<WatchEnd> watch(
        const std::string& path, Query query, std::string& version, Duration within,
        const std::function<void(std::string_view type, const nlohmann::json&)>& on_event);

    // How far the server's clock is ahead of ours, by its last answer; nothing before one.
    std::optional<Duration> clock_offset() const { return clock_offset_; }
    // Waits; false: it was stopped, and every call fails from now on.
    bool pause(Duration duration) { return http_.pause(duration); }
    void stop() { http_.stop(); }

  private:
    struct Call {
        std::string method = "GET";
        std::string target;
        std::string body{};
        std::string type{};
        std::size_t max_bytes = 64 << 20;
    };
    Result<core::http::Response> send(const Call& call);
    Result<core::http::Response> send_once(const Call& call, const core::Deadline& deadline);
    Result<core::http::Request> request_of(const Call& call, web::Server& server);
    Result<nlohmann::json> ask(const Call& call);
    void hear_clock(const core::http::Response& response);

    Credentials& credentials_;
    const core::Clock& clock_;
    web::Client http_;
    Duration patience_;
    std::optional<Duration> clock_offset_;
};

// "path?a=b&c=d", values encoded.
std::string with_query(const std::string& path, const Query& query);
// What a Status object of the API server means to the caller.
core::Error refusal_of(int status, std::string_view body, std::string_view what);

}  // namespace sust::cluster::kubernetes
