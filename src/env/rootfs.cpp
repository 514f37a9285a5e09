#include "env/rootfs.h"

#include <algorithm>
#include <cerrno>
#include <map>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "env/identity.h"
#include "env/sys.h"

namespace sust::env {

using core::fail;
using core::Fault;
using core::Fd;
using sys::Depth;

namespace {

constexpr std::size_t k_max_etc_bytes = 4 << 20;  // passwd of a large site
constexpr unsigned k_no_devices = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

// A regular file of the image, or nothing; whatever else lies there is replaced.
std::string read_inside(int root, const char* path) {
    auto fd = sys::open_inside(root, path, O_RDONLY | O_NONBLOCK);
    struct stat status {};
    if (!fd || ::fstat(fd->get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        static_cast<std::uint64_t>(status.st_size) > k_max_etc_bytes) {
        return {};
    }
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    auto got = ::pread(fd->get(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

std::string read_host(const char* path) {
    return core::read_file(path, k_max_etc_bytes).value_or("");
}

// Written into the upper layer before the layers are joined: no link of the image is in the way.
Result<void> write_identity(int image, int upper) {
    utsname names{};
    ::uname(&names);
    TRY(sys::make_directory(upper, "etc", 0755));
    auto etc = TRY(sys::open_inside(upper, "etc", O_PATH | O_DIRECTORY));
    auto uid = ::geteuid();
    auto gid = ::getegid();
    auto write = [&](const char* name, std::string_view text) {
        return sys::write_new(etc.get(), name, text, 0644);
    };
    TRY(write("passwd",
              passwd_with(read_inside(image, "etc/passwd"), read_host("/etc/passwd"), uid, gid)));
    TRY(write("group", group_with(read_inside(image, "etc/group"), read_host("/etc/group"), gid)));
    TRY(write("hostname", std::string(names.nodename) + "\n"));
    TRY(write("hosts", hosts_with_localhost(read_host("/etc/hosts"))));
    return write("resolv.conf", read_host("/etc/resolv.conf"));
}

Result<void> mount_image(const Lower& lower, int place) {
    if (lower.device) {
        auto image = TRY(sys::new_mount("squashfs", {{"source", lower.device->path}, {"ro", ""}},
                                        k_no_devices | MOUNT_ATTR_RDONLY));
        return sys::attach(image.get(), place);
    }
    auto directory = TRY(sys::open_place(lower.directory));
    auto image = TRY(sys::copy_mount(directory.get(), Depth::one));
    return sys::attach(image.get(), place);
}

// The directories of the layers: image (below), upper (what is new), work (the kernel's).
Result<void> lay_out(const Lower& lower, int scratch) {
    for (const char* name : {"image", "upper", "work"}) {
        TRY(sys::make_directory(scratch, name, 0755));
    }
    auto below = TRY(sys::open_inside(scratch, "image", O_PATH));
    TRY(mount_image(lower, below.get()));
    auto image = TRY(sys::open_inside(scratch, "image", O_PATH));
    auto upper = TRY(sys::open_inside(scratch, "upper", O_PATH));
    return write_identity(image.get(), upper.get());
}

// Both layers as one tree, on top of "/": that hides nothing from a process whose root directory
// lies below it. The working directory is lost on the way.
Result<Fd> join_layers(const Lower& lower, Namespaces kind) {
    auto top = TRY(sys::open_place("/"));
    auto scratch = TRY(sys::new_mount("tmpfs", {{"mode", "0755"}}, k_no_devices));
    TRY(sys::attach(scratch.get(), top.get()));
    TRY(lay_out(lower, scratch.get()));
    if (::fchdir(scratch.get()) != 0) {  // so that the layers have short names without ':' and ','
        return core::fail_errno("enter the layers", errno);
    }
    std::initializer_list<sys::Option> options{
        {"lowerdir", "image"}, {"upperdir", "upper"}, {"workdir", "work"}};
    std::initializer_list<sys::Option> user_options{
        {"lowerdir", "image"}, {"upperdir", "upper"}, {"workdir", "work"}, {"userxattr", ""}};
    auto root = TRY(sys::new_mount("overlay", kind == Namespaces::mount ? options : user_options,
                                   k_no_devices));
    // The joined tree keeps its layers alive; under their own names nobody needs them any more.
    if (::umount2(".", MNT_DETACH) != 0) {
        return core::fail_errno("leave the layers", errno);
    }
    TRY(sys::attach(root.get(), top.get()));
    return root;
}

struct stat status_of(int fd) {
    struct stat status {};
    ::fstat(fd, &status);
    return status;
}

// What may be created where something is to be mounted: only in the environment's own layers,
// never in a directory of the host.
Result<Fd> create_inside(int parent, const std::string& name, bool directory,
                         const std::vector<dev_t>& own) {
    auto device = status_of(parent).st_dev;
    if (std::find(own.begin(), own.end(), device) == own.end()) {
        return fail(Fault::invalid, "'" + name + "' is not there, and its directory is the host's",
                    {.hint = "create it on the host first"});
    }
    struct stat there {};
    if (::fstatat(parent, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
        return fail(Fault::invalid,
                    "'" + name + "' is a link that leads nowhere in the environment",
                    {.hint = "mount at the place itself, not through the link"});
    }
    if (directory) {
        TRY(sys::make_directory(parent, name.c_str(), 0755));
    } else {
        TRY(sys::write_new(parent, name.c_str(), "", 0644));
    }
    return sys::open_inside(parent, name, O_PATH | O_NOFOLLOW);
}

// The place for a mount inside `root`; missing parts are created.
Result<Fd> place_for(int root, const Path& target, bool directory, const std::vector<dev_t>& own) {
    auto relative = target.relative_path();
    auto place = TRY(sys::open_inside(root, ".", O_PATH));
    Path so_far;
    for (auto part = relative.begin(); part != relative.end(); ++part) {
        so_far /= *part;
        bool last = std::next(part) == relative.end();
        auto next = sys::open_inside(root, so_far, O_PATH);
        if (!next && next.error().fault == Fault::not_found) {
            next = create_inside(place.get(), part->string(), !last || directory, own);
        }
        place = TRY(std::move(next));
    }
    if (S_ISDIR(status_of(place.get()).st_mode) != directory) {
        return fail(Fault::invalid, directory ? "a directory cannot be mounted on a file"
                                              : "a file cannot be mounted on a directory");
    }
    return place;
}

class Builder {
  public:
    explicit Builder(Fd root) : root_(std::move(root)) {
        own_.push_back(status_of(root_.get()).st_dev);
    }

    Result<void> host_tree(const Path& path) {
        auto source = TRY(sys::open_place(path));
        auto tree = TRY(sys::copy_mount(source.get(), Depth::whole));
        auto place = TRY(place_for(root_.get(), path, true, own_));
        return sys::attach(tree.get(), place.get());
    }

    Result<void> memory(const Path& path, const char* mode) {
        auto tree = TRY(sys::new_mount("tmpfs", {{"mode", mode}}, k_no_devices));
        auto place = TRY(place_for(root_.get(), path, true, own_));
        TRY(sys::attach(tree.get(), place.get()));
        own_.push_back(status_of(tree.get()).st_dev);
        return {};
    }

    Result<void> bind(const Mount& mount) {
        auto source = TRY(sys::open_place(mount.source));
        auto tree = TRY(sys::copy_mount(source.get(), Depth::whole));
        if (mount.read_only) {
            TRY(sys::make_read_only(tree.get(), Depth::whole));
        }
        bool directory = S_ISDIR(status_of(source.get()).st_mode);
        auto place = TRY(place_for(root_.get(), mount.target, directory, own_));
        return sys::attach(tree.get(), place.get());
    }

    bool has(const char* path) const {
        return sys::open_inside(root_.get(), path, O_PATH).has_value();
    }
    Fd& root() { return root_; }

  private:
    Fd root_;
    std::vector<dev_t> own_;  // file systems in which places may be created
};

}  // namespace

std::vector<Mount> in_order(std::vector<Mount> mounts) {
    std::map<Path, Mount> by_target;  // a path sorts before the paths below it
    for (auto& mount : mounts) {
        by_target[mount.target] = std::move(mount);
    }
    std::vector<Mount> ordered;
    for (auto& [target, mount] : by_target) {
        ordered.push_back(std::move(mount));
    }
    return ordered;
}

Result<Fd> build_root(const Lower& lower, Namespaces kind, Access access,
                      const std::vector<Mount>& mounts) {
    // Sources may be relative to the working directory, which join_layers leaves.
    auto cwd = TRY(sys::open_place("."));
    Builder builder(TRY(core::within("join the layers", join_layers(lower, kind))));
    if (::fchdir(cwd.get()) != 0) {
        return core::fail_errno("return to the working directory", errno);
    }
    for (const char* path : {"/proc", "/sys", "/dev"}) {
        TRY(core::within(path, builder.host_tree(path)));
    }
    TRY(core::within("/tmp", builder.memory("/tmp", "1777")));
    TRY(core::within("/run", builder.memory("/run", "0755")));
    if (builder.has("dev/shm")) {  // creating it would create it on the host
        TRY(core::within("/dev/shm", builder.memory("/dev/shm", "1777")));
    }
    for (const auto& mount : in_order(mounts)) {
        TRY(core::within("mount " + mount.source.string() + " at " + mount.target.string(),
                         builder.bind(mount)));
    }
    if (access == Access::read_only) {
        TRY(sys::make_read_only(builder.root().get(), Depth::one));
    }
    return std::move(builder.root());
}

}  // namespace sust::env
