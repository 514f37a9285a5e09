#pragma once

// A strict JSON check (RFC 8259) that reports where things are instead of what they mean, so that
// a body can be changed in place and every other byte stays as it came. Nothing is allocated but
// the list of members.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sust::serve {

inline constexpr int k_json_depth = 200;  // deeper documents are refused: engines recurse

enum class JsonKind { null, boolean, number, string, array, object };

// Places in the scanned text; `end` is one past the last byte.
struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t size() const { return end - begin; }
    std::string_view in(std::string_view text) const { return text.substr(begin, end - begin); }
};

struct JsonMember {
    Span key;    // between the quotes, escapes as they came
    Span value;  // with quotes, brackets, braces
    JsonKind kind = JsonKind::null;
};

// The members of the object that is the whole document. Every value below is checked as well.
// The error's `where` is "byte 17 (line 2, column 5)".
core::Result<std::vector<JsonMember>> scan_object(std::string_view text);

// The same for an object inside a text that was scanned already; places are in `text`.
std::vector<JsonMember> members_of(std::string_view text, Span object);
// The first element of a scanned array.
std::optional<JsonMember> first_element(std::string_view text, Span array);
// The last of that name, as most parsers take it. Keys are compared after unescaping.
const JsonMember* find_member(std::string_view text, const std::vector<JsonMember>& members,
                              std::string_view name);
std::string member_name(std::string_view text, const JsonMember& member);

// The text of a scanned string value, without quotes and escapes.
std::string unquote(std::string_view quoted);
std::string quote(std::string_view text);
// A scanned number that is an integer from 0 on.
std::optional<std::int64_t> as_count(std::string_view number);

}  // namespace sust::serve
