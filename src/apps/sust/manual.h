#pragma once

#include <string>
#include <string_view>

namespace sust::cli {

// sust(1) in troff, from the same table as the help pages.
std::string manual_page(std::string_view version);

}  // namespace sust::cli
