#include "core/http_client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/link_proof.h"
#include "core/listen.h"
#include "core/text.h"

namespace sust::core::http {

namespace beast = boost::beast;

namespace {

using ErrorCode = boost::system::error_code;

constexpr std::size_t k_piece_bytes = 256 << 10;
constexpr std::uint32_t k_max_header_bytes = 64 << 10;
constexpr std::size_t k_max_error_bytes = 1 << 20;
constexpr std::size_t k_receive_bytes = 64 << 10;
constexpr std::size_t k_behind_body_bytes = 64;
// A full backlog of a Unix socket answers at once instead of letting us wait.
constexpr auto k_connect_pause = std::chrono::milliseconds(20);

class ResponseReader final : public beast::http::basic_parser<false> {
  public:
    Response response;  // without its body
    // False: no more is wanted.
    std::function<bool(std::string_view)> on_body;
    std::function<void(std::uint64_t)> on_length;  // of the body, where the server says it
    bool declined = false;

  private:
    void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int,
                         ErrorCode&) override {}
    void on_response_impl(int status, beast::string_view, int, ErrorCode&) override {
        response.status = status;
    }
    void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                       ErrorCode&) override {
        fields_.push_back({std::string(name), std::string(value)});
    }
    void on_header_impl(ErrorCode&) override { response.headers = Headers(std::move(fields_)); }
    void on_body_init_impl(const boost::optional<std::uint64_t>& bytes, ErrorCode&) override {
        if (bytes && on_length) {
            on_length(*bytes);
        }
    }
    std::size_t on_body_impl(beast::string_view piece, ErrorCode& error) override {
        if (!on_body({piece.data(), piece.size()})) {
            declined = true;
            error = beast::http::error::end_of_stream;
        }
        return piece.size();
    }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorCode&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view piece,
                                   ErrorCode& error) override {
        return on_body_impl(piece, error);
    }
    void on_finish_impl(ErrorCode&) override {}

    std::vector<Header> fields_;
};

bool may_repeat(const Request& request) {
    return request.method == "GET" || request.method == "HEAD" || request.method == "PUT" ||
           request.method == "DELETE";
}

std::string encode_head(const Request& request, std::optional<std::uint64_t> body_bytes) {
    std::string out = request.method + " " + request.target + " HTTP/1.1\r\n";
    if (!request.headers.get("Host")) {
        out += "Host: localhost\r\n";
    }
    for (const auto& [name, value] : request.headers.items()) {
        out.append(name).append(": ").append(value).append("\r\n");
    }
    if (body_bytes) {
        out += "Content-Length: " + std::to_string(*body_bytes) + "\r\n";
    }
    return out + "\r\n";
}

// A line end in any of these would be a second header or request.
Result<void> check_request(const Request& request) {
    const auto bad = [](std::string_view text) {
        return std::ranges::any_of(
            text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    };
    bool any =
        bad(request.method) || bad(request.target) || request.target.find(' ') != std::string::npos;
    for (const auto& [name, value] : request.headers.items()) {
        any = any || bad(name) || bad(value);
    }
    if (any) {
        return fail(Fault::invalid, "control characters in a request's head");
    }
    return {};
}

}  // namespace

struct Client::Impl {
    const Clock& clock;
    Address address;
    Fd fd{};
    std::string input{};  // received, not parsed
    bool reused = false;

    std::string name() const {
        if (const auto* unix_socket = std::get_if<UnixAddress>(&address)) {
            return unix_socket->socket.native();
        }
        const auto& tcp = std::get<TcpAddress>(address);
        return host_and_port(tcp.host, tcp.port);
    }

    void drop() {
        fd.reset();
        input.clear();
    }

    tl::unexpected<Error> broken(std::string_view doing) const {
        return fail(Fault::unavailable, "the connection broke while " + std::string(doing),
                    {.where = name()});
    }
    tl::unexpected<Error> too_late(std::string_view doing) const {
        return fail(Fault::timeout, "no answer in time while " + std::string(doing),
                    {.where = name()});
    }

