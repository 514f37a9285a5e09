#include "core/toml.h"

#include <cstdint>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "core/text.h"

// The parser of toml++ 3.3 holds some of what a file may say for impossible: "[." fails one of its
// assertions, and without assertions the compiler is told that it cannot be. So what it asserts is
// checked in every build, and what fails is an error in the file.
namespace sust::core {
namespace {
struct ImpossibleToml {};
[[noreturn]] void refuse_impossible_toml() {
    throw ImpossibleToml{};
}
}  // namespace
}  // namespace sust::core
#undef NDEBUG
#define TOML_ASSERT(expr) ((expr) ? static_cast<void>(0) : ::sust::core::refuse_impossible_toml())
#include <toml++/toml.h>

namespace sust::core {

// A table and the keys that were asked for. `whole` keeps the parsed document alive.
struct TomlTable::Node {
    std::shared_ptr<const toml::table> whole;
    const toml::table* table;
    std::string origin;
    std::string path;  // "stages[0]", for messages
    std::set<std::string, std::less<>> asked{};

    const toml::node* find(std::string_view key) {
        asked.emplace(key);
        return table->get(key);
    }
    std::string name(std::string_view key) const {
        return path.empty() ? std::string(key) : path + "." + std::string(key);
    }
};

namespace {

std::string place(const std::string& origin, const toml::source_region& region) {
    return fmt::format("{}:{}:{}", origin, region.begin.line, region.begin.column);
}

tl::unexpected<Error> wrong(const std::string& where, const std::string& name,
                            std::string_view expected) {
    return fail(Fault::invalid, fmt::format("'{}' must be {}", name, expected), {.where = where});
}

}  // namespace

Result<TomlTable> TomlTable::parse(std::string_view text, std::string origin) {
    if (!is_utf8(text)) {
        return fail(Fault::invalid, "not UTF-8 text", {.where = origin});
    }
    try {
        auto whole = std::make_shared<const toml::table>(toml::parse(text, origin));
        const auto* table = whole.get();
        return TomlTable(std::make_shared<Node>(Node{
            .whole = std::move(whole), .table = table, .origin = std::move(origin), .path = {}}));
    } catch (const toml::parse_error& error) {
        return fail(Fault::invalid, std::string(error.description()),
                    {.where = place(origin, error.source())});
    } catch (const ImpossibleToml&) {
        return fail(Fault::invalid, "not TOML: a key or value begins with a character that cannot",
                    {.where = origin});
    }
}

bool TomlTable::has(std::string_view key) const {
    return node_->find(key) != nullptr;
}

std::vector<std::string> TomlTable::keys() const {
    std::vector<std::string> keys;
    for (const auto& [key, value] : *node_->table) {
        keys.emplace_back(key.str());
    }
    return keys;
}

std::string TomlTable::where(std::string_view key) const {
    const auto* node = key.empty() ? nullptr : node_->table->get(key);
    return place(node_->origin, node != nullptr ? node->source() : node_->table->source());
}

Result<std::optional<std::string>> TomlTable::text(std::string_view key) const {
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return std::optional<std::string>();
    }
    if (!node->is_string()) {
        return wrong(where(key), node_->name(key), "text in quotes");
    }
    return std::optional<std::string>(node->as_string()->get());
}

Result<std::optional<std::int64_t>> TomlTable::integer(std::string_view key) const {
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return std::optional<std::int64_t>();
    }
    if (!node->is_integer()) {
        return wrong(where(key), node_->name(key), "an integer");
    }
    return std::optional<std::int64_t>(node->as_integer()->get());
}

Result<std::optional<double>> TomlTable::number(std::string_view key) const {
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return std::optional<double>();
    }
    if (!node->is_number()) {
        return wrong(where(key), node_->name(key), "a number");
    }
    return std::optional<double>(node->value<double>());
}

Result<std::optional<bool>> TomlTable::boolean(std::string_view key) const {
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return std::optional<bool>();
    }
    if (!node->is_boolean()) {
        return wrong(where(key), node_->name(key), "true or false");
    }
    return std::optional<bool>(node->as_boolean()->get());
}

Result<std::optional<Duration>> TomlTable::duration(std::string_view key) const {
    const auto value = TRY(text(key));
    if (!value) {
        return std::optional<Duration>();
    }
    auto parsed = parse_duration(*value);
    if (!parsed) {
        parsed.error().where = where(key);
    }
    return std::optional<Duration>(TRY(std::move(parsed)));
}

