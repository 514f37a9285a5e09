#pragma once

// Takes an HTTP/1.1 request from bytes as they come. Internal to core.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/http.h"

namespace sust::core::http {

// An error whose status may be one of HTTP's own, which no fault stands for.
struct Refusal {
    Error error;
    int status = 0;  // 0: the fault's
};

class RequestReader {
  public:
    explicit RequestReader(std::size_t max_header_bytes);
    ~RequestReader();

    // Takes from the front of `input` what it can: at first up to the end of the header, then, with
    // on_body set, up to the end of the request. What follows stays.
    std::optional<Refusal> take(std::string& input);

    bool has_head() const;
    bool is_done() const;
    bool keep_alive() const;
    std::optional<std::uint64_t> content_length() const;
    Request& request();

    std::function<Result<void>(std::string_view)> on_body;

  private:
    class Parser;
    std::unique_ptr<Parser> parser_;
};

}  // namespace sust::core::http
