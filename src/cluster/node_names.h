#pragma once

// Names of many nodes in few words, as Slurm and its users write them.

#include <string>
#include <string_view>
#include <vector>

namespace sust::cluster {

// "n[1-3,7],m2" in full; nothing where it is none or longer than `most`.
std::vector<std::string> expand_nodes(std::string_view list, std::size_t most = 10'000);
// The other way, for names in the order of their numbers: {"n1", "n2", "m2"} -> "n[1-2],m2".
std::string compress_nodes(const std::vector<std::string>& names);

}  // namespace sust::cluster
