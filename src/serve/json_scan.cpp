#include "serve/json_scan.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace sust::serve {

using core::Fault;
using core::Result;

namespace {

std::string describe_place(std::string_view text, std::size_t at) {
    const auto before = text.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto newline = before.rfind('\n');
    const auto column = newline == std::string_view::npos ? at + 1 : at - newline;
    return "byte " + std::to_string(at) + " (line " + std::to_string(line) + ", column " +
           std::to_string(column) + ")";
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// The length of the UTF-8 sequence at the front of `text`, 0 if it is none (RFC 3629).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto lead = byte(0);
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
    const bool surrogate = lead == 0xed && byte(1) > 0x9f;
    const bool too_big = lead == 0xf4 && byte(1) > 0x8f;
    return overlong || surrogate || too_big ? 0 : length;
}

class Scanner {
  public:
    explicit Scanner(std::string_view text, std::size_t at = 0) : text_(text), at_(at) {}

    // Each step is false after an error; error() and place() then say what and where.
    bool document(std::vector<JsonMember>& out) {
        skip_space();
        if (!peek('{')) {
            return wrong("expected an object");
        }
        if (!object(1, &out)) {
            return false;
        }
        skip_space();
        return at_ == text_.size() || wrong("expected the end of the document");
    }

    bool object(int depth, std::vector<JsonMember>* out) {
        ++at_;
        skip_space();
        if (take('}')) {
            return true;
        }
        do {
            JsonMember member;
            if (!key(member.key) || !value(depth, member)) {
                return false;
            }
            if (out != nullptr) {
                out->push_back(member);
            }
            skip_space();
        } while (take(','));
        return take('}') || wrong("expected ',' or '}'");
    }

    bool value(int depth, JsonMember& member) {
        skip_space();
        member.value.begin = at_;
        if (!any(depth, member.kind)) {
            return false;
        }
        member.value.end = at_;
        return true;
    }

    void skip_space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' ||
                                      text_[at_] == '\r' || text_[at_] == '\t')) {
            ++at_;
        }
    }

    bool peek(char c) const { return at_ < text_.size() && text_[at_] == c; }
    void advance() { ++at_; }
    const char* error() const { return error_; }
    std::size_t place() const { return at_; }

  private:
    bool take(char c) {
        if (!peek(c)) {
            return false;
        }
        ++at_;
        return true;
    }

    bool wrong(const char* what) {
        error_ = what;
        return false;
    }

    bool key(Span& span) {
        skip_space();
        if (!peek('"')) {
            return wrong("expected a member name in quotes");
        }
        span.begin = at_ + 1;
        if (!string()) {
            return false;
        }
        span.end = at_ - 1;
        skip_space();
        return take(':') || wrong("expected ':'");
    }

    bool any(int depth, JsonKind& kind) {
        if (at_ == text_.size()) {
            return wrong("the document ends too early");
        }
        switch (text_[at_]) {
            case '{':
                kind = JsonKind::object;
                return deeper(depth) && object(depth + 1, nullptr);
            case '[':
                kind = JsonKind::array;
                return deeper(depth) && array(depth + 1);
            case '"':
                kind = JsonKind::string;
                return string();
            case 't':
                kind = JsonKind::boolean;
                return word("true");
            case 'f':
                kind = JsonKind::boolean;
                return word("false");
            case 'n':
                kind = JsonKind::null;
                return word("null");
            default:
                kind = JsonKind::number;
                return number();
        }
    }

    bool deeper(int depth) { return depth < k_json_depth || wrong("nested too deeply"); }

    bool array(int depth) {
        ++at_;
        skip_space();
        if (take(']')) {
            return true;
        }
        do {
            JsonMember element;
            if (!value(depth, element)) {
                return false;
            }
            skip_space();
        } while (take(','));
        return take(']') || wrong("expected ',' or ']'");
    }

    bool word(std::string_view expected) {
        if (text_.substr(at_, expected.size()) != expected) {
            return wrong("expected a value");
        }
        at_ += expected.size();
        return true;
    }

    bool digits() {
        if (at_ == text_.size() || !is_digit(text_[at_])) {
            return wrong("expected a value");
        }
        while (at_ < text_.size() && is_digit(text_[at_])) {
            ++at_;
        }
        return true;
    }

    bool number() {
        take('-');
        if (take('0')) {
            if (at_ < text_.size() && is_digit(text_[at_])) {
                return wrong("a number may not start with 0");
            }
        } else if (!digits()) {
            return false;
        }
        if (take('.') && !digits()) {
            return false;
        }
        if (take('e') || take('E')) {
            if (!take('+')) {
                take('-');
            }
            return digits();
        }
        return true;
    }

    bool string() {
        ++at_;
        while (at_ < text_.size()) {
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c == '"') {
                ++at_;
                return true;
            }
            if (c == '\\') {
                if (!escape()) {
                    return false;
                }
            } else if (c < 0x20) {
                return wrong("a control character in a string must be escaped");
            } else if (c < 0x80) {
                ++at_;
            } else if (const auto length = utf8_length(text_.substr(at_)); length > 0) {
                at_ += length;
            } else {
                return wrong("not UTF-8");
            }
        }
        return wrong("a string has no end");
    }

    bool escape() {
        ++at_;
        if (at_ == text_.size()) {
            return wrong("a string has no end");
        }
        if (text_[at_] == 'u') {
            for (int i = 0; i < 4; ++i) {
                ++at_;
                if (at_ == text_.size() || !is_hex(text_[at_])) {
                    return wrong("expected four hex digits");
                }
            }
        } else if (std::string_view("\"\\/bfnrt").find(text_[at_]) == std::string_view::npos) {
            return wrong("no such escape");
        }
        ++at_;
        return true;
    }

    std::string_view text_;
    std::size_t at_;
    const char* error_ = nullptr;
};

