#include "cluster/kubernetes/credentials.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr auto k_before_expiry = 10s;  // a credential that expires on its way is no use
constexpr std::size_t k_token_bytes_max = 64 << 10;

std::string text_at(const json& map, const char* key) {
    const auto found = map.find(key);
    return found != map.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Result<Proof> parse_exec_credential(std::string_view text, std::string_view version) {
    const auto said = json::parse(text, nullptr, false);
    if (!said.is_object() || text_at(said, "kind") != "ExecCredential") {
        return fail(Fault::invalid, "what it printed is no ExecCredential");
    }
    if (text_at(said, "apiVersion") != "client.authentication.k8s.io/" + std::string(version)) {
        return fail(Fault::invalid,
                    fmt::format("it speaks {} and the kubeconfig says {}",
                                core::printable(text_at(said, "apiVersion")), version));
    }
    const auto status = said.find("status");
    if (status == said.end() || !status->is_object()) {
        return fail(Fault::invalid, "its ExecCredential has no status");
    }
    Proof proof{.token = core::Secret(text_at(*status, "token")),
                .certificate = text_at(*status, "clientCertificateData"),
                .key = core::Secret(text_at(*status, "clientKeyData"))};
    if (proof.token.empty() && (proof.certificate.empty() || proof.key.empty())) {
        return fail(Fault::invalid, "its ExecCredential has neither token nor certificate");
    }
    if (const auto until = text_at(*status, "expirationTimestamp"); !until.empty()) {
        proof.expires = TRY(core::within("expirationTimestamp", core::parse_rfc3339(until)));
    }
    return proof;
}

Result<Proof> Credentials::proof() {
    const std::lock_guard lock(mutex_);
    if (!access_.token_file.empty()) {
        const auto text = TRY(core::read_file(access_.token_file, k_token_bytes_max));
        return Proof{.token = core::Secret(std::string(core::trim(text)))};
    }
    if (!access_.plugin) {
        return Proof{.token = access_.token};
    }
    if (!kept_ || clock_.wall() + k_before_expiry >= kept_->expires) {
        kept_.reset();
        kept_ = TRY(core::within("credential plugin " + access_.plugin->command, ask_plugin()));
    }
    return *kept_;
}

void Credentials::reject() {
    const std::lock_guard lock(mutex_);
    kept_.reset();
}

Result<Proof> Credentials::ask_plugin() {
    const auto& plugin = *access_.plugin;
    core::Command command{.argv = {plugin.command}, .environment = environment_};
    if (plugin.command.find('/') != std::string::npos) {
        command.argv[0] = (plugin.folder / plugin.command).string();
    }
    command.argv.insert(command.argv.end(), plugin.arguments.begin(), plugin.arguments.end());
    for (const auto& [name, value] : plugin.environment) {
        (*command.environment)[name] = value;
    }
    (*command.environment)["KUBERNETES_EXEC_INFO"] = json{
        {"kind", "ExecCredential"},
        {"apiVersion", "client.authentication.k8s.io/" + plugin.version},
        {"spec", {{"interactive", false}}}}.dump();
    const auto hint = plugin.hint.empty()
                          ? "run it by hand; is it installed, and are you signed in?"
                          : core::printable(plugin.hint, 300);
    const auto ran = core::run(command, core::Deadline(clock_, plugin.patience));
    if (!ran) {
        return fail(ran.error().fault, ran.error().message,
                    {.where = access_.origin, .hint = hint});
    }
    if (ran->status != 0) {
        return fail(Fault::denied,
                    fmt::format("exit status {}: {}", ran->status,
                                core::printable(core::trim(ran->err), 300)),
                    {.where = access_.origin, .hint = hint});
    }
    return parse_exec_credential(ran->out, plugin.version);
}

}  // namespace sust::cluster::kubernetes
