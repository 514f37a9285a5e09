#include "apps/sust/print.h"

#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

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

// Cuts at the width without cutting a UTF-8 sequence.
std::string cut(std::string text, std::size_t width) {
    if (text.size() <= width) {
        return text;
    }
    std::size_t end = width;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
        --end;
    }
    return text.substr(0, end);
}

void print_rows(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += i + 1 < row.size() ? fmt::format("{:<{}}  ", row[i], widths[i]) : row[i];
        }
        std::cout << core::trim(cut(line, k_width)) << '\n';
    }
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
        std::cout << items.dump(2) << '\n';
        return;
    }
    if (items.empty()) {
        std::cout << none << '\n';
        return;
    }
    std::vector<std::vector<std::string>> rows(1);
    for (const auto& column : columns) {
        rows.front().emplace_back(column.title);
    }
    for (const auto& item : items) {
        auto& row = rows.emplace_back();
        for (const auto& column : columns) {
            row.push_back(cell(context, item, column));
        }
    }
    print_rows(rows);
}

void print_object(const Context& context, const nlohmann::json& object,
                  const std::vector<Column>& columns) {
    if (context.json) {
        std::cout << object.dump(2) << '\n';
        return;
    }
    for (const auto& column : columns) {
        if (find(object, column.key) != nullptr) {
            std::cout << fmt::format("{:<14} {}\n", column.title, cell(context, object, column));
        }
    }
}

void print_done(const Context& context, const nlohmann::json& object, std::string_view sentence) {
    if (context.json) {
        std::cout << object.dump(2) << '\n';
    } else {
        std::cout << sentence << '\n';
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

void Progress::show(const std::string& line) {
    if (quiet_ || line == last_) {
        return;
    }
    last_ = line;
    if (terminal_) {
        std::cerr << "\r\x1b[K" << cut(line, k_width) << std::flush;
        open_ = true;
    } else if (!shown_ || clock_.monotonic() - *shown_ >= k_between_lines) {
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
