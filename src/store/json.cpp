#include "store/json.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "store/limits.h"

namespace sust::store {

using core::fail;
using core::Fault;
using core::Result;

namespace {

// The deepest nesting of brackets outside strings: told before a parser or printer recurses.
int depth_of(std::string_view text) {
    int depth = 0;
    int deepest = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            deepest = std::max(deepest, ++depth);
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    return deepest;
}

Result<std::string> required_text(const Json& object, const char* key, const std::string& where) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) {
        return fail(Fault::invalid, fmt::format("'{}' is missing or no string", key), {where});
    }
    return found->get<std::string>();
}

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& origin) {
    if (depth_of(text) > k_max_json_depth) {
        return fail(Fault::invalid, "JSON nested deeper than any format of ours", {origin});
    }
    try {
        return Json::parse(text);
    } catch (const Json::parse_error& error) {
        return fail(Fault::invalid, fmt::format("not JSON: error at byte {}", error.byte),
                    {origin});
    } catch (const Json::exception&) {
        return fail(Fault::invalid, "not JSON: a number is out of range", {origin});
    }
}

Result<Json> parse_object(std::string_view text, const std::string& origin) {
    auto json = TRY(parse_json(text, origin));
    if (!json.is_object()) {
        return fail(Fault::invalid, "JSON, but not an object", {origin});
    }
    return json;
}

std::string print_json(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Descriptor& descriptor) {
    Json json;
    json["mediaType"] = descriptor.media_type;
    json["digest"] = descriptor.digest.str();
    json["size"] = descriptor.size;
    if (!descriptor.annotations.empty()) {
        json["annotations"] = descriptor.annotations;
    }
    if (!descriptor.artifact_type.empty()) {
        json["artifactType"] = descriptor.artifact_type;
    }
    return json;
}

Result<Descriptor> descriptor_from(const Json& json, const std::string& where) {
    if (!json.is_object()) {
        return fail(Fault::invalid, "a descriptor must be an object", {where});
    }
    auto media_type = TRY(required_text(json, "mediaType", where));
    auto digest = Digest::parse(TRY(required_text(json, "digest", where)));
    if (!digest) {
        return fail(Fault::invalid, digest.error().message, {where, digest.error().hint});
    }
    const auto size = json.find("size");
    if (size == json.end() || !size->is_number_unsigned()) {
        return fail(Fault::invalid, "'size' is missing or no count of bytes", {where});
    }
    auto annotations = TRY(text_map(json, "annotations", where));
    return Descriptor{.media_type = std::move(media_type),
                      .digest = std::move(*digest),
                      .size = size->get<std::uint64_t>(),
                      .annotations = std::move(annotations),
                      .artifact_type = text_or_empty(json, "artifactType")};
}

Result<std::map<std::string, std::string>> text_map(const Json& object, const char* key,
                                                    const std::string& where) {
    std::map<std::string, std::string> texts;
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return texts;
    }
    if (!found->is_object()) {
        return fail(Fault::invalid, fmt::format("'{}' must be an object", key), {where});
    }
    for (const auto& [name, value] : found->items()) {
        if (!value.is_string()) {
            return fail(Fault::invalid, fmt::format("'{}' must hold strings only", key), {where});
        }
        texts[name] = value.template get<std::string>();
    }
    return texts;
}

std::string text_or_empty(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<void> check_schema_version(const Json& object, const std::string& where) {
    const auto found = object.find("schemaVersion");
    if (found == object.end() || !found->is_number_integer() || *found != 2) {
        return fail(Fault::invalid, "'schemaVersion' must be 2", {where});
    }
    return {};
}

}  // namespace sust::store
