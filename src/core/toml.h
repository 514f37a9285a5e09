#pragma once

// A TOML file read against what is known: every key asked for is checked for its type, every key
// not asked for is an error with file, line, column and the nearest known key.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace sust::core {

class TomlTable {
  public:
    // `origin` names the input in errors (a file name).
    static Result<TomlTable> parse(std::string_view text, std::string origin);
    // A JSON object read by the same rules: null is absence, places are "origin/key". For what is
    // said in a file and in a request alike.
    static Result<TomlTable> from_json(std::string_view text, std::string origin);
    // The whole as a JSON object, which from_json reads again.
    std::string json() const;

    bool has(std::string_view key) const;
    std::vector<std::string> keys() const;
    // "file.toml:3:1", for errors about this key that the caller finds; the table's own place if
    // the key is absent.
    std::string where(std::string_view key = {}) const;

    // Absent keys are a value; a value of another type is an error.
    Result<std::optional<std::string>> text(std::string_view key) const;
    Result<std::optional<std::int64_t>> integer(std::string_view key) const;
    Result<std::optional<double>> number(std::string_view key) const;  // integers are numbers
    Result<std::optional<bool>> boolean(std::string_view key) const;
    Result<std::optional<Duration>> duration(std::string_view key) const;   // "90s"
    Result<std::optional<std::uint64_t>> size(std::string_view key) const;  // "64MiB"
    Result<std::vector<std::string>> texts(std::string_view key) const;     // array of strings
    Result<std::map<std::string, std::string>> text_map(std::string_view key) const;
    Result<std::optional<TomlTable>> table(std::string_view key) const;
    Result<std::vector<TomlTable>> tables(std::string_view key) const;  // [[key]]
    // Required forms: not there is an error that names the key and the place.
    Result<std::string> required_text(std::string_view key) const;
    Result<std::int64_t> required_integer(std::string_view key) const;
    // The raw value as JSON text, for keys whose type is decided elsewhere.
    Result<std::optional<std::string>> json(std::string_view key) const;

    // Call once after the last key was asked for: names the first key nobody asked for, with the
    // nearest one that somebody did.
    Result<void> no_other_keys() const;

  private:
    struct Node;
    explicit TomlTable(std::shared_ptr<Node> node) : node_(std::move(node)) {}
    std::shared_ptr<Node> node_;
};

}  // namespace sust::core
