#include "cluster/kubernetes/kubeconfig.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "cluster/kubernetes/base64.h"
#include "cluster/kubernetes/credentials.h"
#include "cluster/kubernetes/yaml.h"

namespace sust::cluster::kubernetes {
namespace {

using core::Fault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::string_view k_head =
    "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
    "clusters:\n- name: c\n  cluster:\n    server: https://10.0.0.1:6443/\n"
    "    certificate-authority-data: Q0E=\n    tls-server-name: kube\n"
    "contexts:\n- name: a\n  context: {cluster: c, user: u, namespace: team}\n"
    "- name: b\n  context: {cluster: gone, user: u}\n";

std::string with_user(std::string_view user) {
    return std::string(k_head) + "users:\n- name: u\n  user: " + std::string(user) + "\n";
}

Result<Access> parse(const std::string& text, std::string_view context = "") {
    return parse_kubeconfig(text, "/etc/kube/config", context);
}

std::string complaint(const std::string& text, std::string_view context = "") {
    const auto refused = parse(text, context);
    return refused ? "accepted" : core::to_string(refused.error());
}

TEST(Kubeconfig, SaysWhereTheServerIsAndHowToProveWhoAsks) {
    const auto access = parse(with_user("{token: abc, as: alice, as-groups: [x, y]}"));
    ASSERT_TRUE(access) << core::to_string(access.error());
    EXPECT_EQ(access->server.base, "https://10.0.0.1:6443");
    EXPECT_EQ(access->server.tls.authority, "CA");
    EXPECT_EQ(access->server.tls.server_name, "kube");
    EXPECT_TRUE(access->server.tls.verify);
    EXPECT_EQ(access->space, "team");
    EXPECT_EQ(access->token.reveal(), "abc");
    EXPECT_EQ(access->impersonation.user, "alice");
    EXPECT_THAT(access->impersonation.groups, ElementsAre("x", "y"));
}

TEST(Kubeconfig, APluginsCommandAndATokenFileAreRelativeToTheFile) {
    const auto access =
        parse(with_user("{tokenFile: t, exec: {apiVersion: client.authentication.k8s.io/v1, "
                        "command: bin/p, args: [a], env: [{name: N, value: v}]}}"));
    ASSERT_TRUE(access) << core::to_string(access.error());
    EXPECT_EQ(access->token_file, "/etc/kube/t");
    ASSERT_TRUE(access->plugin);
    EXPECT_EQ(access->plugin->version, "v1");
    EXPECT_EQ(access->plugin->folder, "/etc/kube");
    EXPECT_EQ(access->plugin->environment.at("N"), "v");
}

TEST(Kubeconfig, WhatIsWrongIsNamedWithFileLineAndNextStep) {
    EXPECT_THAT(complaint(with_user("{}"), "none"), HasSubstr("there are: a, b"));
    EXPECT_THAT(complaint(with_user("{}"), "b"), HasSubstr("no cluster 'gone'"));
    EXPECT_THAT(complaint("a: [1"), HasSubstr("/etc/kube/config:"));
    EXPECT_THAT(complaint("kind: Pod"), HasSubstr("no kubeconfig"));
    EXPECT_THAT(complaint(std::string(k_head)), HasSubstr("no user 'u'"));
    EXPECT_THAT(complaint(with_user("{client-certificate-data: QQ==}")),
                HasSubstr("/etc/kube/config:17: a client certificate and its key"));
    EXPECT_THAT(complaint(with_user("{client-certificate-data: '!'}")), HasSubstr("base64"));
    EXPECT_THAT(complaint(with_user("{client-certificate: no-such}")), HasSubstr("no-such"));
    EXPECT_THAT(complaint(with_user("{auth-provider: {name: gcp}}")), HasSubstr("exec"));
    EXPECT_THAT(complaint(with_user("{exec: {apiVersion: v9, command: p}}")),
                HasSubstr("v1 or v1beta1"));
    EXPECT_THAT(complaint(with_user("{token: [a]}")), HasSubstr("'token' must be text"));
}

TEST(Kubeconfig, BombsAreRefusedBeforeTheyAreExpanded) {
    std::string bomb = "a: &a [x, x]\n";
    for (char name = 'b'; name <= 'z'; ++name) {
        bomb += fmt::format("{}: &{} [*{}, *{}]\n", name, name, static_cast<char>(name - 1),
                            static_cast<char>(name - 1));
    }
    EXPECT_THAT(complaint(bomb), HasSubstr("anchors and aliases"));
    EXPECT_THAT(complaint(std::string(1000, '[') + std::string(1000, ']')), HasSubstr("deep"));
    EXPECT_THAT(complaint(std::string(2 << 20, 'x')), HasSubstr("more than 1.0 MiB"));
    std::string many = "[";
    for (int i = 0; i < 50'000; ++i) {
        many += "1,";
    }
    EXPECT_THAT(complaint(many + "]"), HasSubstr("values"));
}

TEST(Kubeconfig, InAPodTheAddressIsOfItsEnvironment) {
    const auto folder = core::TemporaryDirectory::create("/tmp", "kube");
    ASSERT_TRUE(core::write_file(folder->path() / "ca.crt", "CA"));
    ASSERT_TRUE(core::write_file(folder->path() / "namespace", "team\n"));
    const core::Environment environment = {{"KUBERNETES_SERVICE_HOST", "fd00::1"},
                                           {"KUBERNETES_SERVICE_PORT", "443"}};
    const auto access = in_cluster(environment, folder->path());
    ASSERT_TRUE(access) << core::to_string(access.error());
    EXPECT_EQ(access->server.base, "https://[fd00::1]:443");
    EXPECT_EQ(access->space, "team");
    EXPECT_EQ(access->token_file, folder->path() / "token");
    EXPECT_FALSE(in_cluster({}, folder->path()));
}

TEST(Base64, IsReadWithItsPaddingAndNothingElseIs) {
    EXPECT_EQ(*decode_base64("Zm9v\nYg=="), "foob");
    EXPECT_EQ(*decode_base64(""), "");
    for (const auto* bad : {"Zg", "Z===", "Zm9v!", "Zg==Zg==", "===="}) {
        EXPECT_FALSE(decode_base64(bad)) << bad;
    }
}

// --- Credentials -----------------------------------------------------------------------------

std::string credential(std::string_view status) {
    return fmt::format(
        R"({{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)"
        R"("status":{}}})",
        status);
}

TEST(ExecCredential, HasATokenOrACertificateAndPerhapsATime) {
    const auto proof = parse_exec_credential(
        credential(R"({"token":"t","expirationTimestamp":"2026-01-01T00:00:00Z"})"), "v1");
    ASSERT_TRUE(proof);
    EXPECT_EQ(proof->token.reveal(), "t");
    EXPECT_EQ(core::rfc3339(proof->expires), "2026-01-01T00:00:00.000Z");
    for (const auto& bad :
         {std::string("{}"), std::string("[]"), std::string("x"), credential("{}"),
          credential(R"({"token":7})"), credential(R"({"token":"t","expirationTimestamp":"soon"})"),
          credential(R"({"clientCertificateData":"c"})")}) {
        EXPECT_FALSE(parse_exec_credential(bad, "v1")) << bad;
    }
    EXPECT_FALSE(parse_exec_credential(credential(R"({"token":"t"})"), "v1beta1"));
}

class PluginTest : public ::testing::Test {
  protected:
    // A plugin that counts its calls.
    Access access(const std::string& script) {
        EXPECT_TRUE(core::write_file(folder_->path() / "plugin",
                                     "#!/bin/sh\necho x >>" + calls() + "\n" + script, 0755));
        return {.origin = "config",
                .plugin = ExecPlugin{.version = "v1",
                                     .command = (folder_->path() / "plugin").string(),
                                     .hint = "install it"}};
    }
    std::string calls() const { return (folder_->path() / "calls").string(); }
    std::size_t count() const { return core::read_file(calls(), 1000).value_or("").size() / 2; }

