#include "cluster/kubernetes/kubeconfig.h"

#include <fmt/format.h>

#include "cluster/kubernetes/base64.h"
#include "cluster/kubernetes/yaml.h"
#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;

namespace {

constexpr std::size_t k_file_bytes_max = 1 << 20;
constexpr std::size_t k_words_max = 100;  // arguments, groups

// Reads a file's tree with the file's name in every complaint.
class Reader {
  public:
    explicit Reader(const Path& file) : file_(file) {}

    std::string where(const Yaml& value) const {
        return fmt::format("{}:{}", file_.string(), value.line);
    }
    tl::unexpected<core::Error> wrong(const Yaml& value, std::string message,
                                      std::string hint = {}) const {
        return fail(Fault::invalid, std::move(message),
                    {.where = where(value), .hint = std::move(hint)});
    }

    // Nothing and null are an empty text.
    Result<std::string> text(const Yaml& map, std::string_view key) const {
        const auto* found = map.find(key);
        if (found == nullptr || found->kind == Yaml::Kind::null) {
            return std::string();
        }
        if (found->kind != Yaml::Kind::text) {
            return wrong(*found, fmt::format("'{}' must be text", key));
        }
        return found->text;
    }
    Result<std::string> required(const Yaml& map, std::string_view key) const {
        auto found = TRY(text(map, key));
        return found.empty() ? wrong(map, fmt::format("'{}' is missing", key))
                             : Result<std::string>(std::move(found));
    }
    Result<std::vector<std::string>> texts(const Yaml& map, std::string_view key) const {
        std::vector<std::string> words;
        const auto* found = map.find(key);
        for (const auto& one : found == nullptr ? std::vector<Yaml>() : found->list) {
            if (one.kind != Yaml::Kind::text || words.size() >= k_words_max) {
                return wrong(one, fmt::format("'{}' must be a short list of texts", key));
            }
            words.push_back(one.text);
        }
        return words;
    }
    // PEM at `key`-data in base64, or in the file at `key`.
    Result<std::string> pem(const Yaml& map, const std::string& key) const {
        if (const auto* data = map.find(key + "-data"); data != nullptr && !data->text.empty()) {
            auto bytes = decode_base64(data->text);
            return bytes ? std::move(*bytes)
                         : Result<std::string>(wrong(*data, key + "-data is not base64"));
        }
        const auto named = TRY(text(map, key));
        if (named.empty()) {
            return std::string();
        }
        return core::within(where(*map.find(key)), core::read_file(path(named), k_file_bytes_max));
    }
    Path path(const std::string& named) const { return file_.parent_path() / named; }

    // The entry of the list `list` whose name is `name`, and of it the value at `key`.
    Result<const Yaml*> entry(const Yaml& root, std::string_view list, std::string_view key,
                              std::string_view name) const {
        const auto* all = root.find(list);
        std::vector<std::string> names;
        for (const auto& one : all == nullptr ? std::vector<Yaml>() : all->list) {
            names.push_back(TRY(text(one, "name")));
        }
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (names[i] == name) {
                const auto* found = all->list[i].find(key);
                return found != nullptr && found->kind == Yaml::Kind::map
                           ? Result<const Yaml*>(found)
                           : wrong(all->list[i], fmt::format("'{}' is missing", key));
            }
        }
        return wrong(all == nullptr ? root : *all,
                     fmt::format("no {} '{}'", key, core::printable(name)),
                     names.empty() ? "there is none" : "there are: " + core::join(names, ", "));
    }

  private:
    const Path& file_;
};

Result<web::Server> server_of(const Reader& reader, const Yaml& cluster) {
    web::Server server;
    server.base = TRY(reader.required(cluster, "server"));
    if (!server.base.starts_with("https://") && !server.base.starts_with("http://")) {
        return reader.wrong(*cluster.find("server"), "'server' must begin with https://");
    }
    while (server.base.ends_with('/')) {
        server.base.pop_back();
    }
    server.tls.authority = TRY(reader.pem(cluster, "certificate-authority"));
    server.tls.server_name = TRY(reader.text(cluster, "tls-server-name"));
    server.tls.verify = TRY(reader.text(cluster, "insecure-skip-tls-verify")) != "true";
    server.proxy = TRY(reader.text(cluster, "proxy-url"));
    return server;
}

