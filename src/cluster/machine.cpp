#include "cluster/machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace sust::cluster {

std::string host_name() {
    utsname names{};
    return ::uname(&names) == 0 ? names.nodename : "localhost";
}

Node this_node() {
    cpu_set_t usable;
    const bool known = ::sched_getaffinity(0, sizeof usable, &usable) == 0;
    const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return Node{.name = host_name(),
                .cores = known ? CPU_COUNT(&usable) : 1,
                .memory_bytes = pages * page_bytes};
}

}  // namespace sust::cluster
