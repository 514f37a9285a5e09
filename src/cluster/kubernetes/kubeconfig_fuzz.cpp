// Any text at all: a kubeconfig and what a credential plugin prints are refused or read.

#include <cstddef>
#include <cstdint>

#include "cluster/kubernetes/base64.h"
#include "cluster/kubernetes/credentials.h"

namespace kubernetes = sust::cluster::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // A folder that is not there: no file of this machine is read.
    (void)kubernetes::parse_kubeconfig(text, "/no-such-folder/config", "");
    (void)kubernetes::parse_kubeconfig(text, "/no-such-folder/config", "a");
    (void)kubernetes::parse_exec_credential(text, "v1");
    (void)kubernetes::decode_base64(text);
    return 0;
}
