#pragma once

// The command line's side of the control API: JSON in, JSON out, errors as sustd told them.

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "apps/sust/context.h"
#include "core/http_client.h"

namespace sust::cli {

class Api {
  public:
    // Connects on the first call; without sustd every call fails with the way to start it.
    explicit Api(const Context& context);

    Result<nlohmann::json> get(std::string_view target);
    // Every item of a paged list.
    Result<nlohmann::json> list(std::string_view target);
    // `more`: how much longer than any answer may take this one is waited for.
    Result<nlohmann::json> post(std::string_view target, const nlohmann::json& body,
                                core::Duration more = {});
    Result<nlohmann::json> put(std::string_view target, const nlohmann::json& body);
    Result<nlohmann::json> remove(std::string_view target);
    // Hashes the file, then streams it to PUT /api/v1/blobs/DIGEST; answers
    // {"path","digest","bytes"}.
    Result<nlohmann::json> upload(const core::Path& file, std::string_view path_in_artifact);
    // Server-sent events until the stream ends or the callback says false.
    Result<void> follow(std::string_view target,
                        const std::function<bool(const core::http::Event&)>& on_event);

  private:
    Result<nlohmann::json> call(core::http::Request request, core::Duration more = {});
    Result<core::http::Response> checked(Result<core::http::Response> response) const;

    const Context* context_;
    core::http::Client client_;
};

// "/api/v1/models/" + name as one encoded segment.
std::string api_path(std::string_view collection, std::string_view name,
                     std::string_view rest = {});

}  // namespace sust::cli
