#pragma once

// A recipe's parameters: what may be set, in which range and why.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/result.h"
#include "core/toml.h"

namespace sust::tune {

enum class ParameterType { integer, number, boolean, string };
std::string_view to_string(ParameterType type);

using Value = std::variant<std::int64_t, double, bool, std::string>;
std::string to_string(const Value& value);

struct Parameter {
    std::string name;
    ParameterType type = ParameterType::string;
    Value default_value;
    std::optional<double> min{}, max{};  // integer and number
    std::vector<std::string> choices{};  // string
    std::string unit{};
    std::string reason;  // why this default and this range

    // "1 to 256 examples", "one of a, b"; empty if everything is allowed.
    std::string range() const;
};

void to_json(nlohmann::json& json, const Parameter& parameter);

// The table [parameters].
core::Result<std::vector<Parameter>> parse_parameters(const core::TomlTable& table);

using Settings = std::map<std::string, std::string>;  // said: --set k=v, as text
using Parameters = std::map<std::string, Value>;      // meant: every parameter of the recipe

// A JSON object of strings, numbers and booleans, as the API takes it.
core::Result<Settings> settings_from_json(const nlohmann::json& json);
core::Result<Parameters> apply_settings(const std::vector<Parameter>& parameters,
                                        const Settings& settings);
nlohmann::json parameters_json(const Parameters& parameters);
core::Result<Parameters> parameters_from_json(const nlohmann::json& json);

}  // namespace sust::tune
