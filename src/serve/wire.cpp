#include "serve/wire.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include "serve/limits.h"

namespace sust::serve {

namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;
using core::fail;
using core::Fault;
using core::Result;

namespace {

std::string_view view(beast::string_view text) {
    return {text.data(), text.size()};
}

tl::unexpected<core::Error> wrong(const error_code& code) {
    if (code == http::error::header_limit) {
        return fail(Fault::too_large, "the header is over the limit", {.where = "header"});
    }
    if (code == http::error::body_limit) {
        return fail(Fault::too_large, "the body is over the limit", {.where = "body"});
    }
    return fail(Fault::invalid, "not valid HTTP: " + code.message());
}

// What both directions share. Beast asks for these functions; chunk headers say nothing we need.
template <bool is_request>
class Parser : public http::basic_parser<is_request> {
  public:
    std::string body_text;
    std::size_t head_bytes = 0;  // of the head, used so far

  protected:
    void on_request_impl(http::verb, beast::string_view, beast::string_view, int,
                         error_code&) override {}
    void on_response_impl(int, beast::string_view, int, error_code&) override {}
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(beast::string_view piece, error_code&) override {
        body_text.append(piece.data(), piece.size());
        return piece.size();
    }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view piece, error_code&) override {
        body_text.append(piece.data(), piece.size());
        return piece.size();
    }
    void on_finish_impl(error_code&) override {}
};

class RequestParser final : public Parser<true> {
  public:
    RequestHead head_values;

  private:
    void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                         int version, error_code&) override {
        head_values.method = view(method);
        head_values.target = view(target);
        head_values.http_1_0 = version < 11;
    }

    void on_field_impl(http::field name, beast::string_view, beast::string_view value,
                       error_code& code) override {
        if (name == http::field::authorization) {
            // Two of them: which one counts would be a guess.
            if (++authorizations_ > 1) {
                code = http::error::bad_field;
            }
            head_values.authorization = view(value);
        } else if (name == http::field::expect) {
            head_values.expects_continue = beast::iequals(value, "100-continue");
        } else if (name == http::field::transfer_encoding) {
            // Beast reads "chunked" at the end of a list; a list is a smuggler's tool.
            if (!beast::iequals(value, "chunked") || head_values.http_1_0) {
                code = http::error::bad_transfer_encoding;
            }
        }
    }

    int authorizations_ = 0;
};

class ResponseParser final : public Parser<false> {
  public:
    ResponseHead head_values;

  private:
    void on_response_impl(int status, beast::string_view, int, error_code&) override {
        head_values.status = status;
    }

    void on_field_impl(http::field name, beast::string_view, beast::string_view value,
                       error_code&) override {
        if (name == http::field::content_type) {
            constexpr std::string_view k_stream = "text/event-stream";
            head_values.event_stream = beast::iequals(value.substr(0, k_stream.size()),
                                                      {k_stream.data(), k_stream.size()});
        }
    }
};

// Uses what it can of the head or of the body; it stops where either ends.
template <class P>
Result<std::size_t> put(P& parser, std::string_view bytes) {
    const bool in_head = !parser.is_header_done();
    const auto at_end = [&] { return parser.is_done() || parser.is_header_done() == in_head; };
    std::size_t used = 0;
    while (used < bytes.size() && !at_end()) {
        error_code code;
        const auto more =
            parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), code);
        if (code && code != http::error::need_more) {
            return wrong(code);
        }
        used += more;
        if (more == 0) {
            break;
        }
    }
    // Beast's limit is that of one call, and the lines around chunks have none.
    parser.head_bytes += in_head ? used : 0;
    const auto unfinished = at_end() ? 0 : bytes.size() - used;
    if ((in_head ? parser.head_bytes : 0) + unfinished > k_max_header_bytes) {
        return wrong(http::error::header_limit);
    }
    return used;
}

}  // namespace

struct RequestReader::Impl {
    std::optional<RequestParser> parser;
};

RequestReader::RequestReader() : impl_(std::make_unique<Impl>()) {
    reset(0);
}
RequestReader::~RequestReader() = default;

void RequestReader::reset(std::size_t max_body_bytes) {
    impl_->parser.emplace();
    impl_->parser->header_limit(k_max_header_bytes);
    impl_->parser->body_limit(max_body_bytes);
}

