#pragma once

// Uploads of blobs, streamed into the store.

#include <map>
#include <memory>
#include <string>

#include "control/desk.h"
#include "control/routes.h"

namespace sust::control {

bool takes_blob(const Route& route);
// exhausted: 64 uploads at once already, or the disk cannot hold it.
Result<std::shared_ptr<core::http::BodySink>> open_blob(
    Desk& desk, const core::http::Exchange& exchange,
    const std::map<std::string, std::string>& names);

}  // namespace sust::control
