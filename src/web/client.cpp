#include "web/client.h"

#include <algorithm>
#include <array>
#include <atomic>

#include <curl/curl.h>
#include <fmt/format.h>

#include "core/text.h"

namespace sust::web {

using core::fail;
using core::Fault;
using core::http::Request;
using core::http::Response;
using namespace std::chrono_literals;

namespace {

constexpr Duration k_connect = 10s;
constexpr std::size_t k_head_bytes_max = 64 << 10;
constexpr std::size_t k_refusal_bytes_max = 1 << 20;

// libcurl's own state; initialised by the first client, before any other thread has one.
void init_library() {
    static const CURLcode done = ::curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)done;
}

struct FreeList {
    void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

void append(List& list, const std::string& line) {
    if (auto* longer = ::curl_slist_append(list.get(), line.c_str())) {
        (void)list.release();
        list.reset(longer);
    }
}

// What one exchange has heard so far.
struct Hearing {
    Response response{};
    std::size_t head_bytes = 0;
    std::size_t body_bytes = 0;
    std::size_t max_bytes = 0;
    bool too_large = false;
    bool enough = false;  // the caller wants no more
    bool heard = false;   // since it was last looked at
    const std::function<bool(std::string_view)>* on_piece = nullptr;
};

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* where) {
    auto& hearing = *static_cast<Hearing*>(where);
    const std::string_view line(data, size * count);
    hearing.heard = true;
    hearing.head_bytes += line.size();
    if (hearing.head_bytes > k_head_bytes_max) {
        hearing.too_large = true;
        return 0;
    }
    if (line.starts_with("HTTP/")) {  // perhaps of a further answer, after "100 Continue"
        const auto blank = line.find(' ');
        const auto number = blank == std::string_view::npos ? "" : line.substr(blank + 1, 3);
        hearing.response = {.status = static_cast<int>(core::parse_integer(number).value_or(0))};
        return line.size();
    }
    const auto colon = line.find(':');
    if (colon != std::string_view::npos) {
        hearing.response.headers.set(line.substr(0, colon),
                                     std::string(core::trim(line.substr(colon + 1))));
    }
    return line.size();
}

std::size_t take_piece(char* data, std::size_t size, std::size_t count, void* where) {
    auto& hearing = *static_cast<Hearing*>(where);
    const std::string_view piece(data, size * count);
    hearing.heard = true;
    hearing.body_bytes += piece.size();
    const bool streamed = hearing.on_piece != nullptr && hearing.response.status < 400;
    const auto max = hearing.response.status < 400
                         ? hearing.max_bytes
                         : std::min(hearing.max_bytes, k_refusal_bytes_max);
    if (hearing.body_bytes > max) {
        hearing.too_large = true;
        return 0;
    }
    if (streamed) {
        hearing.enough = !(*hearing.on_piece)(piece);
        return hearing.enough ? 0 : piece.size();
    }
    hearing.response.body.append(piece);
    return piece.size();
}

curl_blob blob_of(const std::string& text) {
    // libcurl reads it while the exchange lasts, and the text outlives that.
    return {.data = const_cast<char*>(text.data()), .len = text.size(), .flags = CURL_BLOB_NOCOPY};
}

Fault fault_of(CURLcode code) {
    switch (code) {
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_ISSUER_ERROR:
            return Fault::denied;
        case CURLE_OPERATION_TIMEDOUT:
            return Fault::timeout;
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_COULDNT_RESOLVE_PROXY:
            return Fault::invalid;
        default:
            return Fault::unavailable;
    }
}

std::string_view hint_of(CURLcode code) {
    switch (code) {
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_ISSUER_ERROR:
            return "is this the server, its certificate still valid, and the authority that was "
                   "given the one that signed it?";
        case CURLE_SSL_CERTPROBLEM:
            return "the client certificate and its key must be PEM and belong together";
        case CURLE_SSL_CACERT_BADFILE:
            return "the certificate authority must be PEM";
        case CURLE_COULDNT_RESOLVE_HOST:
            return "is the server's name right?";
        default:
            return "";
    }
}

}  // namespace

struct Client::Impl {
    const core::Clock& clock;
    CURLM* multi;
    CURL* easy;
    std::array<char, CURL_ERROR_SIZE> said{};
    std::atomic<bool> stopped = false;

    explicit Impl(const core::Clock& one)
        : clock(one), multi(::curl_multi_init()), easy(::curl_easy_init()) {}
    ~Impl() {
        ::curl_easy_cleanup(easy);
        ::curl_multi_cleanup(multi);
    }

    void set_tls(const Tls& tls);
    List set_address(const Server& server, const std::string& url);
    List set_request(const Request& request);
    Result<Response> exchange(const Server& server, const Request& request, const Bounds& bounds,
                              Hearing hearing);
    Result<CURLcode> drive(const Bounds& bounds, Hearing& hearing);
};

// A blob that is not set is the system's choice, so an empty text sets nothing.
void Client::Impl::set_tls(const Tls& tls) {
    const auto set = [this](CURLoption option, const std::string& text) {
        if (!text.empty()) {
            const auto blob = blob_of(text);
            ::curl_easy_setopt(easy, option, &blob);
        }
    };
    set(CURLOPT_CAINFO_BLOB, tls.authority);
    set(CURLOPT_SSLCERT_BLOB, tls.certificate);
    set(CURLOPT_SSLKEY_BLOB, tls.key.reveal());
    ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
    ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
}

