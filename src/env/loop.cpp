#include "env/loop.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace sust::env {

using core::Fd;
using core::Path;
using core::Result;

namespace {

constexpr int k_tries = 64;  // others may take the device that the kernel just called free

Path device_path(int number) {
    return "/dev/loop" + std::to_string(number);
}

bool shows(int device, const struct stat& file) {
    loop_info64 info{};
    constexpr unsigned flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
    return ::ioctl(device, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file.st_dev &&
           info.lo_inode == file.st_ino && (info.lo_flags & flags) == flags &&
           info.lo_offset == 0 && info.lo_sizelimit == 0;
}

// The open descriptor keeps a device from being freed, so what holds after the opening stays true.
std::optional<LoopDevice> find_attached(const struct stat& file) {
    std::error_code error;
    for (std::filesystem::directory_iterator at("/sys/block", error), end; !error && at != end;
         at.increment(error)) {
        auto name = at->path().filename().string();
        if (!name.starts_with("loop") || !core::path_exists(at->path() / "loop")) {
            continue;  // not a loop device, or one without a file
        }
        Path path = Path("/dev") / name;
        Fd device(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (device && shows(device.get(), file)) {
            return LoopDevice{.fd = std::move(device), .path = path};
        }
    }
    return std::nullopt;
}

Result<std::optional<LoopDevice>> try_free_device(int control, int image, const Path& file) {
    int number = ::ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) {
        return core::fail_errno("find a free loop device", errno);
    }
    auto path = device_path(number);
    Fd device(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!device) {
        return core::fail_errno("open " + path.string(), errno);
    }
    loop_config config{};
    config.fd = static_cast<unsigned>(image);
    config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
    std::strncpy(reinterpret_cast<char*>(config.info.lo_file_name), file.c_str(), LO_NAME_SIZE - 1);
    if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) {
        return LoopDevice{.fd = std::move(device), .path = path};
    }
    if (errno == EBUSY || errno == EAGAIN) {
        return std::optional<LoopDevice>{};
    }
    return core::fail_errno("attach " + file.string() + " to " + path.string(), errno);
}

}  // namespace

Result<LoopDevice> attach_loop(const Path& file) {
    Fd image(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!image || ::fstat(image.get(), &status) != 0) {
        return core::fail_errno("open " + file.string(), errno);
    }
    if (auto found = find_attached(status)) {
        return std::move(*found);
    }
    Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    if (!control) {
        return core::fail_errno("open /dev/loop-control", errno);
    }
    for (int tries = 0; tries < k_tries; ++tries) {
        if (auto device = TRY(try_free_device(control.get(), image.get(), file))) {
            return std::move(*device);
        }
    }
    return core::fail(core::Fault::exhausted, "every loop device was taken by someone else",
                      {.where = file.string(), .hint = "losetup --list shows who uses them"});
}

}  // namespace sust::env
