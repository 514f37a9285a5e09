#include "cluster/share_word.h"

#include "cluster/word_json.h"

namespace sust::cluster {

using nlohmann::json;

namespace {

constexpr int k_index_max = 100'000;  // of a core or a GPU
constexpr std::size_t k_bytes_max = 1 << 20;

json share_json(const Share& share) {
    return {{"cores", share.cores},
            {"memory_bytes", share.memory_bytes},
            {"gpus", share.gpus},
            {"cgroup", share.cgroup.string()}};
}

Share share_of(const json& document) {
    Share share{.cores = document.at("cores").get<std::vector<int>>(),
                .memory_bytes = document.at("memory_bytes").get<std::uint64_t>(),
                .gpus = document.at("gpus").get<std::vector<int>>(),
                .cgroup = document.at("cgroup").get<std::string>()};
    for (const auto* indexes : {&share.cores, &share.gpus}) {
        for (const int index : *indexes) {
            if (index < 0 || index > k_index_max) {
                throw std::invalid_argument("an index is out of range");
            }
        }
    }
    return share;
}

}  // namespace

std::string share_text(const Share& word) {
    auto document = share_json(word);
    document["format"] = k_word_format;
    return dump_word(document);
}

Result<std::optional<Share>> read_share(const Path& file) {
    return read_word(file, k_bytes_max, share_of);
}

std::string claim_text(const ClaimWord& word) {
    const auto& claim = word.claim;
    json document{{"format", k_word_format},
                  {"job", claim.token.value},
                  {"epoch", word.epoch},
                  {"need",
                   {{"cores", claim.need.cores},
                    {"memory_bytes", claim.need.memory_bytes},
                    {"gpus", claim.need.gpus}}},
                  {"priority", claim.priority},
                  {"order", claim.order},
                  {"longest_ms", claim.longest.count()}};
    if (word.share) {
        document["share"] = share_json(*word.share);
        document["given"] = core::rfc3339(word.given);
    }
    return dump_word(document);
}

Result<std::optional<ClaimWord>> read_claim(const Path& file, const Token& token) {
    return read_word(file, k_bytes_max, [&token](const json& document) {
        if (document.at("job") != token.value) {
            throw std::invalid_argument("it is of another job");
        }
        const auto& need = document.at("need");
        ClaimWord word{
            .claim = {.token = token,
                      .need = {.cores = need.at("cores").get<int>(),
                               .memory_bytes = need.at("memory_bytes").get<std::uint64_t>(),
                               .gpus = need.at("gpus").get<int>()},
                      .priority = document.at("priority").get<int>(),
                      .order = document.at("order").get<std::int64_t>(),
                      .longest = Duration(document.at("longest_ms").get<std::int64_t>())},
            .epoch = document.at("epoch").get<std::int64_t>()};
        if (document.contains("share")) {
            word.share = share_of(document.at("share"));
            word.given = time_at(document, "given");
        }
        return word;
    });
}

}  // namespace sust::cluster
