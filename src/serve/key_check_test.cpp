#include "serve/key_check.h"

#include <gtest/gtest.h>

#include "core/hash.h"
#include "serve/limits.h"
#include "serve/test_support.h"

namespace sust::serve {
namespace {

class KeyChecks : public testing::Test {
  protected:
    tenancy::FreshKey fresh() {
        return tenancy::make_key(clock, server_secret, "k", {}, {"inference"});
    }
    void know(std::vector<tenancy::Key> keys) {
        FleetMap map;
        map.keys = std::move(keys);
        view = View::make(std::move(map), view.get());
    }
    // The id of the key that passed, or "".
    std::string check(const std::string& authorization) {
        const auto* key = checker.check(view, authorization);
        return key == nullptr ? "" : key->id;
    }
    static std::string bearer(const tenancy::FreshKey& key) {
        return "Bearer " + key.text.reveal();
    }
    static std::string bearer(const std::string& body) {
        return "Bearer " + body + '_' + core::sha256_hex(body).substr(0, 8);
    }

    core::ManualClock clock;
    core::Secret server_secret{"server"};
    KeyCheck checker{server_secret};
    std::shared_ptr<const View> view = view_of({});
};

constexpr std::size_t k_id_end = 5 + 26;                 // of "sust_<id>"
constexpr std::size_t k_secret_end = k_id_end + 1 + 52;  // of "sust_<id>_<secret>"

TEST_F(KeyChecks, PassAKeyOfTheMapAndSayWhichItIs) {
    const auto a = fresh();
    const auto b = fresh();
    know({a.key, b.key});
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(checker.check(view, bearer(a)), &view->map().keys[0]);
        EXPECT_EQ(checker.check(view, bearer(b)), &view->map().keys[1]);
    }
}

TEST_F(KeyChecks, ReadTheSchemeInAnyCaseAndBlanksAroundTheKey) {
    const auto key = fresh();
    know({key.key});
    EXPECT_EQ(check("bearer " + key.text.reveal()), key.key.id);
    EXPECT_EQ(check("BEARER   " + key.text.reveal() + " "), key.key.id);
}

TEST_F(KeyChecks, RefuseWhatIsNotAKey) {
    const auto key = fresh();
    know({key.key});
    const auto& text = key.text.reveal();
    const std::string not_keys[] = {"",
                                    "B",
                                    "Bearer",
                                    "Bearer ",
                                    "Bearer    ",
                                    text,
                                    "Basic " + text,
                                    "Bearer" + text,
                                    "Bearer _",
                                    "Bearer sust_",
                                    "Bearer sust__",
                                    "Bearer " + text.substr(0, k_id_end),
                                    "Bearer " + text.substr(0, k_secret_end),
                                    "Bearer " + text.substr(1),
                                    "Bearer " + text + text,
                                    "Bearer " + text + ", Bearer " + text,
                                    "Bearer " + text + std::string(1, '\0'),
                                    "Bearer " + text + std::string(1 << 16, 'x'),
                                    "Bearer " + std::string(1 << 16, '_')};
    // Before the right text was ever seen, and when it is known.
    for (const bool known : {false, true}) {
        for (const auto& given : not_keys) {
            EXPECT_EQ(check(given), "") << given.substr(0, 120) << " known: " << known;
        }
        EXPECT_EQ(check(bearer(key)), key.key.id);
    }
}

TEST_F(KeyChecks, RefuseAKeyThatDiffersInAnyCharacter) {
    const auto key = fresh();
    know({key.key});
    const auto right = bearer(key);
    ASSERT_EQ(check(right), key.key.id);
    for (std::size_t i = sizeof "Bearer" + 1; i < right.size(); ++i) {
        auto wrong = right;
        wrong[i] = wrong[i] == '2' ? '3' : '2';
        EXPECT_EQ(check(wrong), "") << "at " << i;
    }
    EXPECT_EQ(check(right), key.key.id) << "wrong ones do not push out the right one";
}

TEST_F(KeyChecks, RefuseAnotherSecretUnderAKnownId) {
    const auto key = fresh();
    const auto other = fresh();
    know({key.key});
    const auto forged = bearer(key.text.reveal().substr(0, k_id_end) +
                               other.text.reveal().substr(k_id_end, k_secret_end - k_id_end));
    ASSERT_TRUE(tenancy::key_id(forged.substr(sizeof "Bearer"))) << "form and checksum are right";
    EXPECT_EQ(check(forged), "");
    EXPECT_EQ(check(bearer(key)), key.key.id);
    EXPECT_EQ(check(forged), "");
    EXPECT_EQ(check(bearer(other)), "") << "a stranger's key";
}

TEST_F(KeyChecks, RefuseAKeyOfAnotherServer) {
    const auto key = tenancy::make_key(clock, core::Secret("another"), "k", {}, {});
    know({key.key});
    EXPECT_EQ(check(bearer(key)), "");
}

TEST_F(KeyChecks, RefuseAKnownKeyFromTheFirstRequestAfterItsRevocation) {
    const auto kept = fresh();
    auto lost = fresh();
    know({kept.key, lost.key});
    ASSERT_EQ(check(bearer(lost)), lost.key.id);
    const auto before = view;
    lost.key.revoked = clock.wall();
    know({kept.key, lost.key});
    EXPECT_EQ(check(bearer(lost)), "");
    EXPECT_EQ(check(bearer(kept)), kept.key.id);

    view = before;
    ASSERT_EQ(check(bearer(lost)), lost.key.id);
    know({kept.key});
    EXPECT_EQ(check(bearer(lost)), "") << "a key that is left out is as revoked";
}

TEST_F(KeyChecks, GiveTheKeyAsTheNewMapHasIt) {
    auto key = fresh();
    know({key.key});
    ASSERT_EQ(check(bearer(key)), key.key.id);
    key.key.models = {"only"};
    know({fresh().key, key.key});
    EXPECT_EQ(checker.check(view, bearer(key)), &view->map().keys[1]);
}

TEST_F(KeyChecks, TellMoreKeysApartThanTheyRemember) {
    std::vector<tenancy::FreshKey> all;
    std::vector<tenancy::Key> kept;
    for (std::size_t i = 0; i < k_key_cache + 2; ++i) {
        all.push_back(fresh());
        kept.push_back(all.back().key);
    }
    know(kept);
    for (int round = 0; round < 2; ++round) {
        for (const auto& key : all) {
            ASSERT_EQ(check(bearer(key)), key.key.id);
        }
    }
}

}  // namespace
}  // namespace sust::serve