    // The events that came, or 0 at the deadline.
    int wait(short events, const Deadline& deadline) const {
        while (true) {
            pollfd entry{.fd = fd.get(), .events = events, .revents = 0};
            const auto left = std::min<std::int64_t>(deadline.left().count(), 1'000'000'000);
            const int count = ::poll(&entry, 1, static_cast<int>(left));
            if (count >= 0 || errno != EINTR) {
                return count > 0 ? entry.revents : 0;
            }
        }
    }

    Result<void> connect(const Deadline& deadline) {
        // What arrives between answers is the server's end, or nothing we asked for.
        if (fd && (!input.empty() || wait(POLLIN, Deadline(clock, Duration(0))) != 0)) {
            drop();
        }
        reused = static_cast<bool>(fd);
        if (fd) {
            return {};
        }
        if (const auto* tcp = std::get_if<TcpAddress>(&address)) {
            return connect_tcp(*tcp, deadline);
        }
        while (true) {
            auto made = connect_unix_socket(std::get<UnixAddress>(address).socket);
            if (made) {
                fd = std::move(*made);
                return {};
            }
            if (made.error().fault != Fault::exhausted || deadline.passed()) {
                return tl::unexpected<Error>(made.error());
            }
            std::this_thread::sleep_for(k_connect_pause);
        }
    }

    Result<void> connect_tcp(const TcpAddress& tcp, const Deadline& deadline) {
        fd = TRY(connect_tcp_socket(tcp.host, tcp.port));
        const bool decided = wait(POLLOUT, deadline) != 0;
        int code = 0;
        socklen_t size = sizeof code;
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
        if (!decided || code != 0) {
            fd.reset();
            if (!decided) {
                return too_late("connecting");
            }
            return fail(Fault::unavailable,
                        "connecting failed: " + std::string(std::strerror(code)),
                        {.where = name()});
        }
        if (!tcp.link_key.empty()) {
            auto proved = prove(tcp.link_key, deadline);
            if (!proved) {
                drop();
                return proved;
            }
        }
        return {};
    }

    // The relay and we show each other that we have the key.
    Result<void> prove(const Secret& key, const Deadline& deadline) {
        const auto client =
            TRY(LinkClient::answer(TRY(read_exactly(k_link_hello_bytes, deadline)), key));
        if (!TRY(write(client.claim(), deadline))) {
            return broken("proving the key");
        }
        return client.check(TRY(read_exactly(k_link_grant_bytes, deadline)));
    }

    Result<std::string> read_exactly(std::size_t count, const Deadline& deadline) {
        while (input.size() < count) {
            if (!TRY(receive(deadline))) {
                return broken("proving the key");
            }
        }
        auto bytes = input.substr(0, count);
        input.erase(0, count);
        return bytes;
    }

    // False: the server answered already or went away; what it said is to be read.
    Result<bool> write(std::string_view bytes, const Deadline& deadline) {
        while (!bytes.empty()) {
            const int events = wait(POLLIN | POLLOUT, deadline);
            if (events == 0) {
                return too_late("sending the request");
            }
            if ((events & (POLLIN | POLLERR | POLLHUP)) != 0) {
                return false;
            }
            const auto count = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(count));
            } else if (errno != EAGAIN && errno != EINTR) {
                return false;
            }
        }
        return true;
    }

    // False: the end of the connection.
    Result<bool> receive(const Deadline& deadline) {
        while (true) {
            if (wait(POLLIN, deadline) == 0) {
                return too_late("waiting for the answer");
            }
            char piece[k_receive_bytes];
            const auto count = ::recv(fd.get(), piece, sizeof piece, 0);
            if (count > 0) {
                input.append(piece, static_cast<std::size_t>(count));
                return true;
            }
            if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
                return false;
            }
        }
    }

    // Feeds the reader until the answer is complete; `next` gives the deadline of each wait.
    Result<void> read(ResponseReader& reader, const std::function<Deadline()>& next) {
        reader.header_limit(k_max_header_bytes);
        reader.body_limit(boost::none);
        while (!reader.is_done()) {
            ErrorCode error;
            if (!input.empty()) {
                input.erase(0, reader.put(boost::asio::buffer(input), error));
            }
            if (reader.declined) {
                return {};
            }
            if (error && error != beast::http::error::need_more) {
                return fail(Fault::unavailable, "not an HTTP answer: " + error.message(),
                            {.where = name()});
            }
            if (reader.is_done() || (!error && !input.empty())) {
                continue;
            }
            if (!TRY(receive(next()))) {
                ErrorCode early;
                if (reader.got_some()) {
                    reader.put_eof(early);
                }
                if (early || !reader.is_done()) {
                    return broken("waiting for the answer");
                }
            }
        }
        return {};
    }

    Result<void> read_answer(ResponseReader& reader, bool whole_request_sent,
                             const std::function<Deadline()>& next) {
        auto result = read(reader, next);
        if (!result || reader.declined || !whole_request_sent || !reader.keep_alive()) {
            drop();
        }
        return result;
    }

    // The body collected, up to `max_bytes`.
    Result<Response> collect(ResponseReader& reader, bool whole_request_sent,
                             const Deadline& deadline, std::size_t max_bytes) {
        std::string body;
        // Of a large one nothing is copied as it grows, nor by a parser that reads past its end.
        reader.on_length = [&](std::uint64_t bytes) {
            body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, max_bytes)) +
                         k_behind_body_bytes);
        };
        reader.on_body = [&](std::string_view piece) {
            if (body.size() + piece.size() > max_bytes) {
                return false;
            }
            body.append(piece);
            return true;
        };
        TRY(read_answer(reader, whole_request_sent, [&] { return deadline; }));
        if (reader.declined) {
            return fail(Fault::too_large,
                        "the answer is over " + std::to_string(max_bytes) + " bytes",
                        {.where = name()});
        }
        reader.response.body = std::move(body);
        return std::move(reader.response);
    }

    Result<Response> send_once(const Request& request, const Deadline& deadline,
                               std::size_t max_bytes) {
        TRY(connect(deadline));
        const bool sent = TRY(write_request(request, deadline));
        ResponseReader reader;
        reader.skip(request.method == "HEAD");
        return collect(reader, sent, deadline, max_bytes);
    }

    Result<bool> write_request(const Request& request, const Deadline& deadline) {
        std::optional<std::uint64_t> length;
        if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
            length = request.body.size();
        }
        auto sent = write(encode_head(request, length) + request.body, deadline);
        if (!sent) {
            drop();
        }
        return sent;
    }

    Result<bool> write_file(int file, std::uint64_t size, const Deadline& deadline) {
        std::string piece(k_piece_bytes, '\0');
        while (size > 0) {
            const auto count =
                ::read(file, piece.data(), std::min<std::uint64_t>(size, piece.size()));
            if (count <= 0) {
                return fail(Fault::conflict, "the file changed while it was sent");
            }
            if (!TRY(write({piece.data(), static_cast<std::size_t>(count)}, deadline))) {
                return false;
            }
            size -= static_cast<std::uint64_t>(count);
        }
        return true;
    }
};

