#include "apps/common/process_environment.h"

#include <string_view>

extern char** environ;

namespace sust::apps {

core::Environment process_environment() {
    core::Environment environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const auto equals = text.find('=');
        if (equals != std::string_view::npos) {
            environment.emplace(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return environment;
}

}  // namespace sust::apps
