#include "core/log.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/rotating_file.h"
#include "core/text.h"

namespace sust::core {
namespace {

constexpr std::string_view name_of(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warn:
            return "warn";
        case Level::error:
            return "error";
    }
    return "error";
}

bool needs_quotes(std::string_view value) {
    return value.empty() || value.find_first_of(" \"=\t\n\r\\") != std::string_view::npos;
}

void append_text(std::string& line, std::string_view key, std::string_view value) {
    constexpr std::size_t k_value_limit = 4096;  // one line stays one write(2) and readable
    if (!line.empty()) {
        line += ' ';
    }
    line += key;
    line += '=';
    const std::string shown = printable(value, k_value_limit);
    line += needs_quotes(shown) ? nlohmann::json(shown).dump() : shown;
}

}  // namespace

struct Log::Sink {
    const Clock* clock;
    std::function<void(std::string_view)> put;
    LogForm form;
    Level lowest;
};

Log::Log(const Clock& clock, std::string component, int fd, LogForm form, Level lowest)
    // A log that cannot be written must not stop the program that writes it.
    : sink_(std::make_shared<Sink>(
          Sink{&clock, [fd](std::string_view line) { (void)write_all(fd, line); }, form, lowest})),
      component_(std::move(component)) {}

Log Log::to_file(const Clock& clock, std::string component, const Path& path,
                 std::uint64_t max_bytes, int kept, Level lowest) {
    auto file = std::make_shared<RotatingFile>(path, max_bytes, kept);
    Log log;
    log.sink_ = std::make_shared<Sink>(
        Sink{&clock, [file](std::string_view line) { file->write(line); }, LogForm::json, lowest});
    log.component_ = std::move(component);
    return log;
}

Log Log::silent() {
    return Log();
}

Log Log::component(std::string name) const {
    Log log = *this;
    log.component_ = std::move(name);
    return log;
}

Log Log::with(std::string_view key, std::string value) const {
    Log log = *this;
    log.carried_.emplace_back(key, std::move(value));
    return log;
}

void Log::debug(std::string_view message, std::initializer_list<Field> fields) const {
    write(Level::debug, message, fields);
}
void Log::info(std::string_view message, std::initializer_list<Field> fields) const {
    write(Level::info, message, fields);
}
void Log::warn(std::string_view message, std::initializer_list<Field> fields) const {
    write(Level::warn, message, fields);
}
void Log::error(std::string_view message, std::initializer_list<Field> fields) const {
    write(Level::error, message, fields);
}
void Log::error(std::string_view message, const Error& error) const {
    write(Level::error, message,
          {{"fault", std::string(to_string(error.fault))}, {"error", to_string(error)}});
}

void Log::write(Level level, std::string_view message, std::initializer_list<Field> fields) const {
    if (!sink_ || level < sink_->lowest) {
        return;
    }
    std::vector<std::pair<std::string_view, std::string_view>> all;
    const std::string time = rfc3339(sink_->clock->wall());
    all.emplace_back("ts", time);
    all.emplace_back("level", name_of(level));
    all.emplace_back("component", component_);
    all.emplace_back("msg", message);
    for (const auto& [key, value] : carried_) {
        all.emplace_back(key, value);
    }
    for (const auto& field : fields) {
        all.emplace_back(field.key, field.value);
    }
    std::string line;
    if (sink_->form == LogForm::text) {
        for (const auto& [key, value] : all) {
            append_text(line, key, value);
        }
    } else {
        nlohmann::ordered_json object;
        for (const auto& [key, value] : all) {
            object[std::string(key)] = value;
        }
        line = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
    line += '\n';
    sink_->put(line);
}

}  // namespace sust::core
