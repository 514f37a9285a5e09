#pragma once

// The tokens of a prompt whose request was cut off before the engine could say them.

#include <string>

#include "serve/io.h"
#include "serve/ledger.h"
#include "serve/view.h"

namespace sust::serve {

struct PromptTokens {
    std::int64_t count = 0;
    PromptCount how = PromptCount::estimate;
};

// `body` as the engine got it at `path`. Asks the engine's tokenizer where it has one, otherwise
// (or if it does not answer within k_count_prompt) a token is taken for four bytes.
Task<PromptTokens> count_prompt(asio::io_context& io, PromptCounter counter,
                                core::http::Address address, std::string path, std::string body);

}  // namespace sust::serve
