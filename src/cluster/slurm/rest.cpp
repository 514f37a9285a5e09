#include "cluster/slurm/rest.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "cluster/slurm/pass.h"
#include "cluster/slurm/rest_text.h"
#include "cluster/slurm/rest_words.h"
#include "core/http_client.h"
#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;
using core::http::Response;

namespace {

// 20,000 jobs of 4 KiB each, of all users; slurmrestd has no shorter list.
constexpr std::size_t k_answer_bytes_max = 100 << 20;

tl::unexpected<core::Error> cannot_say(std::string_view version, std::string_view what) {
    return fail(Fault::invalid, fmt::format("slurmrestd {} cannot {}", version, what),
                {.hint = "only Slurm's commands can: leave out `rest`"});
}

// A client is of one thread at a time.
class Clients {
  public:
    Clients(const core::Clock& clock, core::http::Address where)
        : clock_(clock), where_(std::move(where)) {}

    Result<Response> send(const core::http::Request& request, Duration within) {
        auto client = take();
        auto response = client.send(request, within, k_answer_bytes_max);
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(client));
        return response;
    }

  private:
    core::http::Client take() {
        const std::lock_guard lock(mutex_);
        if (idle_.empty()) {
            return {clock_, where_};
        }
        auto client = std::move(idle_.back());
        idle_.pop_back();
        return client;
    }

    const core::Clock& clock_;
    core::http::Address where_;
    std::mutex mutex_;
    std::vector<core::http::Client> idle_;
};

}  // namespace

Exchange open_exchange(const std::string& address, const core::Clock& clock) {
    constexpr std::string_view k_unix = "unix:";
    constexpr std::string_view k_http = "http://";
    core::http::Address where = core::http::UnixAddress{};
    if (address.starts_with(k_unix)) {
        where = core::http::UnixAddress{address.substr(k_unix.size())};
    } else {
        const auto place = address.substr(k_http.size());
        const auto colon = place.rfind(':');
        where = core::http::TcpAddress{
            place.substr(0, colon),
            static_cast<std::uint16_t>(core::parse_integer(place.substr(colon + 1)).value_or(0))};
    }
    const auto clients = std::make_shared<Clients>(clock, std::move(where));
    return [clients](const core::http::Request& request, Duration within) {
        return clients->send(request, within);
    };
}

Rest::Rest(RestOptions options, Exchange exchange, Duration patience, const core::Clock& clock)
    : options_(std::move(options)),
      exchange_(std::move(exchange)),
      patience_(patience),
      clock_(&clock),
      agreed_(rest_version_named(options_.version)) {}

std::set<Capability> Rest::lacks() const {
    std::set<Capability> lacking{Capability::start_estimates};
    if (const auto* version = agreed(); version == nullptr || !version->structured) {
        lacking.insert({Capability::exclude_nodes, Capability::hold_nodes});
    }
    return lacking;
}

bool Rest::takes_option(std::string_view option) const {
    if (const auto* version = agreed()) {
        return says_option(*version, option);
    }
    const auto all = rest_versions();
    return std::all_of(all.begin(), all.end(),
                       [&](const auto& version) { return says_option(version, option); });
}

// --- Asking ----------------------------------------------------------------------------------

// A ping costs slurmctld nothing, and of a version that is not served slurmrestd says 404.
Result<const RestVersion*> Rest::agree() {
    if (const auto* known = agreed()) {
        return known;
    }
    Heard last;
    for (const auto& version : rest_versions()) {
        last = TRY(call({.path = "ping"}, version));
        if (!is_unknown_place(last.response.status, last.response.body)) {
            // A server that knows it and refuses us may be another one by the next question.
            if (last.response.status != 200) {
                break;
            }
            agreed_ = &version;
            return &version;
        }
    }
    return tl::unexpected<core::Error>(refusal(last));
}

Result<Rest::Heard> Rest::call(const Question& question) {
    const auto* version = TRY(agree());
    auto heard = TRY(call(question, *version));
    if (options_.version.empty() && is_unknown_place(heard.response.status, heard.response.body)) {
        agreed_ = nullptr;  // it was updated; the next question finds what it has now
    }
    return heard;
}

Result<Rest::Heard> Rest::call(const Question& question, const RestVersion& version) const {
    // Read each time: whoever renews it writes the file again.
    const bool own_token = !question.as_user.empty() && !options_.token_directory.empty();
    const auto pass = TRY(
        read_token(own_token ? options_.token_directory / question.as_user : options_.token_file));
    core::http::Request request{
        .method = question.method,
        .target = fmt::format("/slurm/{}/{}", version.name, question.path),
        .headers = {{"Host", "slurmrestd"},
                    {"X-SLURM-USER-NAME",
                     question.as_user.empty() ? options_.user : question.as_user},
                    {"X-SLURM-USER-TOKEN", pass.text.reveal()}},
        .body = question.body};
    if (!question.body.empty()) {
        request.headers.set("Content-Type", "application/json");
    }
    auto response = TRY(core::within("slurmrestd", exchange_(request, patience_)));
    return Heard{.response = std::move(response), .expires = pass.expires};
}

