#include "serve/session.h"

#include <cerrno>

#include <sys/socket.h>

#include "serve/limits.h"

namespace sust::serve {

using core::Fault;

namespace {

constexpr std::size_t k_first_read = 4096;
constexpr core::Duration k_whole_body = 120s;  // slow but honest uploads; 4 MiB at 35 kB/s

std::vector<ListedModel> listed(const View& view, const std::vector<std::string>& names) {
    std::vector<ListedModel> models;
    for (const auto& name : names) {
        const auto* offered = view.offered(name);
        const auto created = offered == nullptr ? core::WallTime{} : offered->created;
        models.push_back(
            {.name = name,
             .created =
                 std::chrono::floor<std::chrono::seconds>(created).time_since_epoch().count()});
    }
    return models;
}

}  // namespace

Session::Session(Worker& worker, ClientSocket socket)
    : worker_(worker), socket_(std::move(socket)) {
    worker_.enter(*this);
}

Session::~Session() {
    worker_.leave(*this);
}

Task<> Session::run() {
    while (co_await one_request()) {
    }
    IoError ignored;
    socket_.close(ignored);
}

void Session::begin(Phase phase, core::Duration within) {
    phase_ = phase;
    deadline_ = worker_.shared.clock.monotonic() + within;
    if (phase == Phase::working) {
        worker_.want_sweep();
    }
}

bool Session::keeps_alive() const {
    return reader_.head().keep_alive && !closing_ && !worker_.shared.stopping.load();
}

// --- Requests as they come ---------------------------------------------------------------------

Task<bool> Session::receive() {
    const auto held = buffer_.size();
    buffer_.resize(held + k_first_read);
    IoError error;
    const auto count = co_await socket_.async_read_some(
        asio::buffer(buffer_.data() + held, k_first_read), asio::redirect_error(k_await, error));
    buffer_.resize(held + count);
    co_return !error;
}

ApiError Session::unreadable(const core::Error& error) const {
    if (error.fault == Fault::too_large && error.where == "body") {
        return body_too_large(view_->map().limits.max_body_bytes);
    }
    return unreadable_http(error);
}

Task<bool> Session::read_head() {
    begin(Phase::idle, k_idle);
    while (reader_.state() == RequestReader::State::head) {
        if (!buffer_.empty()) {
            if (phase_ == Phase::idle) {
                // From the first byte on, the whole head has this long.
                begin(Phase::reading, k_client_stall);
            }
            auto used = reader_.feed(buffer_);
            if (!used) {
                const auto error = unreadable(used.error());
                co_return co_await refuse_and_close(error);
            }
            buffer_.erase(0, *used);
            if (*used > 0) {
                continue;
            }
        }
        if (!co_await receive()) {
            co_return false;
        }
    }
    co_return true;
}

Task<bool> Session::read_body() {
    if (reader_.state() == RequestReader::State::done) {
        co_return true;
    }
    begin(Phase::reading, k_whole_body);
    if (reader_.head().expects_continue && buffer_.empty()) {
        if (!co_await send(k_continue)) {
            co_return false;
        }
        begin(Phase::reading, k_whole_body);
    }
    while (reader_.state() != RequestReader::State::done) {
        auto used = reader_.feed(buffer_);
        if (!used) {
            const auto error = unreadable(used.error());
            co_return co_await refuse_and_close(error);
        }
        buffer_.erase(0, *used);
        if (*used == 0 && !co_await receive()) {
            co_return false;
        }
    }
    co_return true;
}

std::optional<ApiError> Session::forbidden(const Route& route) const {
    if (key_ == nullptr) {
        return reader_.head().authorization.empty() ? no_key() : wrong_key();
    }
    const auto scope =
        route.to == Route::To::metrics ? tenancy::k_scope_metrics : tenancy::k_scope_inference;
    if (!key_->has_scope(scope)) {
        return denied("this key lacks the scope '" + std::string(scope) + "'");
    }
    return std::nullopt;
}

Task<bool> Session::one_request() {
    view_ = worker_.view;
    key_ = nullptr;
    cut_ = Cut::none;
    watch_ended_ = false;
    request_id_ = worker_.make_request_id();
    reader_.reset(view_->map().limits.max_body_bytes);
    if (!co_await read_head()) {
        co_return false;
    }
    // The wait for this request may have been long; what holds is what is known now.
    view_ = worker_.view;
    request_start_ = worker_.shared.clock.monotonic();
    const auto found = find_route(reader_.head().method, reader_.head().target);
    if (const auto* error = std::get_if<ApiError>(&found)) {
        co_return co_await refuse_and_close(*error);
    }
    const auto& route = std::get<Route>(found);
    if (route.to != Route::To::healthz) {
        key_ = worker_.keys.check(view_, reader_.head().authorization);
        if (const auto error = forbidden(route)) {
            co_return co_await refuse_and_close(*error);
        }
    }
    if (!co_await read_body()) {
        co_return false;
    }
    co_return co_await serve(route);
}

// --- Answers that are made here ----------------------------------------------------------------

Task<bool> Session::serve(const Route& route) {
    switch (route.to) {
        case Route::To::engine:
            co_return co_await generate(route);
        case Route::To::metrics:
            co_return co_await serve_metrics();
        case Route::To::models: {
            const auto body = models_body(listed(*view_, view_->models_for(*key_)));
            co_return co_await respond(200, "application/json", body);
        }
        case Route::To::model: {
            if (view_->candidates(route.model) == nullptr || !key_->allows_model(route.model)) {
                const auto error = unknown_model(route.model, view_->models_for(*key_));
                co_return co_await refuse(error);
            }
            const auto body = model_body(listed(*view_, {route.model}).front());
            co_return co_await respond(200, "application/json", body);
        }
        case Route::To::healthz:
            break;
    }
    co_return co_await respond(200, "text/plain", "ok\n");
}

Task<bool> Session::serve_metrics() {
    const auto sum = co_await worker_.gather();
    const auto body = print(sum, *view_, worker_.shared.follows.load());
    co_return co_await respond(200, "text/plain; version=0.0.4", body);
}

Task<bool> Session::send(std::string_view bytes) {
    begin(Phase::writing, k_client_stall);
    const auto error =
        co_await send_all(socket_, bytes, [this] { begin(Phase::writing, k_client_stall); });
    co_return !error;
}

Task<bool> Session::respond(int status, std::string_view content_type, std::string_view body) {
    worker_.metrics.count("", status);
    std::string out;
    append_head(out, {.status = status,
                      .content_type = content_type,
                      .request_id = request_id_,
                      .keep_alive = keeps_alive(),
                      .length = body.size()});
    if (reader_.head().method != "HEAD") {
        out += body;
    }
    const bool keep = keeps_alive();
    co_return co_await send(out) && keep;
}

Task<bool> Session::refuse(const ApiError& error) {
    const auto body = error_body(error);
    std::string out;
    const bool keep = keeps_alive();
    append_head(out, {.status = error.status,
                      .request_id = request_id_,
                      .allow = error.allow,
                      .retry_after = error.retry_after,
                      .keep_alive = keep,
                      .length = body.size()});
    if (reader_.head().method != "HEAD") {
        out += body;
    }
    const bool sent = co_await send(out);
    co_return sent&& keep;
}

// Before the request was read to its end: what follows cannot be told from a next request, unless
// the rest of it is here already.
Task<bool> Session::refuse_and_close(const ApiError& error) {
    worker_.metrics.count("", error.status);
    if (reader_.state() == RequestReader::State::body) {
        if (const auto used = reader_.feed(buffer_)) {
            buffer_.erase(0, *used);
        }
    }
    const bool whole = reader_.state() == RequestReader::State::done;
    closing_ = closing_ || !whole;
    const bool keep = co_await refuse(error);
    if (!whole) {
        co_await linger();
    }
    co_return keep&& whole;
}

// A connection closed over unread bytes is reset, and the client never reads why.
Task<> Session::linger() {
    IoError error;
    socket_.shutdown(asio::socket_base::shutdown_send, error);
    begin(Phase::writing, k_linger);
    while (!error) {
        buffer_.resize(k_first_read);
        co_await socket_.async_read_some(asio::buffer(buffer_.data(), buffer_.size()),
                                         asio::redirect_error(k_await, error));
    }
    buffer_.clear();
}

// --- Interruptions -----------------------------------------------------------------------------

void Session::sweep(core::MonoTime now) {
    if (now >= deadline_) {
        if (phase_ == Phase::working) {
            cut(Cut::engine_silent);
        } else {
            cut(Cut::client_left);
        }
        deadline_ = core::MonoTime::max();
    }
    if (phase_ == Phase::working && !watching_ && !watch_ended_) {
        watch();
    }
}

void Session::end_if_idle() {
    if (phase_ == Phase::idle) {
        cut(Cut::stopped);
    }
}

void Session::interrupt() {
    cut(Cut::stopped);
}

void Session::cut(Cut why) {
    if (cut_ == Cut::none) {
        cut_ = why;
    }
    if (engine_) {
        engine_->close();
    }
    if (waiter_ != nullptr) {
        worker_.waiting.cancel(*waiter_);
    }
    if (phase_ != Phase::working) {
        IoError ignored;
        socket_.close(ignored);
    }
}

void Session::watch() {
    watching_ = true;
    socket_.async_wait(ClientSocket::wait_read, [self = shared_from_this()](const IoError& error) {
        self->watching_ = false;
        if (!error && self->phase_ == Phase::working) {
            self->client_event();
        }
    });
}

// Readable while an engine works: the client left, or it sends its next request ahead.
void Session::client_event() {
    char bytes[k_first_read];
    const auto count =
        ::recv(socket_.native_handle(), bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        cut(Cut::client_left);
        return;
    }
    if (count > 0) {
        buffer_.append(bytes, static_cast<std::size_t>(count));
    }
    if (buffer_.size() < k_max_ahead_bytes) {
        watch();
    } else {
        watch_ended_ = true;
    }
}

}  // namespace sust::serve
