#include "core/http_request_reader.h"

#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace sust::core::http {

namespace beast = boost::beast;

namespace {

using ErrorCode = boost::system::error_code;

Refusal refusal_of(ErrorCode error) {
    if (error == beast::http::error::header_limit) {
        return {{Fault::too_large, "the header of the request is too large"}, 431};
    }
    return {{Fault::invalid, "not an HTTP/1.1 request: " + error.message()}, 400};
}

}  // namespace

class RequestReader::Parser final : public beast::http::basic_parser<true> {
  public:
    explicit Parser(RequestReader& reader) : reader_(reader) {}

    Request request;
    std::optional<Error> refused;  // by on_body

  private:
    void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                         int, ErrorCode&) override {
        request.method = std::string(method);
        request.target = std::string(target);
    }
    void on_response_impl(int, beast::string_view, int, ErrorCode&) override {}
    void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                       ErrorCode&) override {
        fields_.push_back({std::string(name), std::string(value)});
    }
    void on_header_impl(ErrorCode&) override { request.headers = Headers(std::move(fields_)); }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
    std::size_t on_body_impl(beast::string_view piece, ErrorCode& error) override {
        if (auto taken = reader_.on_body({piece.data(), piece.size()}); !taken) {
            refused = std::move(taken.error());
            error = boost::asio::error::operation_aborted;
        }
        return piece.size();
    }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorCode&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view piece,
                                   ErrorCode& error) override {
        return on_body_impl(piece, error);
    }
    void on_finish_impl(ErrorCode&) override {}

    RequestReader& reader_;
    std::vector<Header> fields_;
};

RequestReader::RequestReader(std::size_t max_header_bytes)
    : parser_(std::make_unique<Parser>(*this)) {
    parser_->header_limit(static_cast<std::uint32_t>(max_header_bytes));
    parser_->body_limit(boost::none);  // on_body has its own limits
}

RequestReader::~RequestReader() = default;

std::optional<Refusal> RequestReader::take(std::string& input) {
    const bool had_head = has_head();
    while (!input.empty() && !is_done() && (had_head || !has_head())) {
        ErrorCode error;
        input.erase(0, parser_->put(boost::asio::buffer(input), error));
        if (parser_->refused) {
            return Refusal{std::move(*parser_->refused)};
        }
        if (error == beast::http::error::need_more) {
            break;
        }
        if (error) {
            return refusal_of(error);
        }
    }
    return {};
}

bool RequestReader::has_head() const {
    return parser_->is_header_done();
}
bool RequestReader::is_done() const {
    return parser_->is_done();
}
bool RequestReader::keep_alive() const {
    return parser_->keep_alive();
}
Request& RequestReader::request() {
    return parser_->request;
}

std::optional<std::uint64_t> RequestReader::content_length() const {
    const auto length = parser_->content_length();
    return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}

}  // namespace sust::core::http