// A bad token is not always told from a controller that is away; when it ended is known.
core::Error Rest::refusal(const Heard& heard) const {
    return explained(complaint_of(heard.response.status, heard.response.body), heard.expires);
}

core::Error Rest::explained(core::Error error, std::optional<core::WallTime> expires) const {
    const bool doubtful = error.fault == Fault::unavailable || error.fault == Fault::denied;
    if (doubtful && expires && *expires < clock_->wall()) {
        error.fault = Fault::denied;
        error.message += fmt::format("; the token expired at {}", core::rfc3339(*expires));
    }
    if (error.fault == Fault::denied || (error.fault == Fault::unavailable && error.hint.empty())) {
        error.hint = fmt::format(
            "is slurmctld up, and the token in {} one of {} that has not "
            "expired? slurmrestd does not tell the two apart",
            options_.token_file.string(), options_.user);
    }
    return error;
}

Result<std::string> Rest::text_of(const Question& question) {
    auto heard = TRY(call(question));
    if (heard.response.status != 200) {
        return tl::unexpected<core::Error>(refusal(heard));
    }
    return std::move(heard.response.body);
}

// --- Jobs ------------------------------------------------------------------------------------

Result<std::string> Rest::submit(const Submission& submission) {
    const auto* version = TRY(agree());
    for (const auto& [option, value] : submission.resources.options) {
        if (!says_option(*version, option)) {  // it was taken when another version was spoken
            return cannot_say(version->name, fmt::format("say '{}'", option));
        }
    }
    return read_submitted(TRY(text_of({.method = "POST",
                                       .path = "job/submit",
                                       .as_user = submission.resources.principal,
                                       .body = submit_text(*version, submission)})));
}

Result<void> Rest::cancel(const std::string& id, const std::string& principal) {
    if (TRY(agree())->structured) {
        // Not DELETE job/ID: where that is another's by now, slurmctld 24.11 refuses it and then
        // answers nobody any more.
        return read_cancelled(
            TRY(text_of({.method = "DELETE",
                         .path = "jobs/",
                         .as_user = principal,
                         .body = cancel_text(id, principal.empty() ? options_.user : principal)})));
    }
    const auto heard = TRY(call(
        {.method = "DELETE", .path = "job/" + core::percent_encode(id), .as_user = principal}));
    return heard.response.status == 200 || is_unknown_job(heard.response.body)
               ? Result<void>()
               : Result<void>(tl::unexpected<core::Error>(refusal(heard)));
}

Result<Listing> Rest::list() {
    Listing listing{.asked = clock_->monotonic()};
    listing.jobs = TRY(read_jobs(TRY(text_of({.path = "jobs"}))));
    return listing;
}

// It has one question per job for this, of a plugin that not every site serves.
Result<std::vector<PastRow>> Rest::recall(const std::vector<std::string>&) {
    return cannot_say(TRY(agree())->name, "ask for many past jobs at once");
}

// --- The site --------------------------------------------------------------------------------

Result<Site> Rest::look() {
    const auto nodes = TRY(text_of({.path = "nodes"}));
    auto site = TRY(read_site_parts(nodes, TRY(text_of({.path = "partitions"})), k_reason_prefix));
    for (auto& node : site.nodes) {
        node.observed = clock_->wall();
    }
    return site;
}

Result<void> Rest::needs_structured(std::string_view what) {
    const auto* version = TRY(agree());
    return version->structured ? Result<void>() : cannot_say(version->name, what);
}

Result<void> Rest::drain(const std::string& node, const std::string& reason) {
    TRY(needs_structured("hold nodes"));
    TRY(text_of({.method = "POST",
                 .path = "node/" + core::percent_encode(node),
                 .body = drain_text(std::string(k_reason_prefix) + reason)}));
    return {};
}

Result<void> Rest::resume(const std::string& node) {
    TRY(needs_structured("release nodes"));
    TRY(text_of(
        {.method = "POST", .path = "node/" + core::percent_encode(node), .body = resume_text()}));
    return {};
}

Result<Outlook> Rest::outlook(const Resources&) {
    const auto* version = TRY(agree());
    return Outlook{.why = fmt::format("slurmrestd {} gives no estimate", version->name)};
}

// Not a ping: from v0.0.40 it is answered without regard to the token.
Result<void> Rest::try_principal(const std::string& principal) {
    TRY(text_of({.path = "partitions", .as_user = principal}));
    return {};
}

Result<std::string> Rest::version() {
    const auto said = TRY(read_ping(TRY(text_of({.path = "ping"}))));
    return fmt::format("slurm {}, {}", said.release, TRY(agree())->name);
}

Result<void> Rest::ping() {
    const auto heard = TRY(call({.path = "ping"}));
    if (heard.response.status != 200) {
        return tl::unexpected<core::Error>(refusal(heard));
    }
    return TRY(read_ping(heard.response.body)).up
               ? Result<void>()
               : Result<void>(tl::unexpected<core::Error>(
                     explained({.fault = Fault::unavailable,
                                .message = "slurmrestd says that slurmctld is not up"},
                               heard.expires)));
}

}  // namespace sust::cluster::slurm