Client::Client(const Clock& clock, Address address)
    : impl_(std::make_unique<Impl>(Impl{clock, std::move(address)})) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Response> Client::send(const Request& request, Duration within, std::size_t max_bytes) {
    TRY(check_request(request));
    const Deadline deadline(impl_->clock, within);
    auto response = impl_->send_once(request, deadline, max_bytes);
    // The server may close a kept connection in the moment in which we use it.
    if (!response && response.error().fault == Fault::unavailable && impl_->reused &&
        may_repeat(request)) {
        impl_->drop();
        return impl_->send_once(request, deadline, max_bytes);
    }
    return response;
}

Result<Response> Client::upload(Request head, const Path& file, Duration within) {
    TRY(check_request(head));
    const Deadline deadline(impl_->clock, within);
    const Fd source(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!source || ::fstat(source.get(), &status) != 0) {
        return fail_errno("open " + file.native(), errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(Fault::invalid, "not a regular file", {.where = file.native()});
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    TRY(impl_->connect(deadline));
    auto sent = impl_->write(encode_head(head, size), deadline);
    if (sent && *sent) {
        sent = impl_->write_file(source.get(), size, deadline);
    }
    if (!sent) {
        impl_->drop();
        return tl::unexpected<Error>(sent.error());
    }
    ResponseReader reader;
    return impl_->collect(reader, *sent, deadline, k_max_error_bytes);
}

Result<Response> Client::stream(const Request& request, Duration stall,
                                const std::function<bool(std::string_view)>& on_piece) {
    TRY(check_request(request));
    const auto next = [&] { return Deadline(impl_->clock, stall); };
    TRY(impl_->connect(next()));
    const bool sent = TRY(impl_->write_request(request, next()));
    ResponseReader reader;
    std::string refusal;
    reader.on_body = [&](std::string_view piece) {
        if (reader.response.status < 400) {
            return on_piece(piece);
        }
        refusal.append(
            piece.substr(0, k_max_error_bytes - std::min(refusal.size(), k_max_error_bytes)));
        return true;
    };
    TRY(impl_->read_answer(reader, sent, next));
    reader.response.body = std::move(refusal);
    return std::move(reader.response);
}

}  // namespace sust::core::http
