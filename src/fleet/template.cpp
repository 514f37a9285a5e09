#include "fleet/template.h"

#include <vector>

#include "core/text.h"

namespace sust::fleet {

using core::fail;
using core::Fault;
using core::Result;

namespace {

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || c == '_';
}

// The length of "{word}" at the start of `text`, or 0.
std::size_t placeholder_length(std::string_view text) {
    std::size_t end = 1;
    while (end < text.size() && is_word_character(text[end])) {
        ++end;
    }
    return end > 1 && end < text.size() && text[end] == '}' ? end + 1 : 0;
}

std::string known_words(const Words& words) {
    std::vector<std::string> names;
    for (const auto& [name, value] : words) {
        names.push_back("{" + name + "}");
    }
    return core::join(names, " ");
}

}  // namespace

Result<std::string> expand(std::string_view text, const Words& words) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = text.front() == '{' ? placeholder_length(text) : 0;
        if (length == 0) {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        const auto found = words.find(text.substr(1, length - 2));
        if (found == words.end()) {
            return fail(Fault::invalid,
                        "unknown placeholder " + std::string(text.substr(0, length)),
                        {.hint = "known here: " + known_words(words)});
        }
        out += found->second;
        text.remove_prefix(length);
    }
    return out;
}

}  // namespace sust::fleet
