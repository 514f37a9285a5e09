#pragma once

// HTTP/1.1 as values. http_server.h serves it, http_client.h asks it; neither shows Beast.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sust::core::http {

struct Header {
    std::string name;
    std::string value;
};

// Names compare without case; order is kept.
class Headers {
  public:
    Headers() = default;
    Headers(std::initializer_list<Header> items) : items_(items) {}
    explicit Headers(std::vector<Header> items) : items_(std::move(items)) {}
    std::optional<std::string_view> get(std::string_view name) const;
    void set(std::string_view name, std::string value);
    void remove(std::string_view name);
    const std::vector<Header>& items() const { return items_; }

  private:
    std::vector<Header> items_;
};

struct Request {
    std::string method = "GET";
    std::string target = "/";  // path and query as sent
    Headers headers;
    std::string body;
};

struct Response {
    int status = 200;
    Headers headers;
    std::string body;
};

// "/api/v1/models/a%2Fb?limit=3" in parts, decoded.
struct Target {
    std::vector<std::string> path;             // {"api","v1","models","a/b"}
    std::map<std::string, std::string> query;  // {"limit":"3"}
};
Result<Target> parse_target(std::string_view target);

// A JSON body with its content type.
Response json_response(int status, std::string body);
// {"error":{"fault","message","where","hint","request_id"}}: the control API's form of an error.
Response error_response(const Error& error, std::string_view request_id);
// The error that such a response carries; any other response over 399 becomes one by its status.
Error error_of(const Response& response);

}  // namespace sust::core::http
