#pragma once

// HTTP/1.1 as bytes, without sockets. Beast's parser, strict as it is, does the reading; what it
// lets pass and a gateway must not (two ways to tell a body's length, unknown encodings) is
// refused here.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sust::serve {

struct RequestHead {
    std::string method;
    std::string target;
    std::string authorization;
    bool http_1_0 = false;
    bool keep_alive = true;
    bool expects_continue = false;
};

// One request at a time; reset() begins the next.
class RequestReader {
  public:
    RequestReader();
    ~RequestReader();
    RequestReader(const RequestReader&) = delete;
    RequestReader& operator=(const RequestReader&) = delete;

    enum class State { head, body, done };

    void reset(std::size_t max_body_bytes);
    // The number of bytes used, from the front; it stops at the end of the head and at the end of
    // the request. What was not used comes again, with more behind it. invalid: not HTTP;
    // too_large: `where` is "header" (the lines around chunks count as such) or "body".
    core::Result<std::size_t> feed(std::string_view bytes);

    State state() const;
    const RequestHead& head() const;
    const std::string& body() const;
    // For whoever needs the body longer than the request.
    std::string take_body();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

struct ResponseHead {
    int status = 0;
    bool event_stream = false;
    bool keep_alive = false;
};

class ResponseReader {
  public:
    ResponseReader();
    ~ResponseReader();
    ResponseReader(const ResponseReader&) = delete;
    ResponseReader& operator=(const ResponseReader&) = delete;

    void reset();
    // The number of bytes used; decoded parts of the body are added to body().
    core::Result<std::size_t> feed(std::string_view bytes);
    // The other side closed: the end of a body without a length, an error anywhere else.
    core::Result<void> feed_end();

    bool has_head() const;
    bool done() const;
    const ResponseHead& head() const;
    std::string& body();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

enum class Framing { length, chunked, until_close };

struct AnswerHead {
    int status = 200;
    std::string_view content_type = "application/json";
    std::string_view request_id;
    std::string_view allow{};
    int retry_after = 0;
    bool keep_alive = true;
    Framing framing = Framing::length;
    std::size_t length = 0;
};

void append_head(std::string& out, const AnswerHead& head);
void append_chunk(std::string& out, std::string_view data);
inline constexpr std::string_view k_last_chunk = "0\r\n\r\n";
inline constexpr std::string_view k_continue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string engine_request(std::string_view method, std::string_view target,
                           std::string_view request_id, std::string_view body);

}  // namespace sust::serve
