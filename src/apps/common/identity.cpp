#include "apps/common/identity.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/process.h"

namespace sust::apps {

core::Result<void> write_identity(const core::Path& run, const std::string& name) {
    const auto self = TRY(core::identify(::getpid()));
    return core::write_file(run / (name + ".pid.json"), nlohmann::json(self).dump() + "\n");
}

}  // namespace sust::apps