// Another name in the certificate than in the address: the address becomes that name, and the
// connection goes where it went.
List Client::Impl::set_address(const Server& server, const std::string& url) {
    ::curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PROXY, server.proxy.c_str());
    List connect;
    if (server.tls.server_name.empty()) {
        return connect;
    }
    auto* parts = ::curl_url();
    char* host = nullptr;
    char* port = nullptr;
    char* renamed = nullptr;
    if (::curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
        ::curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        ::curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        ::curl_url_set(parts, CURLUPART_HOST, server.tls.server_name.c_str(), 0) == CURLUE_OK &&
        ::curl_url_get(parts, CURLUPART_URL, &renamed, 0) == CURLUE_OK) {
        append(connect, fmt::format("{}:{}:{}:{}", server.tls.server_name, port, host, port));
        ::curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect.get());
        ::curl_easy_setopt(easy, CURLOPT_URL, renamed);
    }
    ::curl_free(host);
    ::curl_free(port);
    ::curl_free(renamed);
    ::curl_url_cleanup(parts);
    return connect;
}

List Client::Impl::set_request(const Request& request) {
    if (!request.body.empty()) {
        ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
        ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                           static_cast<curl_off_t>(request.body.size()));
    }
    ::curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    List headers;
    append(headers, "Expect:");  // bodies are small; asking first costs a round trip
    for (const auto& header : request.headers.items()) {
        append(headers, header.name + ": " + header.value);
    }
    ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
    return headers;
}

Result<Response> Client::Impl::exchange(const Server& server, const Request& request,
                                        const Bounds& bounds, Hearing hearing) {
    if (!easy || !multi) {
        return fail(Fault::internal, "libcurl could not be initialised");
    }
    ::curl_easy_reset(easy);
    said[0] = '\0';
    hearing.max_bytes = bounds.max_bytes;
    const auto url = server.base + request.target;
    set_tls(server.tls);
    const auto connect = set_address(server, url);
    const auto headers = set_request(request);
    ::curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said.data());
    ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    ::curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    ::curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    ::curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                       static_cast<long>(std::min(bounds.within, k_connect).count()));
    ::curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &take_header);
    ::curl_easy_setopt(easy, CURLOPT_HEADERDATA, &hearing);
    ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take_piece);
    ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &hearing);
    const auto code = drive(bounds, hearing);
    if (!code) {
        return within(server.base, Result<Response>(tl::unexpected(code.error())));
    }
    if (hearing.too_large) {
        return fail(Fault::too_large,
                    fmt::format("{}: the answer is over {} bytes", server.base, bounds.max_bytes));
    }
    if (*code != CURLE_OK && !hearing.enough) {
        return fail(
            fault_of(*code),
            fmt::format(
                "{}: {}", server.base,
                core::printable(said[0] != '\0' ? said.data() : ::curl_easy_strerror(*code), 300)),
            {.hint = std::string(hint_of(*code))});
    }
    return std::move(hearing.response);
}

Result<CURLcode> Client::Impl::drive(const Bounds& bounds, Hearing& hearing) {
    const core::Deadline deadline(clock, bounds.within);
    core::Deadline stall(clock, bounds.stall);
    ::curl_multi_add_handle(multi, easy);
    Result<CURLcode> outcome = CURLE_OK;
    while (true) {
        int running = 0;
        ::curl_multi_perform(multi, &running);
        int left = 0;
        const auto* message = ::curl_multi_info_read(multi, &left);
        if (message != nullptr && message->msg == CURLMSG_DONE) {
            outcome = message->data.result;
            break;
        }
        if (std::exchange(hearing.heard, false)) {
            stall = core::Deadline(clock, bounds.stall);
        }
        const bool stalled = bounds.stall > Duration::zero() && stall.passed();
        if (stopped || stalled || deadline.passed()) {
            outcome = fail(stopped ? Fault::unavailable : Fault::timeout,
                           stopped ? "the client was stopped"
                                   : fmt::format("no {} in {}", stalled ? "word" : "whole answer",
                                                 core::format_duration(stalled ? bounds.stall
                                                                               : bounds.within)));
            break;
        }
        const auto wait = std::min<Duration>(
            deadline.left(), bounds.stall > Duration::zero() ? stall.left() : deadline.left());
        ::curl_multi_poll(multi, nullptr, 0, static_cast<int>(std::min<Duration>(wait, 1s).count()),
                          nullptr);
    }
    ::curl_multi_remove_handle(multi, easy);
    return outcome;
}

Client::Client(const core::Clock& clock) {
    init_library();
    impl_ = std::make_unique<Impl>(clock);
}
Client::~Client() = default;

Result<Response> Client::send(const Server& server, const Request& request, const Bounds& bounds) {
    return impl_->exchange(server, request, bounds, {});
}

Result<Response> Client::stream(const Server& server, const Request& request, const Bounds& bounds,
                                const std::function<bool(std::string_view)>& on_piece) {
    return impl_->exchange(server, request, bounds, {.on_piece = &on_piece});
}

bool Client::pause(Duration duration) {
    const core::Deadline deadline(impl_->clock, duration);
    while (!impl_->stopped && !deadline.passed()) {
        ::curl_multi_poll(impl_->multi, nullptr, 0,
                          static_cast<int>(std::min<Duration>(deadline.left(), 1s).count()),
                          nullptr);
    }
    return !impl_->stopped;
}

void Client::stop() {
    impl_->stopped = true;
    ::curl_multi_wakeup(impl_->multi);
}

}  // namespace sust::web