unsigned hex4(std::string_view digits) {
    unsigned value = 0;
    std::from_chars(digits.data(), digits.data() + 4, value, 16);
    return value;
}

void append_utf8(std::string& out, unsigned code) {
    const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | code >> 6);
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

// The \uXXXX at the front of `text`, with its second half if it is a pair; what was used up.
std::size_t unescape_unicode(std::string& out, std::string_view text) {
    unsigned code = hex4(text.substr(2));
    std::size_t used = 6;
    const bool high = code >= 0xd800 && code < 0xdc00;
    if (high && text.size() >= 12 && text[6] == '\\' && text[7] == 'u') {
        const unsigned low = hex4(text.substr(8));
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            used = 12;
        }
    }
    append_utf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    return used;
}

std::string unescape(std::string_view text) {
    static constexpr std::string_view k_letters = "bfnrt";
    static constexpr std::string_view k_meant = "\b\f\n\r\t";
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] != '\\') {
            out += text[i++];
        } else if (text[i + 1] == 'u') {
            i += unescape_unicode(out, text.substr(i));
        } else {
            const auto letter = k_letters.find(text[i + 1]);
            out += letter == std::string_view::npos ? text[i + 1] : k_meant[letter];
            i += 2;
        }
    }
    return out;
}

}  // namespace

Result<std::vector<JsonMember>> scan_object(std::string_view text) {
    std::vector<JsonMember> members;
    members.reserve(16);
    Scanner scanner(text);
    if (!scanner.document(members)) {
        return core::fail(Fault::invalid, std::string("not valid JSON: ") + scanner.error(),
                          {.where = describe_place(text, scanner.place())});
    }
    return members;
}

std::vector<JsonMember> members_of(std::string_view text, Span object) {
    std::vector<JsonMember> members;
    Scanner scanner(text, object.begin);
    if (scanner.peek('{') && !scanner.object(1, &members)) {
        members.clear();
    }
    return members;
}

std::optional<JsonMember> first_element(std::string_view text, Span array) {
    Scanner scanner(text, array.begin);
    if (!scanner.peek('[')) {
        return std::nullopt;
    }
    scanner.advance();
    scanner.skip_space();
    JsonMember element;
    if (scanner.peek(']') || !scanner.value(1, element)) {
        return std::nullopt;
    }
    return element;
}

std::string member_name(std::string_view text, const JsonMember& member) {
    return unescape(member.key.in(text));
}

const JsonMember* find_member(std::string_view text, const std::vector<JsonMember>& members,
                              std::string_view name) {
    for (auto member = members.rbegin(); member != members.rend(); ++member) {
        const auto key = member->key.in(text);
        if (key == name || (key.find('\\') != std::string_view::npos && unescape(key) == name)) {
            return &*member;
        }
    }
    return nullptr;
}

std::string unquote(std::string_view quoted) {
    return unescape(quoted.substr(1, quoted.size() - 2));
}

std::string quote(std::string_view text) {
    static constexpr char k_hex[] = "0123456789abcdef";
    std::string out = "\"";
    for (char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            out += "\\u00";
            out += k_hex[byte >> 4];
            out += k_hex[byte & 15U];
        } else {
            out += c;
        }
    }
    return out += '"';
}

std::optional<std::int64_t> as_count(std::string_view number) {
    std::int64_t value = 0;
    const auto end = number.data() + number.size();
    const auto [stop, code] = std::from_chars(number.data(), end, value);
    if (code != std::errc() || stop != end || value < 0) {
        return std::nullopt;
    }
    return value;
}

}  // namespace sust::serve
