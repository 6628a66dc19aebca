/* Completion for shells, made from the tables. */
#include "client-tools/files.h"
#include "client-tools/help/help.h"
#include "client-tools/tool.h"

static bool is_first_of_noun(size_t i)
{
    return i == 0 || strcmp(commands[i]->noun, commands[i - 1]->noun) != 0;
}

static void append_flag_words(struct buffer *out, const struct flag *flags)
{
    for (; flags && flags->name; flags++) {
        buffer_printf(out, " --%s", flags->name);
        if (flags->letter)
            buffer_printf(out, " -%c", flags->letter);
    }
}

static void append_verbs(struct buffer *out, size_t first)
{
    for (size_t i = first; commands[i] && strcmp(commands[i]->noun, commands[first]->noun) == 0;
         i++) {
        if (commands[i]->verb)
            buffer_printf(out, "%s%s", i == first ? "" : " ", commands[i]->verb);
    }
}

static void append_nouns(struct buffer *out)
{
    for (size_t i = 0; commands[i]; i++) {
        if (is_first_of_noun(i))
            buffer_printf(out, "%s%s", i ? " " : "", commands[i]->noun);
    }
}

/* Appends "none|gzip" as words. */
static void append_choices(struct buffer *out, const char *choices)
{
    for (; *choices; choices++)
        buffer_append_u8(out, *choices == '|' ? ' ' : (uint8_t)*choices);
}

/* Completes the values of flags that have choices. */
static void bash_choices(struct buffer *out, const struct flag *flags)
{
    for (; flags && flags->name; flags++) {
        if (flags->choices == NULL)
            continue;
        buffer_append_string(out, "            ");
        if (flags->letter)
            buffer_printf(out, "-%c | ", flags->letter);
        buffer_printf(out, "--%s) choices='", flags->name);
        append_choices(out, flags->choices);
        buffer_append_string(out, "' ;;\n");
    }
}

/* The noun whose list gives the names for a command's arguments. */
static const char *listed_noun(const struct command *c)
{
    if (c->verb && strcmp(c->verb, "create") == 0)
        return "";
    const char *name = c->arguments + (c->arguments[0] == '[');
    return strncmp(name, "TOPIC", 5) == 0 ? "topic" : strncmp(name, "GROUP", 5) == 0 ? "group" : "";
}

static void bash_command(struct buffer *out, const struct command *c)
{
    buffer_printf(out, "    '%s %s'%s)\n        flags='", c->noun, c->verb ? c->verb : "",
                  c->verb ? "" : "*");
    append_flag_words(out, c->flags);
    append_flag_words(out, global_flags);
    buffer_printf(out, "'\n        names=%s\n        case \"$before\" in\n", listed_noun(c));
    bash_choices(out, c->flags);
    bash_choices(out, global_flags);
    buffer_append_string(out, "        esac\n");
    if (strchr(c->arguments, '|')) {
        buffer_append_string(out, "        words='");
        append_choices(out, c->arguments);
        buffer_append_string(out, "'\n");
    }
    buffer_append_string(out, "        ;;\n");
}

static void bash_verbs(struct buffer *out)
{
    for (size_t i = 0; commands[i]; i++) {
        if (!is_first_of_noun(i) || commands[i]->verb == NULL)
            continue;
        buffer_printf(out, "        %s) words='", commands[i]->noun);
        append_verbs(out, i);
        buffer_append_string(out, "' ;;\n");
    }
}

