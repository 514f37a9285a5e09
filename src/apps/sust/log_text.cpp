#include "apps/sust/log_text.h"

#include <iostream>

#include <nlohmann/json.hpp>

#include "apps/sust/print.h"

namespace sust::cli {
namespace {

// What one object holds of a log: its end.
constexpr std::size_t k_max_text = 64 << 20;

}  // namespace

LogText::LogText(const Context& context, Follow follow)
    : as_object_(context.json && follow == Follow::no),
      as_lines_(context.json && follow == Follow::yes) {}

bool LogText::add(std::string_view piece) {
    if (!as_object_ && !as_lines_) {
        std::cout << piece << std::flush;
        return static_cast<bool>(std::cout);
    }
    held_ += piece;
    if (as_object_ && held_.size() > 2 * k_max_text) {
        dropped_ += held_.size() - k_max_text;
        held_.erase(0, held_.size() - k_max_text);
    }
    std::size_t begin = 0;
    for (auto end = held_.find('\n'); as_lines_ && end != std::string::npos;
         end = held_.find('\n', begin)) {
        print_json({{"text", held_.substr(begin, end - begin)}}, JsonForm::line);
        begin = end + 1;
    }
    held_.erase(0, begin);
    return static_cast<bool>(std::cout);
}

void LogText::finish() {
    if (as_object_) {
        print_json({{"text", held_}, {"dropped_bytes", dropped_}});
    } else if (as_lines_ && !held_.empty()) {
        print_json({{"text", held_}}, JsonForm::line);
    }
    held_.clear();
}

}  // namespace sust::cli