Result<ExecPlugin> plugin_of(const Reader& reader, const Yaml& said, const Path& file) {
    ExecPlugin plugin;
    plugin.version = TRY(reader.required(said, "apiVersion"));
    plugin.command = TRY(reader.required(said, "command"));
    constexpr std::string_view k_group = "client.authentication.k8s.io/";
    if (plugin.version != std::string(k_group) + "v1" &&
        plugin.version != std::string(k_group) + "v1beta1") {
        return reader.wrong(said, "exec.apiVersion is none that is spoken here",
                            std::string(k_group) + "v1 or v1beta1");
    }
    plugin.version.erase(0, k_group.size());
    plugin.arguments = TRY(reader.texts(said, "args"));
    plugin.hint = TRY(reader.text(said, "installHint"));
    plugin.folder = file.parent_path();
    const auto* environment = said.find("env");
    for (const auto& one : environment == nullptr ? std::vector<Yaml>() : environment->list) {
        const auto name = TRY(reader.required(one, "name"));
        plugin.environment[name] = TRY(reader.text(one, "value"));
    }
    return plugin;
}

Result<Impersonation> impersonation_of(const Reader& reader, const Yaml& user) {
    Impersonation whose;
    whose.user = TRY(reader.text(user, "as"));
    whose.groups = TRY(reader.texts(user, "as-groups"));
    const auto* extra = user.find("as-user-extra");
    if (extra == nullptr) {
        return whose;
    }
    for (const auto& [key, values] : extra->map) {
        for (const auto& value : values.list) {
            whose.extra.emplace_back(key, value.text);
        }
    }
    return whose;
}

Result<void> read_user(const Reader& reader, const Yaml& user, const Path& file, Access& access) {
    for (const auto* old : {"auth-provider", "username", "password"}) {
        if (const auto* found = user.find(old); found != nullptr) {
            return reader.wrong(*found, fmt::format("'{}' is gone from Kubernetes", old),
                                "use a token, a certificate or exec");
        }
    }
    access.server.tls.certificate = TRY(reader.pem(user, "client-certificate"));
    access.server.tls.key = core::Secret(TRY(reader.pem(user, "client-key")));
    if (access.server.tls.certificate.empty() != access.server.tls.key.empty()) {
        return reader.wrong(user, "a client certificate and its key belong together");
    }
    access.token = core::Secret(TRY(reader.text(user, "token")));
    if (const auto named = TRY(reader.text(user, "tokenFile")); !named.empty()) {
        access.token_file = reader.path(named);
    }
    if (const auto* exec = user.find("exec"); exec != nullptr && exec->kind == Yaml::Kind::map) {
        access.plugin = TRY(plugin_of(reader, *exec, file));
    }
    access.impersonation = TRY(impersonation_of(reader, user));
    return {};
}

}  // namespace

Result<Access> parse_kubeconfig(std::string_view text, const Path& file, std::string_view context) {
    const auto root = TRY(parse_yaml(text, file.string()));
    const Reader reader(file);
    if (root.kind != Yaml::Kind::map || TRY(reader.text(root, "kind")) != "Config") {
        return reader.wrong(root, "this is no kubeconfig: 'kind' is not Config");
    }
    const auto chosen =
        context.empty() ? TRY(reader.text(root, "current-context")) : std::string(context);
    if (chosen.empty()) {
        return reader.wrong(root, "there is no current-context", "name one with `context`");
    }
    const auto* place = TRY(reader.entry(root, "contexts", "context", chosen));
    const auto* cluster =
        TRY(reader.entry(root, "clusters", "cluster", TRY(reader.required(*place, "cluster"))));
    Access access;
    access.origin = fmt::format("{} ({})", file.string(), core::printable(chosen));
    access.server = TRY(server_of(reader, *cluster));
    access.space = TRY(reader.text(*place, "namespace"));
    if (const auto name = TRY(reader.text(*place, "user")); !name.empty()) {
        const auto* user = TRY(reader.entry(root, "users", "user", name));
        TRY(read_user(reader, *user, file, access));
    }
    return access;
}

Result<Access> read_kubeconfig(const Path& file, std::string_view context) {
    return parse_kubeconfig(TRY(core::read_file(file, k_file_bytes_max)), file, context);
}

Result<Access> in_cluster(const core::Environment& environment, const Path& folder) {
    const auto host = environment.find("KUBERNETES_SERVICE_HOST");
    const auto port = environment.find("KUBERNETES_SERVICE_PORT");
    if (host == environment.end() || port == environment.end()) {
        return fail(Fault::invalid, "no kubeconfig is named and this is no pod of a cluster",
                    {.where = "kubeconfig", .hint = "name a file with `kubeconfig`"});
    }
    const bool six = host->second.find(':') != std::string::npos;
    const auto space = TRY(core::read_file_if_any(folder / "namespace", k_file_bytes_max));
    Access access;
    access.origin = folder.string();
    access.server.base =
        fmt::format("https://{}:{}", six ? "[" + host->second + "]" : host->second, port->second);
    access.server.tls.authority = TRY(core::read_file(folder / "ca.crt", k_file_bytes_max));
    access.space = std::string(core::trim(space.value_or("")));
    access.token_file = folder / "token";
    return access;
}

}  // namespace sust::cluster::kubernetes