Result<std::optional<std::uint64_t>> TomlTable::size(std::string_view key) const {
    const auto value = TRY(text(key));
    if (!value) {
        return std::optional<std::uint64_t>();
    }
    auto parsed = parse_size(*value);
    if (!parsed) {
        parsed.error().where = where(key);
    }
    return std::optional<std::uint64_t>(TRY(std::move(parsed)));
}

Result<std::vector<std::string>> TomlTable::texts(std::string_view key) const {
    std::vector<std::string> values;
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return values;
    }
    if (!node->is_array()) {
        return wrong(where(key), node_->name(key), "a list of texts");
    }
    for (const auto& item : *node->as_array()) {
        if (!item.is_string()) {
            return wrong(place(node_->origin, item.source()), node_->name(key), "a list of texts");
        }
        values.push_back(item.as_string()->get());
    }
    return values;
}

Result<std::map<std::string, std::string>> TomlTable::text_map(std::string_view key) const {
    std::map<std::string, std::string> values;
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return values;
    }
    if (!node->is_table()) {
        return wrong(where(key), node_->name(key), "a table of texts");
    }
    for (const auto& [name, item] : *node->as_table()) {
        if (!item.is_string()) {
            return wrong(place(node_->origin, item.source()),
                         node_->name(key) + "." + std::string(name.str()), "text in quotes");
        }
        values.emplace(name.str(), item.as_string()->get());
    }
    return values;
}

Result<std::optional<TomlTable>> TomlTable::table(std::string_view key) const {
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return std::optional<TomlTable>();
    }
    if (!node->is_table()) {
        return wrong(where(key), node_->name(key), "a table");
    }
    return std::optional<TomlTable>(
        TomlTable(std::make_shared<Node>(Node{.whole = node_->whole,
                                              .table = node->as_table(),
                                              .origin = node_->origin,
                                              .path = node_->name(key)})));
}

Result<std::vector<TomlTable>> TomlTable::tables(std::string_view key) const {
    std::vector<TomlTable> values;
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return values;
    }
    if (!node->is_array()) {
        return wrong(where(key), node_->name(key),
                     "a list of tables, written [[" + node_->name(key) + "]]");
    }
    for (const auto& item : *node->as_array()) {
        if (!item.is_table()) {
            return wrong(place(node_->origin, item.source()), node_->name(key), "a list of tables");
        }
        values.push_back(TomlTable(std::make_shared<Node>(
            Node{.whole = node_->whole,
                 .table = item.as_table(),
                 .origin = node_->origin,
                 .path = fmt::format("{}[{}]", node_->name(key), values.size())})));
    }
    return values;
}

Result<std::string> TomlTable::required_text(std::string_view key) const {
    const auto value = TRY(text(key));
    if (!value || value->empty()) {
        return fail(Fault::invalid, fmt::format("'{}' is missing", node_->name(key)),
                    {.where = where()});
    }
    return *value;
}

Result<std::int64_t> TomlTable::required_integer(std::string_view key) const {
    const auto value = TRY(integer(key));
    if (!value) {
        return fail(Fault::invalid, fmt::format("'{}' is missing", node_->name(key)),
                    {.where = where()});
    }
    return *value;
}

Result<std::optional<std::string>> TomlTable::json(std::string_view key) const {
    const auto* node = node_->find(key);
    if (node == nullptr) {
        return std::optional<std::string>();
    }
    std::ostringstream out;
    node->visit([&](const auto& value) {
        if constexpr (toml::is_table<decltype(value)> || toml::is_array<decltype(value)>) {
            out << toml::json_formatter{value};
        } else {
            // The formatter prints whole documents; a one-element array is the smallest.
            toml::array holder;
            holder.push_back(value);
            std::ostringstream inner;
            inner << toml::json_formatter{
                holder, toml::json_formatter::default_flags & ~toml::format_flags::indentation};
            const std::string list = inner.str();
            const auto open = list.find('[');
            const auto close = list.rfind(']');
            out << trim(std::string_view(list).substr(open + 1, close - open - 1));
        }
    });
    return std::optional<std::string>(out.str());
}

Result<void> TomlTable::no_other_keys() const {
    const std::vector<std::string> known(node_->asked.begin(), node_->asked.end());
    for (const auto& [key, value] : *node_->table) {
        if (node_->asked.contains(key.str())) {
            continue;
        }
        const auto near = nearest(key.str(), known);
        return fail(
            Fault::invalid, fmt::format("unknown key '{}'", node_->name(printable(key.str(), 60))),
            {.where = place(node_->origin, key.source()),
             .hint = near ? "did you mean '" + *near + "'?" : "known: " + join(known, ", ")});
    }
    return {};
}

}  // namespace sust::core