static void bash_completion(struct buffer *out)
{
    buffer_append_string(
        out, "# bash completion for tidemill\n"
             "_tidemill()\n"
             "{\n"
             "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
             "    local noun=${COMP_WORDS[1]} verb=${COMP_WORDS[2]}\n"
             "    local words= flags= choices= names=\n"
             "    case \"$verb\" in\n"
             "    ls) verb=list ;;\n"
             "    rm) verb=delete ;;\n"
             "    esac\n"
             "    case \"$noun $verb\" in\n");
    for (size_t i = 0; commands[i]; i++)
        bash_command(out, commands[i]);
    buffer_append_string(out, "    esac\n"
                              "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                              "        words='");
    append_nouns(out);
    buffer_append_string(out, "'\n"
                              "    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
                              "        case \"$noun\" in\n");
    bash_verbs(out);
    buffer_append_string(
        out, "        esac\n"
             "    fi\n"
             "    if [ -n \"$choices\" ]; then\n"
             "        words=$choices\n"
             "    elif [[ $word == -* ]]; then\n"
             "        words=$flags\n"
             "    elif [ -z \"$words\" ] && [ -n \"$names\" ]; then\n"
             "        words=$(\"$1\" \"$names\" list --timeout 1s --format tsv 2>/dev/null"
             " | cut -f1)\n"
             "    fi\n"
             "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
             "}\n"
             "complete -o default -F _tidemill tidemill\n");
}

/* zsh runs the bash function through its own adapter. */
static void zsh_completion(struct buffer *out)
{
    buffer_append_string(out, "#compdef tidemill\n"
                              "autoload -U +X bashcompinit && bashcompinit\n");
    bash_completion(out);
}

static void append_fish_text(struct buffer *out, const char *text)
{
    for (; *text; text++)
        buffer_printf(out, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
}

static void fish_flags(struct buffer *out, const struct flag *flags, const char *condition)
{
    for (; flags && flags->name; flags++) {
        buffer_printf(out, "complete -c tidemill%s -l %s", condition, flags->name);
        if (flags->letter)
            buffer_printf(out, " -s %c", flags->letter);
        if (flags->choices) {
            buffer_append_string(out, " -xa '");
            append_choices(out, flags->choices);
            buffer_append_string(out, "'");
        } else if (flags->kind != FLAG_SWITCH) {
            buffer_append_string(out, " -r");
        }
        buffer_append_string(out, " -d '");
        append_fish_text(out, flags->sentence);
        buffer_append_string(out, "'\n");
    }
}

static void fish_completion(struct buffer *out)
{
    buffer_append_string(out, "# fish completion for tidemill\n");
    for (size_t i = 0; commands[i]; i++) {
        const struct command *c = commands[i];
        char condition[256];
        if (is_first_of_noun(i))
            buffer_printf(out, "complete -c tidemill -n __fish_use_subcommand -a %s\n", c->noun);
        if (c->verb) {
            buffer_printf(out,
                          "complete -c tidemill -n '__fish_seen_subcommand_from %s' -a %s -d '",
                          c->noun, c->verb);
            append_fish_text(out, c->sentence);
            buffer_append_string(out, "'\n");
        }
        snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %s%s%s'", c->noun,
                 c->verb ? "; and __fish_seen_subcommand_from " : "", c->verb ? c->verb : "");
        fish_flags(out, c->flags, condition);
    }
    fish_flags(out, global_flags, "");
}

static bool run(struct tool *t)
{
    static const struct {
        const char *shell;
        void (*write)(struct buffer *out);
    } shells[] = {{"bash", bash_completion},
                  {"zsh", zsh_completion},
                  {"fish", fish_completion},
                  {"man", help_manual},
                  {"markdown", help_markdown}};
    for (size_t i = 0; i < COUNT_OF(shells); i++) {
        if (!bytes_equal_string(t->arguments.names[0], shells[i].shell))
            continue;
        struct buffer out;
        buffer_init(&out, 1 << 20);
        shells[i].write(&out);
        bool good = write_result(buffer_view(&out), &t->failure);
        buffer_free(&out);
        return good;
    }
    return fail_usage(&t->failure, "%.*s: not one of bash, zsh, fish and man",
                      BYTES_PRINTF(t->arguments.names[0]));
}

const struct command completion_command = {
    .noun = "completion",
    .arguments = "bash|zsh|fish|man",
    .min = 1,
    .max = 1,
    .sentence = "Prints a completion script for a shell, or the manual page",
    .examples =
        (const char *const[]){"completion bash > ~/.local/share/bash-completion/"
                              "completions/tidemill",
                              "completion fish | source", "completion man | man -l -", NULL},
    .run = run,
};
