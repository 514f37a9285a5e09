#include "apps/sust/print.h"

#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/sust/table.h"
#include "core/text.h"

namespace sust::cli {
namespace {

constexpr std::size_t k_width = 100;
// In a log file: often enough to see that it moves, seldom enough to be read.
constexpr auto k_between_lines = std::chrono::seconds(10);

const nlohmann::json* find(const nlohmann::json& object, std::string_view path) {
    const nlohmann::json* at = &object;
    for (const auto& part : core::split(path, '.')) {
        if (!at->is_object() || !at->contains(part)) {
            return nullptr;
        }
        at = &(*at)[part];
    }
    return at->is_null() ? nullptr : at;
}

std::string plain(const nlohmann::json& value) {
    if (value.is_string()) {
        return core::printable(value.get<std::string>(), 2000);
    }
    if (value.is_array()) {
        std::vector<std::string> parts;
        for (const auto& item : value) {
            parts.push_back(plain(item));
        }
        return core::join(parts, ", ");
    }
    if (value.is_number_float()) {
        return fmt::format("{:.4g}", value.get<double>());
    }
    return value.dump();
}

std::string age(const Context& context, const std::string& time) {
    const auto then = core::parse_rfc3339(time);
    if (!then) {
        return time;
    }
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(context.clock.wall() - *then);
    return core::format_duration(std::max(seconds, std::chrono::seconds(0)));
}

// Of members "max_steps = 30" each; of a list of objects "name demo, state ready" each.
std::vector<std::string> lines_of(const nlohmann::json& value) {
    std::vector<std::string> lines;
    const bool list = value.is_array();
    for (const auto& [key, member] : value.items()) {
        if (!list) {
            lines.push_back(fmt::format("{} = {}", core::printable(key), plain(member)));
            continue;
        }
        std::vector<std::string> parts;
        for (const auto& [name, part] : member.items()) {
            parts.push_back(fmt::format("{} {}", core::printable(name), plain(part)));
        }
        lines.push_back(core::join(parts, ", "));
    }
    return lines;
}

bool has_members(const nlohmann::json& value) {
    return value.is_object() || (value.is_array() && !value.empty() && value.front().is_object());
}

}  // namespace

std::string cell(const Context& context, const nlohmann::json& object, const Column& column) {
    const auto* value = find(object, column.key);
    if (value == nullptr) {
        return "-";
    }
    using Form = Column::Form;
    if (column.form == Form::bytes && value->is_number_unsigned()) {
        return core::format_size(value->get<std::uint64_t>());
    }
    if (column.form == Form::percent && value->is_number()) {
        return fmt::format("{:.1f} %", value->get<double>() * 100);
    }
    if (column.form == Form::age && value->is_string()) {
        return age(context, value->get<std::string>());
    }
    if (column.form == Form::digest && value->is_string()) {
        return value->get<std::string>().substr(0, 19);
    }
    return plain(*value);
}

void print_list(const Context& context, const nlohmann::json& items,
                const std::vector<Column>& columns, std::string_view none) {
    if (context.json) {
        print_json(items);
        return;
    }
    if (items.empty()) {
        std::cout << none << '\n';
        return;
    }
    std::vector<Row> rows(1);
    for (const auto& column : columns) {
        rows.front().emplace_back(column.title);
    }
    for (const auto& item : items) {
        auto& row = rows.emplace_back();
        for (const auto& column : columns) {
            row.push_back(cell(context, item, column));
        }
    }
    std::cout << table_text(rows, k_width);
}

void print_object(const Context& context, const nlohmann::json& object,
                  const std::vector<Column>& columns) {
    if (context.json) {
        print_json(object);
        return;
    }
    for (const auto& column : columns) {
        const auto* value = find(object, column.key);
        if (value != nullptr && *value != "") {
            print_field(column.title, has_members(*value)
                                          ? lines_of(*value)
                                          : std::vector{cell(context, object, column)});
        }
    }
}

void print_field(std::string_view title, const std::vector<std::string>& lines, std::size_t width) {
    for (const auto& whole : lines) {
        for (const auto& line : wrapped(whole, k_width - width - 1)) {
            std::cout << fmt::format("{:<{}} {}\n", title, width, line);
            title = "";
        }
    }
}

void print_json(const nlohmann::json& value, JsonForm form) {
    std::cout << value.dump(form == JsonForm::indented ? 2 : -1, ' ', false,
                            nlohmann::json::error_handler_t::replace)
              << std::endl;
}

void print_done(const Context& context, const nlohmann::json& object, std::string_view sentence) {
    if (context.json) {
        print_json(object);
    } else if (!sentence.empty()) {
        std::cout << sentence << '\n';
    }
}

void print_warning(const Context& context, std::string_view message, std::string_view hint) {
    if (context.json) {
        const nlohmann::json object{{"warning", {{"message", message}, {"hint", hint}}}};
        std::cerr << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
        return;
    }
    std::cerr << "sust: warning: " << message << '\n';
    if (!hint.empty()) {
        std::cerr << "  next: " << hint << '\n';
    }
}

void print_error(const Context& context, const core::Error& error) {
    if (context.json) {
        const nlohmann::json object{{"error",
                                     {{"fault", core::to_string(error.fault)},
                                      {"message", error.message},
                                      {"where", error.where},
                                      {"hint", error.hint}}}};
        std::cerr << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
        return;
    }
    std::cerr << "sust: " << (error.where.empty() ? "" : error.where + ": ") << error.message
              << '\n';
    if (!error.hint.empty()) {
        std::cerr << "  next: " << error.hint << '\n';
    }
}

Progress::Progress(const Context& context)
    : clock_(context.clock), terminal_(::isatty(STDERR_FILENO) != 0), quiet_(context.quiet) {}

Progress::~Progress() {
    finish();
}

void Progress::show(const std::string& line, std::string_view phase) {
    if (quiet_ || line == last_) {
        return;
    }
    last_ = line;
    const bool is_news = std::exchange(phase_, std::string(phase)) != phase;
    if (terminal_) {
        std::cerr << "\r\x1b[K" << ellipsized(line, k_width) << std::flush;
        open_ = true;
    } else if (!shown_ || is_news || clock_.monotonic() - *shown_ >= k_between_lines) {
        shown_ = clock_.monotonic();
        std::cerr << line << '\n';
    }
}

void Progress::finish() {
    if (std::exchange(open_, false)) {
        std::cerr << '\n';
    }
}

std::string text_in(const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string number_in(const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? fmt::format("{:.2f}", found->get<double>())
                                                       : std::string("not measured");
}

std::string percent_in(const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number()
               ? fmt::format("{:.1f} %", found->get<double>() * 100)
               : std::string("not measured");
}

}  // namespace sust::cli
