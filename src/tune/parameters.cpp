#include "tune/parameters.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {

constexpr std::array k_types = {ParameterType::integer, ParameterType::number,
                                ParameterType::boolean, ParameterType::string};

std::vector<std::string> names_of(const std::vector<Parameter>& parameters) {
    std::vector<std::string> names;
    for (const auto& parameter : parameters) {
        names.push_back(parameter.name);
    }
    return names;
}

Result<Value> read_value(ParameterType type, std::string_view text) {
    switch (type) {
        case ParameterType::integer:
            return TRY(core::parse_integer(text));
        case ParameterType::number:
            return TRY(core::parse_number(text));
        case ParameterType::boolean:
            if (text == "true" || text == "false") {
                return Value(text == "true");
            }
            return fail(Fault::invalid, "not true or false");
        case ParameterType::string:
            return Value(std::string(text));
    }
    return fail(Fault::internal, "no such parameter type");
}

bool in_range(const Parameter& parameter, const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        return parameter.choices.empty() ||
               std::find(parameter.choices.begin(), parameter.choices.end(), *text) !=
                   parameter.choices.end();
    }
    double number = 0;
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        number = static_cast<double>(*integer);
    } else if (const auto* real = std::get_if<double>(&value)) {
        number = *real;
    } else {
        return true;
    }
    return std::isfinite(number) && (!parameter.min || number >= *parameter.min) &&
           (!parameter.max || number <= *parameter.max);
}

Result<Value> apply_one(const Parameter& parameter, std::string_view text) {
    auto value = read_value(parameter.type, text);
    if (!value) {
        return fail(Fault::invalid,
                    fmt::format("parameter {}: '{}' is not {} {}", parameter.name,
                                core::printable(text, 60),
                                parameter.type == ParameterType::integer ? "an" : "a",
                                to_string(parameter.type)),
                    {.where = parameter.name, .hint = "allowed: " + parameter.range()});
    }
    if (!in_range(parameter, *value)) {
        return fail(Fault::invalid,
                    fmt::format("parameter {} = {} is out of range: {}", parameter.name,
                                core::printable(text, 60), parameter.range()),
                    {.where = parameter.name, .hint = parameter.reason});
    }
    return value;
}

Result<Value> toml_value(const core::TomlTable& table, std::string_view key, ParameterType type) {
    const std::string where = table.where(key);
    const auto missing = [&] {
        return fail(Fault::invalid, fmt::format("'{}' is missing", key), {.where = where});
    };
    switch (type) {
        case ParameterType::integer:
            if (const auto value = TRY(table.integer(key))) {
                return Value(*value);
            }
            return missing();
        case ParameterType::number:
            if (const auto value = TRY(table.number(key))) {
                return Value(*value);
            }
            return missing();
        case ParameterType::boolean:
            if (const auto value = TRY(table.boolean(key))) {
                return Value(*value);
            }
            return missing();
        case ParameterType::string:
            return Value(TRY(table.required_text(key)));
    }
    return missing();
}

Result<ParameterType> parse_type(const core::TomlTable& table) {
    const auto text = TRY(table.required_text("type"));
    for (const auto type : k_types) {
        if (text == to_string(type)) {
            return type;
        }
    }
    return fail(Fault::invalid, "unknown parameter type '" + core::printable(text, 40) + "'",
                {.where = table.where("type"), .hint = "integer, number, boolean or string"});
}

Result<Parameter> parse_one(const core::TomlTable& table, std::string name) {
    const auto type = TRY(parse_type(table));
    Parameter parameter{.name = std::move(name), .type = type};
    parameter.default_value = TRY(toml_value(table, "default", type));
    parameter.choices = TRY(table.texts("choices"));
    parameter.unit = TRY(table.text("unit")).value_or("");
    parameter.reason = TRY(table.required_text("reason"));
    parameter.min = TRY(table.number("min"));
    parameter.max = TRY(table.number("max"));
    TRY(table.no_other_keys());
    const bool numeric = type == ParameterType::integer || type == ParameterType::number;
    if (!numeric && (parameter.min || parameter.max)) {
        return fail(Fault::invalid, "min and max are for numbers", {.where = table.where("type")});
    }
    if (type != ParameterType::string && !parameter.choices.empty()) {
        return fail(Fault::invalid, "choices are for strings", {.where = table.where("choices")});
    }
    if (!in_range(parameter, parameter.default_value)) {
        return fail(Fault::invalid, "the default is out of range: " + parameter.range(),
                    {.where = table.where("default")});
    }
    return parameter;
}

std::string plain(double number) {
    return fmt::format("{:g}", number);
}

std::string plain(double number, ParameterType type) {
    return type == ParameterType::integer ? fmt::format("{:.0f}", number) : plain(number);
}

}  // namespace