Result<std::size_t> RequestReader::feed(std::string_view bytes) {
    auto& parser = *impl_->parser;
    if (parser.is_header_done()) {
        return put(parser, bytes);
    }
    const auto used = TRY(put(parser, bytes));
    // Folded lines, which readers join differently (RFC 9112, 5.2). Beast joins them. It uses a
    // line with all that is folded into it, so that each part of a head can be judged alone.
    const auto raw = bytes.substr(0, used);
    if (raw.find("\r\n ") != std::string_view::npos ||
        raw.find("\r\n\t") != std::string_view::npos) {
        return fail(Fault::invalid, "not valid HTTP: a folded header line");
    }
    if (parser.is_header_done()) {
        parser.head_values.keep_alive = parser.keep_alive();
    }
    return used;
}

RequestReader::State RequestReader::state() const {
    return impl_->parser->is_done()          ? State::done
           : impl_->parser->is_header_done() ? State::body
                                             : State::head;
}

const RequestHead& RequestReader::head() const {
    return impl_->parser->head_values;
}
const std::string& RequestReader::body() const {
    return impl_->parser->body_text;
}
std::string RequestReader::take_body() {
    return std::move(impl_->parser->body_text);
}

struct ResponseReader::Impl {
    std::optional<ResponseParser> parser;
};

ResponseReader::ResponseReader() : impl_(std::make_unique<Impl>()) {
    reset();
}
ResponseReader::~ResponseReader() = default;

void ResponseReader::reset() {
    impl_->parser.emplace();
    impl_->parser->header_limit(k_max_header_bytes);
    impl_->parser->body_limit(boost::none);  // the relay has its own bounds
}

Result<std::size_t> ResponseReader::feed(std::string_view bytes) {
    auto& parser = *impl_->parser;
    std::size_t used = 0;
    while (used < bytes.size() && !parser.is_done()) {
        const auto more = TRY(put(parser, bytes.substr(used)));
        used += more;
        if (more == 0) {
            break;
        }
    }
    if (parser.is_header_done()) {
        parser.head_values.keep_alive = parser.keep_alive();
    }
    return used;
}

Result<void> ResponseReader::feed_end() {
    auto& parser = *impl_->parser;
    if (parser.is_done()) {
        return {};
    }
    if (!parser.is_header_done()) {
        return fail(Fault::unavailable, "the connection was closed before an answer");
    }
    error_code code;
    parser.put_eof(code);
    if (code) {
        return fail(Fault::unavailable, "the connection was closed within the answer");
    }
    return {};
}

bool ResponseReader::has_head() const {
    return impl_->parser->is_header_done();
}
bool ResponseReader::done() const {
    return impl_->parser->is_done();
}
const ResponseHead& ResponseReader::head() const {
    return impl_->parser->head_values;
}
std::string& ResponseReader::body() {
    return impl_->parser->body_text;
}

void append_head(std::string& out, const AnswerHead& head) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(head.status));
    auto to = std::back_inserter(out);
    fmt::format_to(to, "HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", head.status, view(reason),
                   head.content_type);
    switch (head.framing) {
        case Framing::length:
            fmt::format_to(to, "Content-Length: {}\r\n", head.length);
            break;
        case Framing::chunked:
            out += "Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\n";
            break;
        case Framing::until_close:
            out += "Cache-Control: no-cache\r\n";
            break;
    }
    if (!head.request_id.empty()) {
        fmt::format_to(to, "X-Request-Id: {}\r\n", head.request_id);
    }
    if (head.retry_after > 0) {
        fmt::format_to(to, "Retry-After: {}\r\n", head.retry_after);
    }
    if (!head.allow.empty()) {
        fmt::format_to(to, "Allow: {}\r\n", head.allow);
    }
    if (head.status == 401) {
        out += "WWW-Authenticate: Bearer realm=\"sust\"\r\n";
    }
    out += head.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
}

void append_chunk(std::string& out, std::string_view data) {
    if (!data.empty()) {
        fmt::format_to(std::back_inserter(out), "{:x}\r\n", data.size());
        out += data;
        out += "\r\n";
    }
}

std::string engine_request(std::string_view method, std::string_view target,
                           std::string_view request_id, std::string_view body) {
    auto out = fmt::format(
        "{} {} HTTP/1.1\r\nHost: engine\r\nAccept: application/json, text/event-stream\r\n"
        "X-Request-Id: {}\r\n",
        method, target, request_id);
    if (!body.empty()) {
        fmt::format_to(std::back_inserter(out),
                       "Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    }
    out += "\r\n";
    return out.append(body);
}

}  // namespace sust::serve
