#pragma once

#include <vector>

#include "store/store.h"

namespace sust::store {

// Who would miss the artifact: roots that hold it or an adapter of it, and adapters of it that
// have a name.
Result<std::vector<User>> users_of(const Store& store, const Digest& digest);

}  // namespace sust::store