std::string_view to_string(ParameterType type) {
    switch (type) {
        case ParameterType::integer:
            return "integer";
        case ParameterType::number:
            return "number";
        case ParameterType::boolean:
            return "boolean";
        case ParameterType::string:
            return "string";
    }
    return "string";
}

std::string to_string(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        return *text;
    }
    if (const auto* number = std::get_if<double>(&value)) {
        return plain(*number);
    }
    if (const auto* truth = std::get_if<bool>(&value)) {
        return *truth ? "true" : "false";
    }
    return std::to_string(std::get<std::int64_t>(value));
}

std::string Parameter::range() const {
    if (type == ParameterType::boolean) {
        return "true or false";
    }
    if (!choices.empty()) {
        return "one of " + core::join(choices, " | ");
    }
    const std::string of_unit = unit.empty() ? "" : " (" + unit + ")";
    if (min && max) {
        return plain(*min, type) + " to " + plain(*max, type) + of_unit;
    }
    if (min || max) {
        return (min ? "at least " + plain(*min, type) : "at most " + plain(*max, type)) + of_unit;
    }
    return type == ParameterType::string ? "any text" : "any " + std::string(to_string(type));
}

void to_json(json& out, const Parameter& parameter) {
    out = {{"name", parameter.name},
           {"type", to_string(parameter.type)},
           {"default",
            std::visit([](const auto& value) { return json(value); }, parameter.default_value)},
           {"range", parameter.range()},
           {"unit", parameter.unit},
           {"reason", parameter.reason}};
    out["min"] = parameter.min ? json(*parameter.min) : json(nullptr);
    out["max"] = parameter.max ? json(*parameter.max) : json(nullptr);
    out["choices"] = parameter.choices;
}

Result<std::vector<Parameter>> parse_parameters(const core::TomlTable& table) {
    std::vector<Parameter> parameters;
    for (const auto& name : table.keys()) {
        TRY(core::within(table.where(name), core::check_name("parameter name", name)));
        const auto one = TRY(table.table(name));
        if (!one) {
            return fail(Fault::invalid, "parameter " + name + " is not a table",
                        {.where = table.where(name)});
        }
        parameters.push_back(TRY(parse_one(*one, name)));
    }
    return parameters;
}

Result<Settings> settings_from_json(const json& value) {
    if (value.is_null()) {
        return Settings{};
    }
    if (!value.is_object()) {
        return fail(Fault::invalid, "parameters must be an object", {.where = "parameters"});
    }
    Settings settings;
    for (const auto& [name, said] : value.items()) {
        if (said.is_string()) {
            settings[name] = said.get<std::string>();
        } else if (said.is_number() || said.is_boolean()) {
            settings[name] = said.dump();
        } else {
            return fail(
                Fault::invalid,
                "parameter " + core::printable(name, 60) + " must be text, a number or a boolean",
                {.where = "parameters"});
        }
    }
    return settings;
}

Result<Parameters> apply_settings(const std::vector<Parameter>& parameters,
                                  const Settings& settings) {
    Parameters meant;
    for (const auto& parameter : parameters) {
        meant[parameter.name] = parameter.default_value;
    }
    for (const auto& [name, text] : settings) {
        const auto found =
            std::find_if(parameters.begin(), parameters.end(),
                         [&said = name](const auto& known) { return known.name == said; });
        if (found == parameters.end()) {
            const auto names = names_of(parameters);
            const auto near = core::nearest(name, names);
            return fail(Fault::invalid, "unknown parameter '" + core::printable(name, 60) + "'",
                        {.where = "parameters",
                         .hint = (near ? "is '" + *near + "' meant? " : std::string()) +
                                 "parameters: " + core::join(names, ", ")});
        }
        meant[name] = TRY(apply_one(*found, text));
    }
    return meant;
}

json parameters_json(const Parameters& parameters) {
    auto out = json::object();
    for (const auto& [name, value] : parameters) {
        out[name] = std::visit([](const auto& held) { return json(held); }, value);
    }
    return out;
}

Result<Parameters> parameters_from_json(const json& value) {
    if (!value.is_object()) {
        return fail(Fault::internal, "kept parameters are not an object");
    }
    Parameters parameters;
    for (const auto& [name, held] : value.items()) {
        if (held.is_boolean()) {
            parameters[name] = held.get<bool>();
        } else if (held.is_number_integer()) {
            parameters[name] = held.get<std::int64_t>();
        } else if (held.is_number()) {
            parameters[name] = held.get<double>();
        } else if (held.is_string()) {
            parameters[name] = held.get<std::string>();
        } else {
            return fail(Fault::internal, "kept parameter " + name + " has no known type");
        }
    }
    return parameters;
}

}  // namespace sust::tune
