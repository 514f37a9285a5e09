#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace sust::cluster::kubernetes {

// RFC 4648, with padding; blanks and line ends between are skipped.
core::Result<std::string> decode_base64(std::string_view text);

}  // namespace sust::cluster::kubernetes
