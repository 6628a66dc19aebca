/* The manual page, made from the same tables as help: roff with the macros of man(7). */
#include "client-tools/help/help.h"

/* Appends text of a line. Protects characters that roff would take for a request or an escape. */
static void append_roff(struct buffer *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buffer_append_string(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            buffer_append_string(out, "\\e");
        else if (*text == '-')
            buffer_append_string(out, "\\-");
        else
            buffer_append_u8(out, (uint8_t)*text);
    }
}

static void append_line(struct buffer *out, const char *before, const char *text, const char *after)
{
    buffer_append_string(out, before);
    append_roff(out, text);
    buffer_printf(out, "%s\n", after);
}

static void append_flags(struct buffer *out, const struct flag *flags)
{
    for (; flags && flags->name; flags++) {
        buffer_append_string(out, ".TP\n");
        if (flags->letter)
            buffer_printf(out, "\\fB\\-%c\\fR, ", flags->letter);
        append_line(out, "\\fB\\-\\-", flags->name, "\\fR");
        if (flags->placeholder) {
            out->size--; /* on the same line */
            append_line(out, " \\fI", flags->placeholder, "\\fR");
        }
        append_line(out, "", flags->sentence, flags->choices ? ":" : ".");
        for (const char *at = flags->choices; at && *at;) {
            size_t size = strcspn(at, "|");
            buffer_printf(out, ".B \"%.*s%s\"\n", (int)size, at, at[size] ? "," : ".");
            at += size + (at[size] == '|');
        }
    }
}

static void append_command(struct buffer *out, const struct command *c)
{
    struct message name;
    message_set(&name, "tidemill %s%s%s %s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
                c->arguments);
    append_line(out, ".SS \"", name.text, "\"");
    append_line(out, "", c->sentence, ".");
    if (c->destructive)
        buffer_append_string(out, "Asks for confirmation before data is lost.\n");
    if (c->streaming)
        buffer_append_string(out, "Ctrl\\-C stops it.\n");
    append_flags(out, c->flags);
    buffer_append_string(out, ".PP\n.nf\n");
    for (size_t i = 0; c->examples[i]; i++)
        append_line(out, "    tidemill ", c->examples[i], "");
    buffer_append_string(out, ".fi\n");
}

static const char beginning[] =
    ".TH TIDEMILL 1 \"\" \"tidemill " TIDEMILL_VERSION "\" \"Tidemill\"\n"
    ".SH NAME\n"
    "tidemill \\- manages a Tidemill broker or any other Kafka-compatible broker\n"
    ".SH SYNOPSIS\n"
    ".B tidemill\n"
    ".I NOUN VERB\n"
    "[\\fIARGUMENTS\\fR] [\\fIFLAGS\\fR]\n"
    ".SH GLOBAL FLAGS\n";

static const char end[] =
    ".SH EXIT STATUS\n"
    ".TP\n"
    "0\n"
    "Success. This includes a stream that Ctrl\\-C stopped and output that its reader closed.\n"
    ".TP\n"
    "1\n"
    "The request failed, or one of its items.\n"
    ".TP\n"
    "2\n"
    "A flag, argument, file or record is wrong.\n"
    ".TP\n"
    "3\n"
    "No broker answered within the time limit.\n"
    ".TP\n"
    "130, 143\n"
    "Interrupted before the command was complete.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n"
    ".B TIDEMILL_BROKERS\n"
    "Brokers to connect to.\n"
    ".TP\n"
    ".B TIDEMILL_PROFILE\n"
    "The profile to use.\n"
    ".TP\n"
    "\\fBTIDEMILL_\\fIKEY\\fR\n"
    "A client property. For example TIDEMILL_LINGER_MS sets linger.ms.\n"
    ".TP\n"
    ".B NO_COLOR\n"
    "Print without colour.\n"
    ".SH FILES\n"
    ".TP\n"
    ".I ~/.config/tidemill/config.properties\n"
    "Client properties. Each section is a profile. \"profile = NAME\" before the first section "
    "sets the default profile.\n"
    ".SH SEE ALSO\n"
    "The broker: \\fBtidemilld \\-\\-help\\fR, \\fBtidemilld \\-\\-reference\\fR.\n";

void help_manual(struct buffer *out)
{
    buffer_append_string(out, beginning);
    append_flags(out, global_flags);
    buffer_append_string(out, ".SH COMMANDS\n");
    for (size_t i = 0; commands[i]; i++)
        append_command(out, commands[i]);
    buffer_append_string(out, end);
}
