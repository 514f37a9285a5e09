#include "apps/sust/manual.h"

#include <fmt/format.h>

#include "apps/sust/help.h"
#include "apps/sust/verb.h"

namespace sust::cli {
namespace {

// A leading dot or quote would be a request, a backslash an escape, a bare minus a hyphen.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string entry_of(const Option& option) {
    return fmt::format(".TP\n.B {}\n{}\n", escaped(shown(option)), escaped(option.help));
}

std::string section_of(const Verb& verb) {
    std::string text = fmt::format(".SS sust {}\n{}.\n", escaped(verb.path), escaped(verb.summary));
    for (const auto& positional : verb.positionals) {
        text += fmt::format(".TP\n.I {}\n{}\n", escaped(positional.name), escaped(positional.help));
    }
    for (const auto& option : verb.options) {
        text += entry_of(option);
    }
    if (!verb.examples.empty()) {
        text += ".PP\nExamples:\n.nf\n";
        for (const auto& example : verb.examples) {
            text += fmt::format("  {}\n", escaped(example));
        }
        text += ".fi\n";
    }
    return text;
}

}  // namespace

std::string manual_page(std::string_view version) {
    std::string page = fmt::format(
        ".TH SUST 1 \"\" \"sust {}\" \"Sust\"\n.SH NAME\nsust \\- the life of a foundation model "
        "on one "
        "machine or a supercomputer\n.SH SYNOPSIS\n.B sust\n[\\-\\-root DIR] [\\-\\-json] NOUN "
        "VERB [NAME] "
        "[OPTIONS]\n.SH COMMANDS\n",
        version);
    for (const auto& verb : verbs()) {
        if (verb.shown == Verb::Shown::yes) {
            page += section_of(verb);
        }
    }
    page += ".SH OPTIONS\nThese may be said with every command.\n";
    for (const auto& option : global_options()) {
        page += entry_of(option);
    }
    page +=
        ".SH EXIT STATUS\n0 ok, 2 invalid, 3 denied, 4 not found, 5 conflict, 6 unavailable, 7 "
        "timeout, "
        "8 exhausted, 9 too large, 70 internal. Commands that wrap a program return the program's "
        "status, "
        "128+signal for signals; 125, 126, 127 are their own failures before its start.\n";
    return page;
}

}  // namespace sust::cli
