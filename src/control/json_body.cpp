#include "control/json_body.h"

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::control {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {

// Our documents nest four deep; a tree of a million levels costs far more memory than its text.
constexpr int k_max_depth = 64;

bool too_deep(std::string_view text) {
    int depth = 0;
    bool in_text = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_text) {
            i += c == '\\' ? 1 : 0;
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if (c == '[' || c == '{') {
            if (++depth > k_max_depth) {
                return true;
            }
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return false;
}

}  // namespace

Result<json> parse_json(std::string_view text) {
    if (too_deep(text)) {
        return fail(Fault::invalid, "the JSON is nested more than 64 deep", {.where = "body"});
    }
    try {
        return json::parse(text);
    } catch (const json::exception& error) {
        // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
        const std::string_view said = error.what();
        const auto bracket = said.find("] ");
        return fail(
            Fault::invalid,
            "not JSON: " +
                core::printable(bracket == std::string_view::npos ? said : said.substr(bracket + 2),
                                300),
            {.where = "body"});
    }
}

JsonBody::JsonBody(std::shared_ptr<const json> object, std::string where)
    : json_(std::move(object)), where_(std::move(where)) {}

Result<JsonBody> JsonBody::parse(std::string_view text) {
    if (core::trim(text).empty()) {
        return JsonBody(std::make_shared<const json>(json::object()), "body");
    }
    return of(TRY(parse_json(text)), "body");
}

Result<JsonBody> JsonBody::of(const json& object, std::string where) {
    if (!object.is_object()) {
        return fail(Fault::invalid, "a JSON object is wanted here", {.where = std::move(where)});
    }
    return JsonBody(std::make_shared<const json>(object), std::move(where));
}

tl::unexpected<core::Error> JsonBody::wrong(const std::string& key, std::string_view wanted) const {
    return fail(Fault::invalid, "'" + key + "' is to be " + std::string(wanted),
                {.where = where_ + "." + key});
}

const json* JsonBody::raw(const std::string& key) {
    asked_.insert(key);
    const auto found = json_->find(key);
    return found == json_->end() || found->is_null() ? nullptr : &*found;
}

Result<std::string> JsonBody::required_text(const std::string& key) {
    const auto value = TRY(text(key));
    if (!value || value->empty()) {
        return fail(Fault::invalid, "'" + key + "' is missing", {.where = where_ + "." + key});
    }
    return *value;
}

Result<std::optional<std::string>> JsonBody::text(const std::string& key) {
    const auto* value = raw(key);
    if (value == nullptr) {
        return std::optional<std::string>();
    }
    if (!value->is_string()) {
        return wrong(key, "text");
    }
    return std::optional(value->get<std::string>());
}

Result<std::optional<std::int64_t>> JsonBody::integer(const std::string& key) {
    const auto* value = raw(key);
    if (value == nullptr) {
        return std::optional<std::int64_t>();
    }
    if (!value->is_number_integer() ||
        (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX)) {
        return wrong(key, "an integer");
    }
    return std::optional(value->get<std::int64_t>());
}

Result<std::optional<bool>> JsonBody::boolean(const std::string& key) {
    const auto* value = raw(key);
    if (value == nullptr) {
        return std::optional<bool>();
    }
    if (!value->is_boolean()) {
        return wrong(key, "true or false");
    }
    return std::optional(value->get<bool>());
}

Result<std::vector<std::string>> JsonBody::texts(const std::string& key) {
    const auto* value = raw(key);
    std::vector<std::string> all;
    if (value == nullptr) {
        return all;
    }
    if (!value->is_array()) {
        return wrong(key, "an array of texts");
    }
    for (const auto& item : *value) {
        if (!item.is_string()) {
            return wrong(key, "an array of texts");
        }
        all.push_back(item.get<std::string>());
    }
    return all;
}

Result<void> JsonBody::no_other_keys() const {
    const std::vector<std::string> known(asked_.begin(), asked_.end());
    for (const auto& item : json_->items()) {
        if (!asked_.contains(item.key())) {
            const auto near = core::nearest(item.key(), known);
            return fail(Fault::invalid, "unknown key '" + core::printable(item.key()) + "'",
                        {.where = where_,
                         .hint = near ? "did you mean '" + *near + "'?"
                                      : "known are: " + core::join(known, ", ")});
        }
    }
    return {};
}

}  // namespace sust::control
