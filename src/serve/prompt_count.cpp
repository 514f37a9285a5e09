#include "serve/prompt_count.h"

#include <algorithm>

#include "serve/engine_link.h"
#include "serve/json_scan.h"
#include "serve/limits.h"
#include "serve/wire.h"

namespace sust::serve {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::int64_t k_bytes_per_token = 4;

Task<Result<std::string>> post(asio::io_context& io, const core::http::Address& address,
                               std::string_view path, std::string_view body) {
    auto request = engine_request("POST", path, "count", body);
    co_return co_await ask_engine(io, address, std::move(request), k_count_prompt);
}

// The raw JSON of a member of an object.
Result<std::string> raw_member(std::string_view json, std::string_view name) {
    const auto members = TRY(scan_object(json));
    const auto* member = find_member(json, members, name);
    if (member == nullptr) {
        return fail(Fault::invalid, "no member '" + std::string(name) + "'");
    }
    return std::string(member->value.in(json));
}

Result<std::int64_t> count_tokens(std::string_view answer) {
    const auto tokens = TRY(raw_member(answer, "tokens"));
    const bool empty = tokens.find_first_not_of("[] \n\r\t") == std::string::npos;
    return empty ? 0 : 1 + std::count(tokens.begin(), tokens.end(), ',');
}

Task<Result<std::int64_t>> ask_llama_server(asio::io_context& io,
                                            const core::http::Address& address,
                                            std::string_view path, const std::string& body) {
    auto prompt = raw_member(body, "prompt");
    if (path == "/v1/chat/completions") {
        CO_TRY(templated, co_await post(io, address, "/apply-template", body));
        prompt = raw_member(templated, "prompt");
    }
    if (!prompt) {
        co_return tl::unexpected<core::Error>(prompt.error());
    }
    const auto question = R"({"add_special":true,"parse_special":true,"content":)" + *prompt + "}";
    CO_TRY(answer, co_await post(io, address, "/tokenize", question));
    co_return count_tokens(answer);
}

}  // namespace

Task<PromptTokens> count_prompt(asio::io_context& io, PromptCounter counter,
                                core::http::Address address, std::string path, std::string body) {
    if (counter == PromptCounter::llama_server) {
        const auto counted = co_await ask_llama_server(io, address, path, body);
        if (counted) {
            co_return PromptTokens{*counted, PromptCount::tokenizer};
        }
    }
    co_return PromptTokens{static_cast<std::int64_t>(body.size()) / k_bytes_per_token,
                           PromptCount::estimate};
}

}  // namespace sust::serve