    core::Result<core::TemporaryDirectory> folder_ =
        core::TemporaryDirectory::create("/tmp", "plugin");
    core::SystemClock clock_;
};

TEST_F(PluginTest, ItsCredentialIsKeptUntilItIsRefusedOrExpires) {
    Credentials lasting(access("echo '" + credential(R"({"token":"t"})") + "'"), {}, clock_);
    EXPECT_EQ(lasting.proof()->token.reveal(), "t");
    EXPECT_TRUE(lasting.proof());
    EXPECT_EQ(count(), 1U);
    lasting.reject();
    EXPECT_TRUE(lasting.proof());
    EXPECT_EQ(count(), 2U);
    Credentials expired(
        access("echo '" +
               credential(R"({"token":"t","expirationTimestamp":"2020-01-01T00:00:00Z"})") + "'"),
        {}, clock_);
    EXPECT_TRUE(expired.proof());
    EXPECT_TRUE(expired.proof());
    EXPECT_EQ(count(), 4U);
}

TEST_F(PluginTest, ItsFailureIsToldWithItsWordsAndHowToInstallIt) {
    Credentials credentials(access("echo not signed in >&2; exit 3"), {}, clock_);
    const auto refused = credentials.proof();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::denied);
    EXPECT_THAT(refused.error().message, HasSubstr("exit status 3: not signed in"));
    EXPECT_EQ(refused.error().hint, "install it");
}

TEST_F(PluginTest, OneThatHangsIsGivenUp) {
    auto hangs = access("exec sleep 600");
    hangs.plugin->patience = 200ms;
    Credentials credentials(hangs, {{"PATH", "/usr/bin:/bin"}}, clock_);
    const auto refused = credentials.proof();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::timeout);
    EXPECT_THAT(core::to_string(refused.error()), HasSubstr("config"));
}

TEST_F(PluginTest, ATokenInAFileIsReadEachTime) {
    const auto file = folder_->path() / "token";
    Credentials credentials({.token_file = file}, {}, clock_);
    EXPECT_FALSE(credentials.proof());
    for (const std::string token : {"one", "two"}) {
        ASSERT_TRUE(core::write_file(file, token + "\n"));
        EXPECT_EQ(credentials.proof()->token.reveal(), token);
    }
}

}  // namespace
}  // namespace sust::cluster::kubernetes
