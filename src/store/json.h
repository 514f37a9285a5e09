#pragma once

// Reading JSON that may come from anyone, and descriptors in it. Users include nlohmann/json.hpp.

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "core/result.h"
#include "store/manifest.h"

namespace sust::store {

// Keeps the order of keys, so that what others wrote is written back as it was.
using Json = nlohmann::ordered_json;

// Bounded in depth; an error says the byte. `origin` names the input.
core::Result<Json> parse_json(std::string_view text, const std::string& origin);
// The same, and an object.
core::Result<Json> parse_object(std::string_view text, const std::string& origin);
// Never throws: what is not UTF-8 is replaced.
std::string print_json(const Json& json);

Json to_json(const Descriptor& descriptor);
core::Result<Descriptor> descriptor_from(const Json& json, const std::string& where);
// A member that is an object of strings; absent is empty.
core::Result<std::map<std::string, std::string>> text_map(const Json& object, const char* key,
                                                          const std::string& where);
// A member that is text; absent, or anything else, is empty.
std::string text_or_empty(const Json& object, const char* key);
core::Result<void> check_schema_version(const Json& object, const std::string& where);

}  // namespace sust::store
